package controlplane

import (
	"context"
	"encoding/json"
	"net/http"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"
	"connectrpc.com/grpchealth"
	"connectrpc.com/grpcreflect"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/strata-exp/strata/controlplane/internal/api"
	"github.com/strata-exp/strata/internal/rpc"
)

// probeTimeout is how long the database may take to answer a probe.
const probeTimeout = 2 * time.Second

// health says whether a control plane should be sent requests: while the
// database answers, until it begins to stop.
type health struct {
	pool     *pgxpool.Pool
	version  string
	stopping *atomic.Bool
}

var _ grpchealth.Checker = (*health)(nil)

func (h *health) check(ctx context.Context) error {
	if h.stopping.Load() {
		return errNotReady
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	return h.pool.Ping(ctx)
}

// Check implements grpchealth.Checker.
func (h *health) Check(ctx context.Context, _ *grpchealth.CheckRequest) (*grpchealth.CheckResponse, error) {
	status := grpchealth.StatusServing
	if err := h.check(ctx); err != nil {
		status = grpchealth.StatusNotServing
	}
	return &grpchealth.CheckResponse{Status: status}, nil
}

// mount adds the gRPC health service and reflection to a mux. Streams end when
// stop is closed.
func (h *health) mount(mux *http.ServeMux, edge *rpc.Edge, stop <-chan struct{}) {
	path, handler := grpchealth.NewHandler(h, edge.StreamOptions(grpchealth.HealthV1ServiceName))
	mux.Handle(path, rpc.Stream(stop, handler))
	reflector := grpcreflect.NewStaticReflector(append(api.ServiceNames(), grpchealth.HealthV1ServiceName)...)
	path, handler = grpcreflect.NewHandlerV1(reflector, edge.StreamOptions(grpcreflect.ReflectV1ServiceName))
	mux.Handle(path, rpc.Stream(stop, handler))
	path, handler = grpcreflect.NewHandlerV1Alpha(reflector, edge.StreamOptions(grpcreflect.ReflectV1AlphaServiceName))
	mux.Handle(path, rpc.Stream(stop, handler))
}

// mountProbes adds what orchestrators ask: GET /healthz is answered by a process
// that lives, GET /readyz by one that should be sent requests.
func (h *health) mountProbes(mux *http.ServeMux) {
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		writeReport(w, http.StatusOK, report{Status: "alive", Version: h.version})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		switch err := h.check(r.Context()); {
		case err == nil:
			writeReport(w, http.StatusOK, report{Status: "ready"})
		case h.stopping.Load():
			writeReport(w, http.StatusServiceUnavailable, report{Status: "stopping"})
		default:
			writeReport(w, http.StatusServiceUnavailable, report{Status: "no database"})
		}
	})
}

// report is what probes are answered.
type report struct {
	Status  string `json:"status"`
	Version string `json:"version,omitempty"`
}

func writeReport(w http.ResponseWriter, code int, r report) {
	data, _ := json.Marshal(r) //nolint:errchkjson // two strings
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(append(data, '\n')) // a client that has gone hears nothing anyway
}

// requestMetrics counts calls of the admin API.
type requestMetrics struct{ requests *prometheus.CounterVec }

func newRequestMetrics(registry prometheus.Registerer) *requestMetrics {
	m := &requestMetrics{prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "strata_admin_requests_total",
		Help: "Calls of the admin API, by procedure and code.",
	}, []string{"procedure", "code"})}
	registry.MustRegister(m.requests)
	return m
}

func (m *requestMetrics) observe(procedure string, code connect.Code) {
	name := "ok"
	if code != 0 {
		name = code.String()
	}
	m.requests.WithLabelValues(procedure, name).Inc()
}
