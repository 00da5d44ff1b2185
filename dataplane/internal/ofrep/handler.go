package ofrep

import (
	"fmt"
	"net/http"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/strata-exp/strata/dataplane/internal/ingest"
	"github.com/strata-exp/strata/dataplane/internal/metrics"
	"github.com/strata-exp/strata/dataplane/internal/snapshot"
	"github.com/strata-exp/strata/internal/rpc"
)

// Headers of requests that the protocol does not know.
const (
	// ServicesHeader names the services whose flags a bulk evaluation is about,
	// joined by commas. Without it, it is about all of them.
	ServicesHeader = "Strata-Services"
	// ExposuresHeader of a single evaluation asks to have its exposures recorded.
	ExposuresHeader = "Strata-Exposures"
	// recordExposures is its one value.
	recordExposures = "record"
)

const (
	singlePath = "/ofrep/v1/evaluate/flags/{key...}"
	bulkPath   = "/ofrep/v1/evaluate/flags"
	eventsPath = "/ofrep/v1/events"
)

const (
	// maxCalls is how many evaluations may be under way at once, so that what they
	// hold in memory is bounded. Requests that are still being sent do not count.
	maxCalls = 256
	// maxStreams is how many event streams may be open at once.
	maxStreams = 5000
	// maxWaiting is how many bulk evaluations may wait for a configuration at once:
	// as many as may have been told of it.
	maxWaiting = maxStreams
)

// Config is what a Handler is made of. All of it is required, but for names.
type Config struct {
	Holder  *snapshot.Holder
	Metrics *metrics.Metrics
	Sink    *ingest.Counted
	Edge    *rpc.Edge
	Now     func() time.Time
	// TargetingKey is the attribute that the targetingKey of a context stands for
	// where it is absent; empty for none.
	TargetingKey string
	// StaleAfter is after how long without a confirmation a configuration may have
	// been overtaken.
	StaleAfter time.Duration
	// Heartbeat is how long an event stream may be silent.
	Heartbeat time.Duration
}

// Handler serves the protocol. It is safe for concurrent use.
type Handler struct {
	config  Config
	calls   chan struct{} // one for each evaluation that is under way
	streams chan struct{} // one for each open event stream
	waiting chan struct{} // one for each evaluation that waits for a configuration
	last    atomic.Pointer[catalog]
}

// New returns a handler.
func New(c Config) *Handler {
	return &Handler{
		config: c, calls: make(chan struct{}, maxCalls), streams: make(chan struct{}, maxStreams), waiting: make(chan struct{}, maxWaiting),
	}
}

// Procedures returns the paths of evaluations, as metrics name them.
func Procedures() []string { return []string{singlePath, bulkPath} }

// Mount adds the protocol's paths to a mux. Event streams end when stop is closed.
func (h *Handler) Mount(mux *http.ServeMux, stop <-chan struct{}) {
	mux.Handle("POST "+singlePath, h.handler(singlePath, func(w http.ResponseWriter, r *http.Request) *failure {
		return h.single(w, r, r.PathValue("key"))
	}))
	mux.Handle("POST "+bulkPath, h.handler(bulkPath, h.bulk))
	mux.Handle("GET "+eventsPath, rpc.Stream(stop, http.HandlerFunc(h.events)))
}

// handler answers what goes wrong in call, and counts and times it.
func (h *Handler) handler(procedure string, call func(http.ResponseWriter, *http.Request) *failure) http.Handler {
	return h.config.Metrics.Timed(procedure, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		failed := h.guarded(procedure, w, r, call) //nolint:contextcheck // it is that of the request
		h.config.Edge.Observe(procedure, failed.connectCode())
		if failed != nil {
			h.refuse(w, r.PathValue("key"), failed)
		}
	}))
}

func (h *Handler) guarded(
	procedure string, w http.ResponseWriter, r *http.Request, call func(http.ResponseWriter, *http.Request) *failure,
) (failed *failure) {
	defer func() {
		fault := recover()
		if fault == nil {
			return
		}
		if fault == http.ErrAbortHandler { //nolint:errorlint // net/http compares it like this too
			panic(fault)
		}
		failed = h.faulty(r.Context(), procedure, fmt.Errorf("panic: %v\n%s", fault, debug.Stack()))
	}()
	return call(w, r)
}

// begin takes the place of an evaluation, which the caller has to leave. It is not
// ok if there is none. It comes after all of the request is there: callers who send
// slowly would keep the others out.
func (h *Handler) begin() (leave func(), ok bool) {
	select {
	case h.calls <- struct{}{}:
		return func() { <-h.calls }, true
	default:
		return nil, false
	}
}

// single evaluates one flag.
func (h *Handler) single(w http.ResponseWriter, r *http.Request, key string) *failure {
	record := r.Header.Get(ExposuresHeader)
	if record != "" && record != recordExposures {
		return refused("the header %s: want %s, got %q", ExposuresHeader, recordExposures, rpc.Clip(record))
	}
	text, failed := read(w, r)
	if failed != nil {
		return failed
	}
	leave, ok := h.begin()
	if !ok {
		return overloaded()
	}
	defer leave()
	context, failed := h.context(text)
	if failed != nil {
		return failed
	}
	c := h.catalog()
	if c == nil {
		return notReady()
	}
	service, path, ok := c.find(key)
	if !ok || !c.running.Ruleset.Knows(service, path) {
		return notFound()
	}
	e := h.evaluate(c.running, service, context, h.stale())
	if record != "" {
		h.config.Sink.Keep(r.Context(), &ingest.Batch{
			Exposures: ingest.Exposures(c.running, service, context, e.result, path, h.config.Now()),
		})
	}
	h.write(w, http.StatusOK, e.appendFlag(nil, path))
	return nil
}

func (h *Handler) stale() bool {
	stale, known := h.config.Holder.Stale()
	return known && stale > h.config.StaleAfter
}
