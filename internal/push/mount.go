package push

import (
	"math"
	"net/http"

	"connectrpc.com/connect"

	"github.com/strata-exp/strata/gen/go/strata/serving/v1/servingv1connect"
	"github.com/strata-exp/strata/internal/rpc"
)

// NewHandler returns the handler of ConfigService, and the path to mount it on.
// Authentication has to stand before it. Streams end when stop is closed; Drain
// ends them in good order before that.
func NewHandler(s *Server, edge *rpc.Edge, stop <-chan struct{}) (path string, handler http.Handler) {
	// Changes are compressed already, once for all who get them.
	plain := connect.WithCompressMinBytes(math.MaxInt)
	path, watch := servingv1connect.NewConfigServiceHandler(s, edge.StreamOptions(servingv1connect.ConfigServiceName), plain)
	_, fetch := servingv1connect.NewConfigServiceHandler(s, edge.UnaryOptions(servingv1connect.ConfigServiceFetchProcedure), plain)
	_, report := servingv1connect.NewConfigServiceHandler(s, edge.UnaryOptions(servingv1connect.ConfigServiceReportStatusProcedure), plain)

	watch = rpc.Stream(stop, controlled(watch))
	fetch = edge.Unary(servingv1connect.ConfigServiceFetchProcedure, fetch)
	report = edge.Unary(servingv1connect.ConfigServiceReportStatusProcedure, report)
	return path, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case servingv1connect.ConfigServiceFetchProcedure:
			unbuffered(w)
			fetch.ServeHTTP(w, r)
		case servingv1connect.ConfigServiceReportStatusProcedure:
			report.ServeHTTP(w, r)
		default:
			watch.ServeHTTP(w, r)
		}
	})
}
