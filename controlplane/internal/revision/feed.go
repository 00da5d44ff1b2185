package revision

import (
	"context"

	"github.com/strata-exp/strata/controlplane/internal/state"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	"github.com/strata-exp/strata/internal/rpc"
)

// Next returns what leads from a revision to the newest one, as soon as that is a
// later one. What came in between is merged, so a follower that is slow misses
// nothing and nothing queues up for it. From 0, or from a revision that is not
// at hand, the delta is the whole configuration, from_revision 0.
func (s *Store) Next(ctx context.Context, environment string, after int64) (*configv1.Delta, error) {
	head, row, err := s.current(ctx, environment)
	if err != nil {
		return nil, failure(ctx, err)
	}
	l := s.line(row.Environment.EnvID)
	for head.Revision() <= after {
		changed, ended := l.wait()
		if ended {
			return nil, rpc.Refusef(adminv1.ErrorReason_ERROR_REASON_ENVIRONMENT_NOT_FOUND, "environment %s was deleted", environment)
		}
		if head = l.head(); head == nil { // forgotten just now
			return nil, rpc.Refusef(adminv1.ErrorReason_ERROR_REASON_ENVIRONMENT_NOT_FOUND, "environment %s was deleted", environment)
		}
		if head.Revision() > after {
			break
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		head = l.head()
	}
	var before *state.State
	if after > 0 {
		before = l.at(after)
	}
	return state.Delta(before, head), nil
}
