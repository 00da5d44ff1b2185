package ingest

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"net/http"
	"time"

	"connectrpc.com/connect"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/gen/go/strata/serving/v1/servingv1connect"
	"github.com/strata-exp/strata/internal/auth"
	"github.com/strata-exp/strata/internal/rpc"
	"github.com/strata-exp/strata/sdk/go/accesskey"
)

const (
	// maxCalls is how many calls may be decoded and taken at once, so that what that
	// needs is bounded.
	maxCalls = 64
	// Those who are one too many come back after a random time between these.
	retryMin, retryMax = time.Second, 5 * time.Second
)

// Service is the EventService. It is safe for concurrent use.
type Service struct {
	sink  *Counted
	edge  *rpc.Edge
	calls chan struct{} // one for each call that has a place
}

// NewService returns a service that hands what it takes to a sink.
func NewService(sink *Counted, edge *rpc.Edge) *Service {
	return &Service{sink: sink, edge: edge, calls: make(chan struct{}, maxCalls)}
}

// Procedures returns the paths of the service's procedures.
func Procedures() []string { return []string{servingv1connect.EventServiceRecordProcedure} }

// Mount adds the service's procedures to a mux. Whoever reaches them may call
// them, but a call that is signed is let through only if its signature holds, and
// the key is one of those who evaluate.
func (s *Service) Mount(mux *http.ServeMux, authenticator *auth.Authenticator, timed func(procedure string, next http.Handler) http.Handler) {
	const record = servingv1connect.EventServiceRecordProcedure
	method := servingv1.File_strata_serving_v1_event_proto.Services().ByName("EventService").Methods().ByName("Record")
	handler := s.edge.Unary(record, s.bounded(record, connect.NewUnaryHandlerSimple(record, s.record,
		s.edge.UnaryOptions(record), codecs(), connect.WithSchema(method))))
	signed := authenticator.Require(s.edge, record, auth.Policy{
		Roles:    []servingv1.Role{servingv1.Role_ROLE_PLANE, servingv1.Role_ROLE_SDK},
		Sessions: true, // what comes twice counts once
	}, handler)
	mux.Handle(record, timed(record, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header[accesskey.HeaderInput] != nil || r.Header[accesskey.HeaderSignature] != nil {
			signed.ServeHTTP(w, r)
			return
		}
		handler.ServeHTTP(w, r)
	})))
}

// bounded refuses calls that are too many. A call has a place once all of it is
// there: callers who send slowly would keep the others out. It stands behind Unary,
// which bounds what is read, and whose request is no longer that of the server.
func (s *Service) bounded(procedure string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body != http.NoBody {
			data, err := io.ReadAll(r.Body)
			r.Body = &arrived{Reader: io.MultiReader(bytes.NewReader(data), ended{err}), Closer: r.Body}
		}
		select {
		case s.calls <- struct{}{}:
			defer func() { <-s.calls }()
			next.ServeHTTP(w, r)
		default:
			s.edge.Answer(w, r, procedure, rpc.Overloaded(retryMin, retryMax))
		}
	})
}

// arrived is a body that was read.
type arrived struct {
	io.Reader
	io.Closer
}

// ended is the end of a body, as it was.
type ended struct{ err error }

func (e ended) Read([]byte) (int, error) { return 0, cmp.Or(e.err, io.EOF) }

func (s *Service) record(ctx context.Context, r *request) (*servingv1.RecordResponse, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	exposures, refused := sift("exposures", r.exposures, checkExposure)
	events, more := sift("events", r.events, checkEvent)
	refused = append(refused, more...)
	batch := &Batch{Exposures: exposures, Events: events, Client: r.client}
	if caller, ok := auth.FromContext(ctx); ok {
		batch.AccessKey = caller.AccessKey
	}
	if len(exposures)+len(events) > 0 {
		if err := s.sink.Record(ctx, batch); err != nil {
			return nil, err
		}
	}
	s.sink.Refused(len(refused))
	return &servingv1.RecordResponse{Refusals: refused}, nil
}
