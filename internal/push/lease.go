package push

import (
	"context"
	"time"
)

// reportedTimeout bounds how long a stream waits to learn whether its follower
// has reported its status elsewhere.
const reportedTimeout = 2 * time.Second

// lease returns when the stream ends if its follower does not report its status
// again: zero before it has done so once.
func (s *stream) lease() time.Time {
	end := leaseEnd(s.follower, s.heartbeat)
	if !end.IsZero() && s.renewed.After(end) {
		return s.renewed
	}
	return end
}

// abandoned reports whether the lease has ended. Before it says so, it asks
// whether the follower has reported its status to another server; where that can
// not be known the lease goes on, and is asked for again after a heartbeat.
func (s *stream) abandoned(ctx context.Context, now time.Time) bool {
	end := s.lease()
	if end.IsZero() || now.Before(end) {
		return false
	}
	if s.server.reported == nil {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, reportedTimeout)
	defer cancel()
	last, err := s.server.reported(ctx, s.environment, s.principal, s.instance)
	if err != nil {
		s.server.log.DebugContext(ctx, "it is not known whether a follower has reported its status elsewhere",
			"environment", s.environment, "instance", s.instance, "error", err)
		s.renewed = now.Add(s.heartbeat)
		return false
	}
	s.renewed = last.Add(leaseHeartbeats * s.heartbeat)
	return !now.Before(s.renewed)
}
