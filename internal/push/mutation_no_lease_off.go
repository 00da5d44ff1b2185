//go:build !mutate_no_lease

package push

import "time"

// leaseEnd returns when a stream ends if its follower does not report its status
// again: zero before it has done so once, as it may reach other servers.
func leaseEnd(f *follower, heartbeat time.Duration) time.Time {
	if last := f.last.Load(); last != nil {
		return last.at.Add(leaseHeartbeats * heartbeat)
	}
	return time.Time{}
}
