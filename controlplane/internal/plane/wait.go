package plane

import (
	"context"
	"time"

	"github.com/strata-exp/strata/controlplane/internal/fault"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/internal/rpc"
)

// Goal is what to wait for.
type Goal struct {
	Environment string
	// Revision is the revision to run; 0 is the newest one.
	Revision int64
	// Planes is how many have to run it; 0 is all that are connected, at least one.
	Planes int
	// Timeout is how long to wait for that.
	Timeout time.Duration
}

// Waited is how far it got.
type Waited struct {
	*Progress

	// Revision is the revision that was waited for.
	Revision int64
	// Reached says whether enough planes run it.
	Reached bool
}

// Wait waits until planes run a revision, or the time is up. Errors of the
// database while it waits are passed over. If ctx ends before, the error is its
// cause.
func (s *Store) Wait(ctx context.Context, goal Goal) (*Waited, error) {
	l := s.join(ctx, goal.Environment, true)
	defer s.leave(l, true)
	_, changed := s.next(l)
	timeout := time.NewTimer(goal.Timeout)
	defer timeout.Stop()
	v, err := s.first(ctx, goal.Environment)
	if err != nil {
		return nil, err
	}
	began := v.Epoch
	waited := &Waited{Revision: goal.Revision}
	if waited.Revision == 0 {
		waited.Revision = v.Revision
	}
	if waited.Revision > v.Revision {
		return nil, fault.NoRevision(goal.Environment, waited.Revision, v.Revision)
	}
	for {
		if v.Epoch > began && waited.Revision > v.Revision {
			return nil, lost(goal.Environment, waited.Revision, v.Revision)
		}
		waited.Progress = v.progress(waited.Revision)
		if waited.Reached = waited.reached(goal.Planes); waited.Reached {
			return waited, nil
		}
		select {
		case <-changed:
		case <-timeout.C:
			return waited, nil
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		var seen sight
		if seen, changed = s.next(l); seen.err != nil {
			return nil, seen.err
		}
		v = seen.view
	}
}

// lost is the refusal of a revision that was there when the wait began.
func lost(environment string, revision, head int64) error {
	return rpc.Refusef(adminv1.ErrorReason_ERROR_REASON_REVISION_NOT_FOUND,
		"environment %s has lost revision %d: its history began anew, and is at revision %d", environment, revision, head)
}
