package api

import (
	"context"
	"fmt"

	"github.com/strata-exp/strata/controlplane/internal/lifecycle"
	"github.com/strata-exp/strata/controlplane/internal/revision"
	"github.com/strata-exp/strata/controlplane/internal/state"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
)

// step carries an experiment a step through its life. Problems with the result
// are of resources that the request does not hold. A request without a message
// says what it does.
func step[R interface {
	writeRequest
	GetEid() int32
}](
	ctx context.Context, s *experimentService, verb string, r R, changes func(revision.Head, R) ([]state.Change, error),
) (*adminv1.Experiment, *revision.Outcome, error) {
	title := fmt.Sprintf("%s experiment %d", verb, r.GetEid())
	outcome, err := s.apply(ctx, r, title, unnamed, func(head revision.Head) ([]state.Change, error) { return changes(head, r) })
	if err != nil {
		return nil, nil, err
	}
	return experimentAfter(outcome, r.GetEid()), outcome, nil
}

func (s *experimentService) start(ctx context.Context, r *adminv1.ExperimentServiceStartRequest) (*adminv1.ExperimentServiceStartResponse, error) {
	x, outcome, err := step(ctx, s, "Start", r, lifecycle.Start)
	if err != nil {
		return nil, err
	}
	return &adminv1.ExperimentServiceStartResponse{Experiment: x, Revision: outcome.Revision, Plan: outcome.Plan}, nil
}

func (s *experimentService) pause(ctx context.Context, r *adminv1.ExperimentServicePauseRequest) (*adminv1.ExperimentServicePauseResponse, error) {
	x, outcome, err := step(ctx, s, "Pause", r, lifecycle.Pause)
	if err != nil {
		return nil, err
	}
	return &adminv1.ExperimentServicePauseResponse{Experiment: x, Revision: outcome.Revision, Plan: outcome.Plan}, nil
}

func (s *experimentService) resume(ctx context.Context, r *adminv1.ExperimentServiceResumeRequest) (*adminv1.ExperimentServiceResumeResponse, error) {
	x, outcome, err := step(ctx, s, "Resume", r, lifecycle.Resume)
	if err != nil {
		return nil, err
	}
	return &adminv1.ExperimentServiceResumeResponse{Experiment: x, Revision: outcome.Revision, Plan: outcome.Plan}, nil
}

func (s *experimentService) conclude(ctx context.Context, r *adminv1.ExperimentServiceConcludeRequest) (*adminv1.ExperimentServiceConcludeResponse, error) {
	x, outcome, err := step(ctx, s, "Conclude", r, lifecycle.Conclude)
	if err != nil {
		return nil, err
	}
	return &adminv1.ExperimentServiceConcludeResponse{Experiment: x, Revision: outcome.Revision, Plan: outcome.Plan}, nil
}

func (s *experimentService) archive(ctx context.Context, r *adminv1.ExperimentServiceArchiveRequest) (*adminv1.ExperimentServiceArchiveResponse, error) {
	x, outcome, err := step(ctx, s, "Archive", r, lifecycle.Archive)
	if err != nil {
		return nil, err
	}
	return &adminv1.ExperimentServiceArchiveResponse{Experiment: x, Revision: outcome.Revision, Plan: outcome.Plan}, nil
}

func (s *experimentService) setAllocation(
	ctx context.Context, r *adminv1.ExperimentServiceSetAllocationRequest,
) (*adminv1.ExperimentServiceSetAllocationResponse, error) {
	x, outcome, err := step(ctx, s, "Allocate slots to", r, lifecycle.SetAllocation)
	if err != nil {
		return nil, err
	}
	return &adminv1.ExperimentServiceSetAllocationResponse{Experiment: x, Revision: outcome.Revision, Plan: outcome.Plan}, nil
}
