package api

import (
	"cmp"
	"context"
	"errors"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/strata-exp/strata/controlplane/internal/revision"
	"github.com/strata-exp/strata/controlplane/internal/state"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/internal/rpc"
)

// applier makes revisions.
type applier interface {
	Apply(ctx context.Context, r revision.Request) (*revision.Outcome, error)
}

// writer makes revisions for requests.
type writer struct {
	store  applier
	states states
}

// writeRequest is what all requests have in common that make a revision.
type writeRequest interface {
	proto.Message
	GetEnvironment() string
	GetMessage() string
	GetValidateOnly() bool
	GetIdempotencyKey() string
}

// change makes one change, which does not depend on what is there.
func (w *writer) change(ctx context.Context, r writeRequest, at places, c state.Change) (*revision.Outcome, error) {
	return w.apply(ctx, r, titleOf(&c), at, func(revision.Head) ([]state.Change, error) { return []state.Change{c}, nil })
}

// titleOf says what a change does.
func titleOf(c *state.Change) string {
	switch {
	case c.Delete != (state.ID{}):
		return "Delete " + c.ID().String()
	case c.Experiment != nil && c.Experiment.GetEid() == 0:
		return "Create an experiment"
	case c.Existence == state.MustNotExist:
		return "Create " + c.ID().String()
	case c.Existence == state.MustExist:
		return "Update " + c.ID().String()
	default:
		return "Set " + c.ID().String()
	}
}

// apply makes the changes that a function returns of the newest revision. The
// title is the message of a request that has none.
func (w *writer) apply(
	ctx context.Context, r writeRequest, title string, at places, changes func(revision.Head) ([]state.Change, error),
) (*revision.Outcome, error) {
	request, err := requestOf(ctx, r)
	if err != nil {
		return nil, err
	}
	request.Message = cmp.Or(request.Message, title)
	request.Changes = changes
	return w.send(ctx, request, at)
}

// send makes a revision. Where the same request made it before, the state of the
// outcome is what it made then, if that is still at hand.
func (w *writer) send(ctx context.Context, request revision.Request, at places) (*revision.Outcome, error) {
	outcome, err := w.store.Apply(ctx, request)
	if err != nil {
		return nil, at.refusal(err)
	}
	if outcome.Changes == nil && outcome.State.Revision() != outcome.Revision {
		then, err := w.states.At(ctx, request.Environment, outcome.Revision)
		if _, gone := errors.AsType[*rpc.Refusal](err); gone {
			return outcome, nil
		} else if err != nil {
			return nil, err
		}
		outcome.State = then
	}
	return outcome, nil
}

// requestOf takes over all of a request but its changes.
func requestOf(ctx context.Context, r writeRequest) (revision.Request, error) {
	request := revision.Request{
		Environment: r.GetEnvironment(), Author: authorOf(ctx), Message: r.GetMessage(),
		Expected: expected(r), ValidateOnly: r.GetValidateOnly(), IdempotencyKey: r.GetIdempotencyKey(),
	}
	if planned, ok := r.(interface{ GetExpectedChecksum() string }); ok {
		request.Checksum = planned.GetExpectedChecksum()
	}
	if many, ok := r.(interface{ GetChanges() []*adminv1.Change }); ok {
		request.Size = len(many.GetChanges())
	}
	if request.IdempotencyKey == "" {
		return request, nil
	}
	body, err := digest(r, "idempotency_key")
	request.Body = body
	return request, err
}

// expected returns a request's expected_revision, nil if it is not set: the
// generated method does not tell that from 0.
func expected(r writeRequest) *int64 {
	m := r.ProtoReflect()
	field := m.Descriptor().Fields().ByName(protoreflect.Name("expected_revision"))
	if field == nil || !m.Has(field) {
		return nil
	}
	revision := m.Get(field).Int()
	return &revision
}
