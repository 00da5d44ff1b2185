package api

import (
	"context"
	"strconv"

	"github.com/strata-exp/strata/controlplane/internal/revision"
	"github.com/strata-exp/strata/controlplane/internal/state"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/gen/go/strata/admin/v1/adminv1connect"
	"github.com/strata-exp/strata/internal/rpc"
)

type experimentService struct {
	reader
	writer
}

func (s *experimentService) routes() []route {
	return []route{
		unary(adminv1connect.ExperimentServiceCreateProcedure, s.create),
		unary(adminv1connect.ExperimentServiceGetProcedure, s.get),
		unary(adminv1connect.ExperimentServiceListProcedure, s.list),
		unary(adminv1connect.ExperimentServiceUpdateProcedure, s.update),
		unary(adminv1connect.ExperimentServiceDeleteProcedure, s.delete),
		unary(adminv1connect.ExperimentServiceStartProcedure, s.start),
		unary(adminv1connect.ExperimentServicePauseProcedure, s.pause),
		unary(adminv1connect.ExperimentServiceResumeProcedure, s.resume),
		unary(adminv1connect.ExperimentServiceConcludeProcedure, s.conclude),
		unary(adminv1connect.ExperimentServiceArchiveProcedure, s.archive),
		unary(adminv1connect.ExperimentServiceSetAllocationProcedure, s.setAllocation),
	}
}

func (s *experimentService) create(ctx context.Context, r *adminv1.ExperimentServiceCreateRequest) (*adminv1.ExperimentServiceCreateResponse, error) {
	outcome, err := s.change(ctx, r, inField("experiment"), state.Change{Experiment: r.GetExperiment(), Existence: state.MustNotExist})
	if err != nil {
		return nil, err
	}
	x := experimentAfter(outcome, createdEID(outcome))
	return &adminv1.ExperimentServiceCreateResponse{Experiment: x, Revision: outcome.Revision, Plan: outcome.Plan}, nil
}

func (s *experimentService) get(ctx context.Context, r *adminv1.ExperimentServiceGetRequest) (*adminv1.ExperimentServiceGetResponse, error) {
	at, resource, err := s.resource(ctx, r.GetEnvironment(), r.GetRevision(), state.ExperimentID(r.GetEid()))
	if err != nil {
		return nil, err
	}
	return &adminv1.ExperimentServiceGetResponse{Experiment: experimentsOf(at).answer(resource)}, nil
}

func (s *experimentService) list(ctx context.Context, r *adminv1.ExperimentServiceListRequest) (*adminv1.ExperimentServiceListResponse, error) {
	p, err := s.page(ctx, r, func(at *state.State) []*state.Resource { return experimentsFor(at, r) })
	if err != nil {
		return nil, err
	}
	answer := &adminv1.ExperimentServiceListResponse{NextPageToken: p.next, TotalSize: p.total, Revision: p.state.Revision()}
	e := experimentsOf(p.state)
	for _, resource := range p.resources {
		answer.Experiments = append(answer.Experiments, e.answer(resource))
	}
	return answer, nil
}

func (s *experimentService) update(ctx context.Context, r *adminv1.ExperimentServiceUpdateRequest) (*adminv1.ExperimentServiceUpdateResponse, error) {
	if r.GetExperiment().GetEid() == 0 { // which a change takes for a new experiment
		return nil, rpc.Invalidf("experiment.eid", "want the id of the experiment to update")
	}
	outcome, err := s.change(ctx, r, inField("experiment"), state.Change{
		Experiment: r.GetExperiment(), Mask: r.GetUpdateMask().GetPaths(), Existence: state.MustExist,
	})
	if err != nil {
		return nil, err
	}
	x := experimentAfter(outcome, r.GetExperiment().GetEid())
	return &adminv1.ExperimentServiceUpdateResponse{Experiment: x, Revision: outcome.Revision, Plan: outcome.Plan}, nil
}

func (s *experimentService) delete(ctx context.Context, r *adminv1.ExperimentServiceDeleteRequest) (*adminv1.ExperimentServiceDeleteResponse, error) {
	outcome, err := s.change(ctx, r, inDeletion("eid"), state.Change{Delete: state.ExperimentID(r.GetEid()), Etag: r.GetEtag()})
	if err != nil {
		return nil, err
	}
	return &adminv1.ExperimentServiceDeleteResponse{Revision: outcome.Revision, Plan: outcome.Plan}, nil
}

// experimentAfter returns an experiment as a change left it; nil if it has gone
// since a request that was sent again.
func experimentAfter(outcome *revision.Outcome, eid int32) *adminv1.Experiment {
	resource := outcome.State.Resource(state.ExperimentID(eid))
	if resource == nil {
		return nil
	}
	return experimentsOf(outcome.State).answer(resource)
}

// createdEID returns the eid of the experiment that was created. Of a request
// that was sent again only the plan has it.
func createdEID(outcome *revision.Outcome) int32 {
	if len(outcome.Changes) > 0 {
		return outcome.Changes[0].Experiment.GetEid()
	}
	for _, d := range outcome.Plan.GetResources() {
		if d.GetKind() == adminv1.ResourceKind_RESOURCE_KIND_EXPERIMENT && d.GetAction() == adminv1.ResourceDiff_ACTION_CREATE {
			eid, _ := strconv.ParseInt(d.GetId(), 10, 32)
			return int32(eid)
		}
	}
	return 0
}
