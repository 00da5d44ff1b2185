package api

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/strata-exp/strata/dataplane/internal/snapshot"
)

func TestStale(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	holder := snapshot.NewHolder(func() time.Time { return now })
	handler := Stale(holder, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	header := func() string {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/experiment", nil))
		return w.Header().Get(StaleHeader)
	}
	if got := header(); got != "" {
		t.Errorf("of a source that confirms nothing: %q", got)
	}
	holder.Confirm(0)
	now = now.Add(StaleAfter)
	if got := header(); got != "" {
		t.Errorf("within three heartbeats: %q", got)
	}
	now = now.Add(1500 * time.Millisecond)
	if got := header(); got != "46" {
		t.Errorf("got %q", got)
	}
	holder.Confirm(time.Second)
	if got := header(); got != "" {
		t.Errorf("once it is confirmed: %q", got)
	}
}
