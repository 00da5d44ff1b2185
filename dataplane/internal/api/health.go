package api

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"connectrpc.com/connect"
	"connectrpc.com/grpchealth"
	"connectrpc.com/grpcreflect"

	"github.com/strata-exp/strata/dataplane/internal/snapshot"
	"github.com/strata-exp/strata/gen/go/strata/serving/v1/servingv1connect"
	"github.com/strata-exp/strata/internal/rpc"
)

// Health says whether a data plane should be sent requests: from when it holds a
// configuration until it begins to stop. A configuration that was refused later
// does not count, as the one before it is still served. It is safe for
// concurrent use.
type Health struct {
	holder  *snapshot.Holder
	version string
	now     func() time.Time
	stream  func() Stream // nil: the source is none

	mu       sync.Mutex
	stopping bool
	watchers map[*func()]struct{}
}

var _ grpchealth.Watcher = (*Health)(nil)

// NewHealth returns the health of what serves from holder.
func NewHealth(holder *snapshot.Holder, version string, now func() time.Time) *Health {
	return &Health{holder: holder, version: version, now: now, watchers: map[*func()]struct{}{}}
}

// Stream is how the config stream is that a data plane follows.
type Stream struct {
	// State is "synced", "stale" where nothing was heard for too long, "rejected"
	// where what came last can not be run, or "waiting" before anything has come.
	State string `json:"state"`
	// ConnectedSince is since when the stream lasts, nil where there is none.
	ConnectedSince *time.Time `json:"connected_since,omitempty"`
	// Error says why the last stream has ended, until another one goes well.
	Error string `json:"error,omitempty"`
}

// ReportStream adds how the config stream is to the details. It is for before the
// health is served.
func (h *Health) ReportStream(stream func() Stream) { h.stream = stream }

// Stopping says that the end has begun.
func (h *Health) Stopping() {
	h.mu.Lock()
	h.stopping = true
	watchers := make([]func(), 0, len(h.watchers))
	for watcher := range h.watchers {
		watchers = append(watchers, *watcher)
	}
	h.mu.Unlock()
	for _, changed := range watchers {
		changed()
	}
}

func (h *Health) ready() (status string, ready bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.stopping:
		return "stopping", false
	case h.holder.Current() == nil:
		return "starting", false
	default:
		return "healthy", true
	}
}

// services are those of a data plane.
var services = []string{
	servingv1connect.EvaluationServiceName, servingv1connect.ConfigServiceName, servingv1connect.EventServiceName,
}

// Check implements grpchealth.Checker.
func (h *Health) Check(_ context.Context, r *grpchealth.CheckRequest) (*grpchealth.CheckResponse, error) {
	if r.Service != "" && !slices.Contains(services, r.Service) {
		return nil, connect.NewError(connect.CodeNotFound, fmt.Errorf("no service %q here", r.Service))
	}
	if _, ready := h.ready(); !ready {
		return &grpchealth.CheckResponse{Status: grpchealth.StatusNotServing}, nil
	}
	return &grpchealth.CheckResponse{Status: grpchealth.StatusServing}, nil
}

// Watch implements grpchealth.Watcher.
func (h *Health) Watch(ctx context.Context, r *grpchealth.CheckRequest, changed func()) (stop func(), err error) {
	if _, err := h.Check(ctx, r); err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.watchers[&changed] = struct{}{}
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.watchers, &changed)
	}, nil
}

// Mount adds GET /health, the gRPC health service and reflection to a mux.
// Streams end when stop is closed.
func (h *Health) Mount(mux *http.ServeMux, edge *rpc.Edge, stop <-chan struct{}) {
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) { h.write(w, false) })
	path, health := grpchealth.NewHandler(h, edge.StreamOptions(grpchealth.HealthV1ServiceName))
	mux.Handle(path, rpc.Stream(stop, health))
	reflector := grpcreflect.NewStaticReflector(append(slices.Clone(services), grpchealth.HealthV1ServiceName)...)
	path, reflection := grpcreflect.NewHandlerV1(reflector, edge.StreamOptions(grpcreflect.ReflectV1ServiceName))
	mux.Handle(path, rpc.Stream(stop, reflection))
	path, reflection = grpcreflect.NewHandlerV1Alpha(reflector, edge.StreamOptions(grpcreflect.ReflectV1AlphaServiceName))
	mux.Handle(path, rpc.Stream(stop, reflection))
}

// MountProbes adds what orchestrators ask: GET /healthz is answered by a process
// that lives, GET /readyz by one that should be sent requests.
func (h *Health) MountProbes(mux *http.ServeMux) {
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"status":"alive"}`+"\n")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { h.write(w, true) })
}

// report is what GET /health and, with details, GET /readyz answer.
type report struct {
	Status      string     `json:"status"`
	Version     string     `json:"version,omitempty"`
	Epoch       int64      `json:"epoch,omitempty"`
	Revision    int64      `json:"revision"`
	Layers      int        `json:"layers"`
	Experiments int        `json:"experiments"`
	LoadedAt    *time.Time `json:"loaded_at,omitempty"`
	AgeSeconds  float64    `json:"age_seconds"`
	// StaleSeconds is for how long nothing has confirmed that the revision is the
	// newest; absent where nothing ever has.
	StaleSeconds *float64       `json:"stale_seconds,omitempty"`
	LastFailure  *failureReport `json:"last_failure,omitempty"`
	Stream       *Stream        `json:"stream,omitempty"`
}

type failureReport struct {
	At     time.Time `json:"at"`
	Faults []string  `json:"faults"`
}

// write answers how things stand. Faults quote files, and the errors of streams
// name servers, so they are for those who run the process and not for those who
// call it.
func (h *Health) write(w http.ResponseWriter, details bool) {
	status, ready := h.ready()
	r := report{Status: status, Version: h.version}
	if running := h.holder.Current(); running != nil {
		r.Epoch, r.Revision = running.Epoch, running.Revision()
		r.Layers, r.Experiments = running.Ruleset.Layers(), running.Ruleset.Experiments()
		r.LoadedAt = &running.LoadedAt
		r.AgeSeconds = h.now().Sub(running.LoadedAt).Seconds()
	}
	if stale, known := h.holder.Stale(); known {
		r.StaleSeconds = new(stale.Seconds())
	}
	if failure, failed := h.holder.Failure(); failed && details {
		r.LastFailure = &failureReport{At: failure.At, Faults: strings.Split(failure.Err.Error(), "\n")}
	}
	if h.stream != nil && details {
		r.Stream = new(h.stream())
	}
	code := http.StatusOK
	if !ready {
		code = http.StatusServiceUnavailable
	}
	writeJSON(w, code, r)
}

func writeJSON(w http.ResponseWriter, code int, r report) {
	data, err := json.Marshal(r)
	if err != nil { // a clock beyond the year 9999
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(append(data, '\n')) // a client that has gone hears nothing anyway
}
