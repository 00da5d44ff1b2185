package api

import (
	"context"

	"github.com/strata-exp/strata/controlplane/internal/state"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/gen/go/strata/admin/v1/adminv1connect"
)

type fieldService struct {
	reader
	writer
}

func (s *fieldService) routes() []route {
	return []route{
		unary(adminv1connect.FieldServiceListProcedure, s.list),
		unary(adminv1connect.FieldServiceSetProcedure, s.set),
		unary(adminv1connect.FieldServiceDeleteProcedure, s.delete),
	}
}

func (s *fieldService) list(ctx context.Context, r *adminv1.FieldServiceListRequest) (*adminv1.FieldServiceListResponse, error) {
	p, err := s.page(ctx, r, (*state.State).Fields)
	if err != nil {
		return nil, err
	}
	return &adminv1.FieldServiceListResponse{
		Fields: fieldsOf(p.resources), NextPageToken: p.next, TotalSize: p.total, Revision: p.state.Revision(),
	}, nil
}

func (s *fieldService) set(ctx context.Context, r *adminv1.FieldServiceSetRequest) (*adminv1.FieldServiceSetResponse, error) {
	outcome, err := s.change(ctx, r, inField("field"), state.Change{Field: r.GetField()})
	if err != nil {
		return nil, err
	}
	f := outcome.State.Resource(state.FieldID(r.GetField().GetName())).Field()
	return &adminv1.FieldServiceSetResponse{Field: f, Revision: outcome.Revision, Plan: outcome.Plan}, nil
}

func (s *fieldService) delete(ctx context.Context, r *adminv1.FieldServiceDeleteRequest) (*adminv1.FieldServiceDeleteResponse, error) {
	outcome, err := s.change(ctx, r, inDeletion("name"), state.Change{Delete: state.FieldID(r.GetName())})
	if err != nil {
		return nil, err
	}
	return &adminv1.FieldServiceDeleteResponse{Revision: outcome.Revision, Plan: outcome.Plan}, nil
}
