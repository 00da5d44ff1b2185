package api

import (
	"context"

	"github.com/strata-exp/strata/controlplane/internal/revision"
	"github.com/strata-exp/strata/controlplane/internal/state"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/gen/go/strata/admin/v1/adminv1connect"
)

type layerService struct {
	reader
	writer

	rests rests
}

func (s *layerService) routes() []route {
	return []route{
		unary(adminv1connect.LayerServiceCreateProcedure, s.create),
		unary(adminv1connect.LayerServiceGetProcedure, s.get),
		unary(adminv1connect.LayerServiceListProcedure, s.list),
		unary(adminv1connect.LayerServiceUpdateProcedure, s.update),
		unary(adminv1connect.LayerServiceDeleteProcedure, s.delete),
	}
}

func (s *layerService) create(ctx context.Context, r *adminv1.LayerServiceCreateRequest) (*adminv1.LayerServiceCreateResponse, error) {
	outcome, err := s.change(ctx, r, inField("layer"), state.Change{Layer: r.GetLayer(), Existence: state.MustNotExist})
	if err != nil {
		return nil, err
	}
	l, err := s.layer(ctx, r.GetEnvironment(), outcome.State, r.GetLayer().GetLayerId())
	if err != nil {
		return nil, err
	}
	return &adminv1.LayerServiceCreateResponse{Layer: l, Revision: outcome.Revision, Plan: outcome.Plan}, nil
}

func (s *layerService) get(ctx context.Context, r *adminv1.LayerServiceGetRequest) (*adminv1.LayerServiceGetResponse, error) {
	at, resource, err := s.resource(ctx, r.GetEnvironment(), r.GetRevision(), state.LayerID(r.GetLayerId()))
	if err != nil {
		return nil, err
	}
	var resting []revision.Rest
	if r.GetRevision() == 0 { // what rested then is not known
		if resting, err = s.rests.Resting(ctx, r.GetEnvironment(), r.GetLayerId()); err != nil {
			return nil, err
		}
	}
	l := layerOf(resource)
	l.Usage = usageInDetail(at, l.GetLayerId(), resting)
	return &adminv1.LayerServiceGetResponse{Layer: l}, nil
}

func (s *layerService) list(ctx context.Context, r *adminv1.LayerServiceListRequest) (*adminv1.LayerServiceListResponse, error) {
	p, err := s.page(ctx, r, func(at *state.State) []*state.Resource { return layersFor(at, r) })
	if err != nil {
		return nil, err
	}
	var resting map[string]int32
	if r.GetRevision() == 0 { // as in get
		if resting, err = s.rests.RestingSlots(ctx, r.GetEnvironment()); err != nil {
			return nil, err
		}
	}
	answer := &adminv1.LayerServiceListResponse{NextPageToken: p.next, TotalSize: p.total, Revision: p.state.Revision()}
	for _, resource := range p.resources {
		l := layerOf(resource)
		l.Usage = usageOf(p.state, l.GetLayerId(), resting[l.GetLayerId()])
		answer.Layers = append(answer.Layers, l)
	}
	return answer, nil
}

func (s *layerService) update(ctx context.Context, r *adminv1.LayerServiceUpdateRequest) (*adminv1.LayerServiceUpdateResponse, error) {
	outcome, err := s.change(ctx, r, inField("layer"), state.Change{
		Layer: r.GetLayer(), Mask: r.GetUpdateMask().GetPaths(), Existence: state.MustExist,
	})
	if err != nil {
		return nil, err
	}
	l, err := s.layer(ctx, r.GetEnvironment(), outcome.State, r.GetLayer().GetLayerId())
	if err != nil {
		return nil, err
	}
	return &adminv1.LayerServiceUpdateResponse{Layer: l, Revision: outcome.Revision, Plan: outcome.Plan}, nil
}

func (s *layerService) delete(ctx context.Context, r *adminv1.LayerServiceDeleteRequest) (*adminv1.LayerServiceDeleteResponse, error) {
	outcome, err := s.change(ctx, r, inDeletion("layer_id"), state.Change{Delete: state.LayerID(r.GetLayerId()), Etag: r.GetEtag()})
	if err != nil {
		return nil, err
	}
	return &adminv1.LayerServiceDeleteResponse{Revision: outcome.Revision, Plan: outcome.Plan}, nil
}

// layer returns a layer as a change left it; nil if it has gone since a request
// that was sent again.
func (s *layerService) layer(ctx context.Context, environment string, at *state.State, layerID string) (*adminv1.Layer, error) {
	resource := at.Resource(state.LayerID(layerID))
	if resource == nil {
		return nil, nil
	}
	resting, err := s.rests.RestingSlots(ctx, environment)
	if err != nil {
		return nil, err
	}
	l := layerOf(resource)
	l.Usage = usageOf(at, layerID, resting[layerID])
	return l, nil
}
