package revision

import (
	"context"
	"math"
	"time"

	"github.com/strata-exp/strata/controlplane/internal/fault"
	"github.com/strata-exp/strata/controlplane/internal/state"
)

// Follow returns the newest state of an environment, as soon as it is another one
// than the caller has, nil for none. What came in between is passed over, so a
// follower that is slow misses nothing and nothing queues up for it. The error is
// ENVIRONMENT_NOT_FOUND when the environment is deleted while somebody waits; one
// that was made anew meanwhile has a later epoch.
func (s *Store) Follow(ctx context.Context, environment string, has *state.State) (*state.State, error) {
	head, row, err := s.current(ctx, environment)
	if err != nil {
		return nil, failure(ctx, err)
	}
	l := s.line(row.Environment.EnvID)
	s.mu.Lock()
	s.followed[environment] = l
	s.mu.Unlock()
	for {
		changed, ended := l.wait()
		if newest := l.head(); newest != nil {
			head = newest
		}
		switch {
		case ended:
			return nil, fault.NoEnvironment(environment)
		case has == nil || head.Version().Epoch != has.Version().Epoch || head.Revision() != has.Revision():
			return head, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Stale returns for how long nothing has confirmed that what Follow returns of an
// environment is the newest. It is a time only while Run runs, and somebody has
// followed the environment.
func (s *Store) Stale(environment string) time.Duration {
	s.mu.Lock()
	l := s.followed[environment]
	s.mu.Unlock()
	if l == nil {
		return math.MaxInt64
	}
	return max(0, time.Since(time.Unix(0, l.looked.Load())))
}
