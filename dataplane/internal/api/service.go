package api

import (
	"context"
	"errors"
	"mime"
	"net/http"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/strata-exp/strata/dataplane/internal/ingest"
	"github.com/strata-exp/strata/dataplane/internal/metrics"
	"github.com/strata-exp/strata/dataplane/internal/snapshot"
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/gen/go/strata/serving/v1/servingv1connect"
	"github.com/strata-exp/strata/internal/rpc"
)

// Service is the EvaluationService. It is safe for concurrent use.
type Service struct {
	holder  *snapshot.Holder
	metrics *metrics.Metrics
	sink    *ingest.Counted
	edge    *rpc.Edge
	now     func() time.Time

	maxAnswer int64 // rpc.MaxAnswerBytes, but for tests
}

// NewService returns a service of what holder holds. Until that is something,
// calls are declined. Exposures that a caller wants to have recorded go to sink.
func NewService(holder *snapshot.Holder, m *metrics.Metrics, sink *ingest.Counted, edge *rpc.Edge, now func() time.Time) *Service {
	return &Service{holder: holder, metrics: m, sink: sink, edge: edge, now: now, maxAnswer: rpc.MaxAnswerBytes}
}

// Procedures returns the paths of the service's procedures.
func Procedures() []string {
	return []string{
		servingv1connect.EvaluationServiceEvaluateProcedure,
		servingv1connect.EvaluationServiceBatchEvaluateProcedure,
		servingv1connect.EvaluationServiceExplainProcedure,
	}
}

// Mount adds the service's procedures to a mux, and Evaluate once more as POST
// /experiment.
func (s *Service) Mount(mux *http.ServeMux) {
	const (
		evaluate      = servingv1connect.EvaluationServiceEvaluateProcedure
		batchEvaluate = servingv1connect.EvaluationServiceBatchEvaluateProcedure
		explain       = servingv1connect.EvaluationServiceExplainProcedure
	)
	evaluating := s.metrics.Timed(evaluate, &rpc.Direct[evaluateRequest, evaluateAnswer]{
		Edge: s.edge, Procedure: evaluate, Decode: decodeEvaluate, Call: s.evaluate, Append: appendEvaluate,
		Next: unary(s, evaluate, "Evaluate", s.evaluate),
	})
	mux.Handle(evaluate, evaluating)
	mux.Handle("POST /experiment", short(evaluating))
	mux.Handle(batchEvaluate, s.metrics.Timed(batchEvaluate, &rpc.Direct[batchEvaluateRequest, batchEvaluateAnswer]{
		Edge: s.edge, Procedure: batchEvaluate, Decode: decodeBatch, Call: s.batchEvaluate, Append: appendBatch,
		Next: unary(s, batchEvaluate, "BatchEvaluate", s.batchEvaluate),
	}))
	mux.Handle(explain, s.metrics.Timed(explain, unary(s, explain, "Explain", s.explain)))
}

// unary makes the handler of a unary procedure without side effects, for all
// protocols.
func unary[Request, Answer any](
	s *Service, procedure string, method protoreflect.Name, call func(context.Context, *Request) (*Answer, error),
) http.Handler {
	service := servingv1.File_strata_serving_v1_evaluation_proto.Services().ByName("EvaluationService")
	return s.edge.Unary(procedure, connect.NewUnaryHandlerSimple(procedure, call,
		s.edge.UnaryOptions(procedure),
		codecs(),
		connect.WithSchema(service.Methods().ByName(method)),
		connect.WithIdempotency(connect.IdempotencyNoSideEffects),
	))
}

// short makes a handler take JSON that is not called so: curl -d sends it as a
// form, and others as nothing at all.
func short(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		const json = "application/json"
		if given := r.Header.Get("Content-Type"); given != json && notCalledJSON(given) {
			r.Header.Set("Content-Type", json)
		}
		next.ServeHTTP(w, r)
	})
}

// notCalledJSON reports whether a content type is one of those that clients send
// where nobody told them what it is, with any parameters.
func notCalledJSON(contentType string) bool {
	name, _, err := mime.ParseMediaType(contentType)
	if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) {
		return contentType == ""
	}
	return name == "application/x-www-form-urlencoded" || name == "text/plain"
}
