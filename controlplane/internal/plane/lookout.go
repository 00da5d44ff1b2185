package plane

import (
	"context"
	"errors"
	"time"

	"github.com/strata-exp/strata/internal/rpc"
)

const (
	// waitEvery is how often planes are looked at while somebody waits for them,
	// and watchEvery while they are only watched.
	waitEvery  = 75 * time.Millisecond
	watchEvery = 250 * time.Millisecond
	// breath is the least time between two looks, whatever was reported.
	breath = 10 * time.Millisecond
	// share is what part of the time looks may take: one of so many.
	share = 10
)

// lookout looks at the planes of one environment as long as somebody wants to
// know, on behalf of all of them. Its fields are guarded by the store's mutex.
type lookout struct {
	environment string
	// members want to know, and hasty ones of them wait.
	members, hasty int
	// cancel ends the looking.
	cancel context.CancelFunc
	// nudged has something when there is something new to see.
	nudged chan struct{}
	// seen is what was seen last.
	seen sight
	// changed is closed at the next look that sees something.
	changed chan struct{}
}

// sight is what came of a look: a view, or the refusal of the environment.
type sight struct {
	view *View
	err  error
}

// join returns what looks at an environment from now on. The caller has looked
// itself, or will. It must leave.
func (s *Store) join(ctx context.Context, environment string, hasty bool) *lookout {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, ok := s.lookouts[environment]
	if !ok {
		l = &lookout{environment: environment, nudged: make(chan struct{}, 1), changed: make(chan struct{})}
		s.lookouts[environment] = l
		// It goes on for others when the caller has gone.
		ctx, l.cancel = context.WithCancel(context.WithoutCancel(ctx))
		go s.keepLooking(ctx, l)
	}
	l.members++
	if hasty {
		l.hasty++
		signal(l.nudged)
	}
	return l
}

func (s *Store) leave(l *lookout, hasty bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if hasty {
		l.hasty--
	}
	if l.members--; l.members == 0 {
		l.cancel()
		delete(s.lookouts, l.environment)
	}
}

// nudge makes an environment be looked at at once.
func (s *Store) nudge(environment string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l, ok := s.lookouts[environment]; ok {
		signal(l.nudged)
	}
}

// next returns what was seen last, and what is closed when that changes.
func (s *Store) next(l *lookout) (sight, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return l.seen, l.changed
}

// keepLooking looks until its context ends. A look that fails is passed over:
// those who want to know go on with what they have seen.
func (s *Store) keepLooking(ctx context.Context, l *lookout) {
	pause := time.Duration(0) // those who join have looked themselves
	for {
		if !sleep(ctx, max(breath, pause), nil) || !sleep(ctx, s.period(l)+share*pause, l.nudged) {
			return
		}
		began := time.Now()
		view, err := s.look(ctx, l.environment)
		_, refused := errors.AsType[*rpc.Refusal](err)
		if err == nil || refused {
			s.show(l, sight{view, err})
		}
		pause = time.Since(began)
	}
}

// first looks for one who wants to know. The end of ctx is told by its cause.
func (s *Store) first(ctx context.Context, environment string) (*View, error) {
	v, err := s.look(ctx, environment)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return v, err
}

func (s *Store) period(l *lookout) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.hasty > 0 {
		return waitEvery
	}
	return watchEvery
}

func (s *Store) show(l *lookout, seen sight) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l.seen = seen
	close(l.changed)
	l.changed = make(chan struct{})
}

// sleep waits for a time, or until something is in a channel. It reports whether
// the context goes on.
func sleep(ctx context.Context, d time.Duration, wake <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-wake:
		return true
	case <-ctx.Done():
		return false
	}
}

func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
