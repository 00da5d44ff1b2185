//go:build mutate_no_lease

package push

import "time"

// leaseEnd is wrong: a follower that is gone without a trace is kept.
func leaseEnd(*follower, time.Duration) time.Time { return time.Time{} }
