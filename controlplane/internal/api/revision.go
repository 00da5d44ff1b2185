package api

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/strata-exp/strata/controlplane/internal/revision"
	"github.com/strata-exp/strata/controlplane/internal/state"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/gen/go/strata/admin/v1/adminv1connect"
	"github.com/strata-exp/strata/internal/rpc"
)

// history is what is kept of revisions beside their contents.
type history interface {
	// Revisions returns those below a number, 0 for all, newest first; those of
	// one author if that is not empty.
	Revisions(ctx context.Context, environment string, before int64, limit int, author string) ([]*adminv1.Revision, error)
	// Revision returns one revision, the newest for 0.
	Revision(ctx context.Context, environment string, revision int64) (*revision.Entry, error)
}

type revisionService struct {
	reader
	writer

	history history
	plan    PlanFunc
}

func (s *revisionService) routes() []route {
	return []route{
		unary(adminv1connect.RevisionServiceApplyProcedure, s.apply),
		unary(adminv1connect.RevisionServiceListProcedure, s.list),
		unary(adminv1connect.RevisionServiceGetProcedure, s.get),
		unary(adminv1connect.RevisionServiceDiffProcedure, s.diff),
		unary(adminv1connect.RevisionServiceRollbackProcedure, s.rollback),
		unary(adminv1connect.RevisionServicePromoteProcedure, s.promote),
	}
}

func (s *revisionService) apply(ctx context.Context, r *adminv1.RevisionServiceApplyRequest) (*adminv1.RevisionServiceApplyResponse, error) {
	outcome, err := s.writer.apply(ctx, r, "", inChanges(r.GetChanges()), func(revision.Head) ([]state.Change, error) {
		return changesOf(r.GetChanges()), nil
	})
	if err != nil {
		return nil, err
	}
	return &adminv1.RevisionServiceApplyResponse{Revision: outcome.Revision, Plan: outcome.Plan}, nil
}

func (s *revisionService) list(ctx context.Context, r *adminv1.RevisionServiceListRequest) (*adminv1.RevisionServiceListResponse, error) {
	from, err := readCursor(r)
	if err != nil {
		return nil, err
	}
	size := pageSize(r)
	list, err := s.history.Revisions(ctx, r.GetEnvironment(), from.revision, size+1, r.GetAuthor())
	if err != nil {
		return nil, err
	}
	answer := &adminv1.RevisionServiceListResponse{Revisions: list}
	if len(list) > size {
		answer.Revisions = list[:size]
		answer.NextPageToken, err = cursor{revision: list[size-1].GetRevision()}.token(r)
	}
	return answer, err
}

func (s *revisionService) get(ctx context.Context, r *adminv1.RevisionServiceGetRequest) (*adminv1.RevisionServiceGetResponse, error) {
	number, contents := r.GetRevision(), (*adminv1.Contents)(nil)
	if r.GetWithContents() || r.GetTime() != nil {
		at, err := s.at(ctx, r)
		if err != nil {
			return nil, err
		}
		number = at.Revision()
		if r.GetWithContents() {
			contents = contentsOf(at)
		}
	}
	entry, err := s.history.Revision(ctx, r.GetEnvironment(), number)
	if err != nil {
		return nil, err
	}
	return &adminv1.RevisionServiceGetResponse{Revision: entry.Revision, Plan: entry.Plan, Contents: contents}, nil
}

func (s *revisionService) diff(ctx context.Context, r *adminv1.RevisionServiceDiffRequest) (*adminv1.RevisionServiceDiffResponse, error) {
	from, err := s.reader.states.At(ctx, r.GetEnvironment(), r.GetFromRevision())
	if err != nil {
		return nil, err
	}
	to, err := s.reader.states.At(ctx, cmp.Or(r.GetToEnvironment(), r.GetEnvironment()), r.GetToRevision())
	if err != nil {
		return nil, err
	}
	return &adminv1.RevisionServiceDiffResponse{FromRevision: from.Revision(), ToRevision: to.Revision(), Plan: s.plan(from, to)}, nil
}

func (s *revisionService) rollback(ctx context.Context, r *adminv1.RevisionServiceRollbackRequest) (*adminv1.RevisionServiceRollbackResponse, error) {
	target, err := s.reader.states.At(ctx, r.GetEnvironment(), r.GetRevision())
	if err != nil {
		return nil, err
	}
	outcome, err := s.restore(ctx, r, target, revision.Request{
		Message: fmt.Sprintf("Roll back to revision %d", target.Revision()),
		Origin:  adminv1.RevisionOrigin_REVISION_ORIGIN_ROLLBACK, OriginRevision: target.Revision(),
	})
	if err != nil {
		return nil, err
	}
	return &adminv1.RevisionServiceRollbackResponse{Revision: outcome.Revision, Plan: outcome.Plan}, nil
}

func (s *revisionService) promote(ctx context.Context, r *adminv1.RevisionServicePromoteRequest) (*adminv1.RevisionServicePromoteResponse, error) {
	if r.GetFromEnvironment() == r.GetEnvironment() {
		return nil, rpc.Invalidf("from_environment", "is the environment itself: use Rollback, or name another one")
	}
	target, err := s.reader.states.At(ctx, r.GetFromEnvironment(), r.GetFromRevision())
	if err != nil {
		return nil, err
	}
	outcome, err := s.restore(ctx, r, target, revision.Request{
		Message: fmt.Sprintf("Promote from %s, revision %d", r.GetFromEnvironment(), target.Revision()),
		Origin:  adminv1.RevisionOrigin_REVISION_ORIGIN_PROMOTE, OriginRevision: target.Revision(), OriginEnvironment: r.GetFromEnvironment(),
	})
	if err != nil {
		return nil, err
	}
	return &adminv1.RevisionServicePromoteResponse{Revision: outcome.Revision, Plan: outcome.Plan}, nil
}

// restoreRequest is a request to apply contents from elsewhere.
type restoreRequest interface {
	writeRequest
	GetLayerIds() []string
}

// restore applies the contents of a state, or of some of its layers. about says
// where they are from, and why unless the request does.
func (s *revisionService) restore(ctx context.Context, r restoreRequest, target *state.State, about revision.Request) (*revision.Outcome, error) {
	request, err := requestOf(ctx, r)
	if err != nil {
		return nil, err
	}
	request.Message = cmp.Or(request.Message, about.Message)
	request.Size = target.Size()
	request.Origin, request.OriginRevision, request.OriginEnvironment = about.Origin, about.OriginRevision, about.OriginEnvironment
	request.Changes = func(head revision.Head) ([]state.Change, error) { return restored(head.State, target, r.GetLayerIds()) }
	return s.send(ctx, request, unnamed)
}

// restored returns the changes that give a head the contents of a target; those
// of some layers, and of the experiments that live in them here or there, if any
// are named.
func restored(head, target *state.State, layerIDs []string) ([]state.Change, error) {
	if len(layerIDs) == 0 {
		return head.Restore(target, nil), nil
	}
	named := map[string]bool{}
	for i, layerID := range layerIDs {
		if head.Layer(layerID) == nil && target.Layer(layerID) == nil {
			return nil, noLayer(i, layerID)
		}
		named[layerID] = true
	}
	return head.Restore(target, func(id state.ID) bool {
		switch id.Kind {
		case state.KindLayer:
			return named[id.Key]
		case state.KindExperiment:
			return slices.ContainsFunc([]*state.State{head, target}, func(s *state.State) bool {
				return named[s.Resource(id).Experiment().GetLayerId()]
			})
		default:
			return false
		}
	}), nil
}

// noLayer is the refusal of the name of a layer that exists neither here nor
// there.
func noLayer(i int, layerID string) error {
	problem := fmt.Sprintf("there is no layer %s at either revision", layerID)
	return &rpc.Refusal{
		Reason: adminv1.ErrorReason_ERROR_REASON_RESOURCE_NOT_FOUND, Problem: problem,
		Violations: []rpc.Violation{{Field: "layer_ids[" + strconv.Itoa(i) + "]", Problem: problem}},
	}
}
