//go:build !mutate_no_lease

package push

import "time"

// leaseEnd returns when the lease ends by what a follower has reported here: zero
// before it has done so once, as it may reach other servers.
func leaseEnd(f *follower, heartbeat time.Duration) time.Time {
	if last := f.last.Load(); last != nil {
		return last.at.Add(leaseHeartbeats * heartbeat)
	}
	return time.Time{}
}
