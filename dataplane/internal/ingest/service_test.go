package ingest

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"connectrpc.com/connect"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/gen/go/strata/serving/v1/servingv1connect"
	"github.com/strata-exp/strata/internal/auth"
	"github.com/strata-exp/strata/internal/obs"
	"github.com/strata-exp/strata/internal/rpc"
)

// mounted is a service with one place, and the mux that it is on.
func mounted(t *testing.T) (*Service, *http.ServeMux) {
	t.Helper()
	edge := rpc.NewEdge(obs.Discard(), func(string, connect.Code) {})
	s := NewService(NewCounted(obs.NewRegistry(), NewLog(obs.Discard()), func(string) bool { return true }), edge)
	s.calls = make(chan struct{}, 1)
	mux := http.NewServeMux()
	authenticator := &auth.Authenticator{Keys: auth.NewKeyring(), Nonces: auth.NewMemoryNonces(0, nil), Audience: "data-plane"}
	s.Mount(mux, authenticator, func(_ string, next http.Handler) http.Handler { return next })
	return s, mux
}

func TestTooManyAtOnce(t *testing.T) {
	t.Parallel()
	s, mux := mounted(t)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	batch := &servingv1.RecordRequest{Exposures: []*servingv1.Exposure{exposure()}}
	for name, options := range map[string][]connect.ClientOption{
		"Connect": {connect.WithSendGzip()}, "JSON": {connect.WithProtoJSON()}, "gRPC-Web": {connect.WithGRPCWeb()},
	} {
		client := servingv1connect.NewEventServiceClient(server.Client(), server.URL, options...)
		s.calls <- struct{}{}
		if _, err := client.Record(t.Context(), batch); connect.CodeOf(err) != connect.CodeResourceExhausted {
			t.Errorf("%s: got %v", name, err)
		}
		<-s.calls
		if _, err := client.Record(t.Context(), batch); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if len(s.calls) != 0 {
			t.Errorf("%s: the place was not left", name)
		}
	}
}

// TestBodiesThatBreakOff say so still, though they are read beforehand.
func TestBodiesThatBreakOff(t *testing.T) {
	t.Parallel()
	_, mux := mounted(t)
	for name, test := range map[string]struct {
		body io.Reader
		want string
	}{
		"nothing":   {http.NoBody, "body: not valid JSON at byte 0"},
		"too short": {io.MultiReader(strings.NewReader(`{"exposures":[]}`), ended{io.ErrUnexpectedEOF}), "body: it ends before its length"},
		"broken":    {io.MultiReader(strings.NewReader(`{}`), ended{errors.New("reset")}), "body: it can not be read"},
		"too large": {strings.NewReader(strings.Repeat(" ", rpc.MaxRequestBytes+1)), "body: larger than 4 MiB"},
	} {
		r := httptest.NewRequest(http.MethodPost, servingv1connect.EventServiceRecordProcedure, test.body)
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), test.want) {
			t.Errorf("%s: got %d %s, want %s", name, w.Code, w.Body, test.want)
		}
	}
}
