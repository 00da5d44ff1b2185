package api

import (
	"context"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/gen/go/strata/admin/v1/adminv1connect"
	"github.com/strata-exp/strata/internal/auth"
)

// environments keeps environments and their settings.
type environments interface {
	CreateEnvironment(ctx context.Context, e *adminv1.Environment, validateOnly bool, author string) (*adminv1.Environment, error)
	Environment(ctx context.Context, name string) (*adminv1.Environment, error)
	// Environments returns those that come after a name, and how many there are. If
	// among is not empty, there are no others.
	Environments(ctx context.Context, after string, limit int, among []string) (list []*adminv1.Environment, total int, err error)
	UpdateEnvironment(ctx context.Context, e *adminv1.Environment, mask []string, validateOnly bool) (*adminv1.Environment, error)
	DeleteEnvironment(ctx context.Context, name, etag string, force, validateOnly bool) error
}

type environmentService struct{ store environments }

func (s *environmentService) routes() []route {
	return []route{
		unary(adminv1connect.EnvironmentServiceCreateProcedure, s.create),
		unary(adminv1connect.EnvironmentServiceGetProcedure, s.get),
		unary(adminv1connect.EnvironmentServiceListProcedure, s.list),
		unary(adminv1connect.EnvironmentServiceUpdateProcedure, s.update),
		unary(adminv1connect.EnvironmentServiceDeleteProcedure, s.delete),
	}
}

func (s *environmentService) create(ctx context.Context, r *adminv1.EnvironmentServiceCreateRequest) (*adminv1.EnvironmentServiceCreateResponse, error) {
	e, err := s.store.CreateEnvironment(ctx, r.GetEnvironment(), r.GetValidateOnly(), authorOf(ctx))
	if err != nil {
		return nil, err
	}
	return &adminv1.EnvironmentServiceCreateResponse{Environment: e}, nil
}

func (s *environmentService) get(ctx context.Context, r *adminv1.EnvironmentServiceGetRequest) (*adminv1.EnvironmentServiceGetResponse, error) {
	e, err := s.store.Environment(ctx, r.GetEnvironment())
	if err != nil {
		return nil, err
	}
	return &adminv1.EnvironmentServiceGetResponse{Environment: e}, nil
}

func (s *environmentService) list(ctx context.Context, r *adminv1.EnvironmentServiceListRequest) (*adminv1.EnvironmentServiceListResponse, error) {
	from, err := readCursor(r)
	if err != nil {
		return nil, err
	}
	size := pageSize(r)
	var among []string
	if p, ok := auth.FromContext(ctx); ok {
		among = p.Environments
	}
	list, total, err := s.store.Environments(ctx, from.position, size+1, among)
	if err != nil {
		return nil, err
	}
	answer := &adminv1.EnvironmentServiceListResponse{Environments: list, TotalSize: int32(total)}
	if len(list) > size {
		answer.Environments = list[:size]
		answer.NextPageToken, err = cursor{position: list[size-1].GetName()}.token(r)
	}
	return answer, err
}

func (s *environmentService) update(ctx context.Context, r *adminv1.EnvironmentServiceUpdateRequest) (*adminv1.EnvironmentServiceUpdateResponse, error) {
	e, err := s.store.UpdateEnvironment(ctx, r.GetEnvironment(), r.GetUpdateMask().GetPaths(), r.GetValidateOnly())
	if err != nil {
		return nil, err
	}
	return &adminv1.EnvironmentServiceUpdateResponse{Environment: e}, nil
}

func (s *environmentService) delete(ctx context.Context, r *adminv1.EnvironmentServiceDeleteRequest) (*adminv1.EnvironmentServiceDeleteResponse, error) {
	err := s.store.DeleteEnvironment(ctx, r.GetEnvironment(), r.GetEtag(), r.GetForce(), r.GetValidateOnly())
	if err != nil {
		return nil, err
	}
	return &adminv1.EnvironmentServiceDeleteResponse{}, nil
}
