package api

import (
	"net/http"
	"strconv"
	"time"

	"github.com/strata-exp/strata/dataplane/internal/snapshot"
)

const (
	// StaleHeader is, in answers from a configuration that nothing has confirmed to
	// be the newest for longer than StaleAfter, for how many seconds that is.
	StaleHeader = "Strata-Stale-Seconds"
	// StaleAfter is three heartbeats of the config stream.
	StaleAfter = 45 * time.Second
)

// Stale stands before handlers whose answers come from a configuration, and says
// in a header if that may have been overtaken. The answers are as good as before:
// it is for those who want to know.
func Stale(holder *snapshot.Holder, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if stale, known := holder.Stale(); known && stale > StaleAfter {
			w.Header().Set(StaleHeader, strconv.FormatInt(int64(stale.Seconds()), 10))
		}
		next.ServeHTTP(w, r)
	})
}
