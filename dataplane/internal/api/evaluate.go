package api

import (
	"context"

	"github.com/strata-exp/strata/dataplane/internal/snapshot"
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/gen/go/strata/serving/v1/servingv1connect"
	"github.com/strata-exp/strata/internal/rpc"
)

func (s *Service) evaluate(ctx context.Context, r *evaluateRequest) (*evaluateAnswer, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	running, err := s.running()
	if err != nil {
		return nil, err
	}
	answer, budget := new(evaluateAnswer), s.maxAnswer
	if err := s.answer(ctx, answer, r, running, &budget); err != nil {
		return nil, err
	}
	return answer, nil
}

func (s *Service) batchEvaluate(ctx context.Context, r *batchEvaluateRequest) (*batchEvaluateAnswer, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	running, err := s.running()
	if err != nil {
		return nil, err
	}
	answer, budget := &batchEvaluateAnswer{entries: make([]evaluateAnswer, len(r.requests))}, s.maxAnswer
	for i := range r.requests {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		entry, request := &answer.entries[i], &r.requests[i]
		err := request.check()
		if err == nil {
			err = s.answer(ctx, entry, request, running, &budget)
		}
		if err != nil {
			entry.results, entry.revision = nil, running.Revision()
			entry.err = s.edge.Message(ctx, servingv1connect.EvaluationServiceBatchEvaluateProcedure, err)
		}
	}
	return answer, nil
}

// running returns the configuration that runs.
func (s *Service) running() (*snapshot.Snapshot, error) {
	if running := s.holder.Current(); running != nil {
		return running, nil
	}
	return nil, rpc.Declinef(servingv1.ErrorReason_ERROR_REASON_BEHIND,
		"this data plane has no configuration yet: retry later, or ask another one")
}

// answer evaluates a request that was checked. It takes the size of the answer
// from budget, and fails with what fits not. Exposures are recorded once all of it
// is there.
func (s *Service) answer(ctx context.Context, a *evaluateAnswer, r *evaluateRequest, running *snapshot.Snapshot, budget *int64) error {
	a.results, a.revision = a.inline[:0], running.Revision()
	meter := s.metrics.Meter()
	defer s.metrics.Done(&meter)
	for _, service := range r.services {
		if a.has(service) {
			continue
		}
		result := serviceResult{service: service, result: running.Ruleset.Evaluate(service, r.context, r.layers, &meter)}
		running.Matches.Count(result.result.MatchedLayers)
		s.metrics.Record(&meter)
		if r.exposures == servingv1.ExposureMode_EXPOSURE_MODE_RETURN {
			result.returned = s.exposed(running, service, r.context, result.result)
		}
		if *budget -= result.size(r.binary); *budget < 0 {
			return &rpc.TooLarge{What: "the answer", MaxBytes: s.maxAnswer}
		}
		a.results = append(a.results, result)
	}
	if r.exposures == servingv1.ExposureMode_EXPOSURE_MODE_RECORD {
		s.record(ctx, a, r, running)
	}
	return nil
}
