package push

import (
	"sync"
	"time"
)

// admission decides who may begin. Those who have begun are never sent away for
// those who come. It is safe for concurrent use.
type admission struct {
	mu      sync.Mutex
	streams bucket
	full    bucket
	open    int
	most    int
}

func newAdmission(o *Options) *admission {
	return &admission{
		streams: bucket{rate: o.StreamsPerSecond, burst: o.StreamsBurst, level: o.StreamsBurst},
		full:    bucket{rate: o.FullBytesPerSecond, burst: o.FullBytesBurst, level: o.FullBytesBurst},
		most:    o.MaxStreams,
	}
}

// enter reports whether another one may begin. If so, leave has to follow.
func (a *admission) enter(now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.open >= a.most || !a.streams.take(now) {
		return false
	}
	a.open++
	return true
}

func (a *admission) leave() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.open--
}

// anew reports whether another one may be sent everything. What that was is not
// known before it is made, which is the work to be spared: so it is charged
// afterwards, and all wait until it has been paid for.
func (a *admission) anew(now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.full.fill(now)
	return a.full.level > 0
}

func (a *admission) charge(size int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.full.level -= float64(size)
}

// bucket fills at a rate up to a burst.
type bucket struct {
	rate, burst, level float64
	at                 time.Time
}

func (b *bucket) fill(now time.Time) {
	if !b.at.IsZero() {
		b.level = min(b.burst, b.level+b.rate*max(0, now.Sub(b.at).Seconds()))
	}
	b.at = now
}

func (b *bucket) take(now time.Time) bool {
	b.fill(now)
	if b.level < 1 {
		return false
	}
	b.level--
	return true
}
