package api

import (
	"context"

	"github.com/strata-exp/strata/controlplane/internal/state"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/gen/go/strata/admin/v1/adminv1connect"
)

type serviceService struct {
	reader
	writer
}

func (s *serviceService) routes() []route {
	return []route{
		unary(adminv1connect.ServiceServiceGetProcedure, s.get),
		unary(adminv1connect.ServiceServiceListProcedure, s.list),
		unary(adminv1connect.ServiceServiceSetProcedure, s.set),
		unary(adminv1connect.ServiceServiceDeleteProcedure, s.delete),
	}
}

func (s *serviceService) get(ctx context.Context, r *adminv1.ServiceServiceGetRequest) (*adminv1.ServiceServiceGetResponse, error) {
	_, resource, err := s.resource(ctx, r.GetEnvironment(), r.GetRevision(), state.ServiceID(r.GetService()))
	if err != nil {
		return nil, err
	}
	return &adminv1.ServiceServiceGetResponse{Service: serviceOf(resource)}, nil
}

func (s *serviceService) list(ctx context.Context, r *adminv1.ServiceServiceListRequest) (*adminv1.ServiceServiceListResponse, error) {
	p, err := s.page(ctx, r, (*state.State).Services)
	if err != nil {
		return nil, err
	}
	return &adminv1.ServiceServiceListResponse{
		Services: servicesOf(p.resources), NextPageToken: p.next, TotalSize: p.total, Revision: p.state.Revision(),
	}, nil
}

func (s *serviceService) set(ctx context.Context, r *adminv1.ServiceServiceSetRequest) (*adminv1.ServiceServiceSetResponse, error) {
	outcome, err := s.change(ctx, r, inField("service"), state.Change{Service: r.GetService(), Mask: r.GetUpdateMask().GetPaths()})
	if err != nil {
		return nil, err
	}
	answer := &adminv1.ServiceServiceSetResponse{Revision: outcome.Revision, Plan: outcome.Plan}
	// It may have gone since a request that was sent again.
	if resource := outcome.State.Resource(state.ServiceID(r.GetService().GetService())); resource != nil {
		answer.Service = serviceOf(resource)
	}
	return answer, nil
}

func (s *serviceService) delete(ctx context.Context, r *adminv1.ServiceServiceDeleteRequest) (*adminv1.ServiceServiceDeleteResponse, error) {
	outcome, err := s.change(ctx, r, inDeletion("service"), state.Change{Delete: state.ServiceID(r.GetService()), Etag: r.GetEtag()})
	if err != nil {
		return nil, err
	}
	return &adminv1.ServiceServiceDeleteResponse{Revision: outcome.Revision, Plan: outcome.Plan}, nil
}
