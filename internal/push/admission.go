package push

import (
	"sync"
	"time"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/internal/auth"
)

// admission decides who may begin. Those who have begun are never sent away for
// those who come. It is safe for concurrent use.
type admission struct {
	mu      sync.Mutex
	streams bucket
	full    bucket
	open    int
	planes  int            // of those who are open
	keys    map[string]int // of those who are open and no planes
	most    int
	reserve int // of most, for planes
	perKey  int
}

func newAdmission(o *Options) *admission {
	return &admission{
		streams: bucket{rate: o.StreamsPerSecond, burst: o.StreamsBurst, level: o.StreamsBurst},
		full:    bucket{rate: o.FullBytesPerSecond, burst: o.FullBytesBurst, level: o.FullBytesBurst},
		keys:    map[string]int{},
		most:    o.MaxStreams,
		reserve: o.MaxStreams / 10,
		perKey:  o.streamsPerKey(),
	}
}

// enter lets another one begin, or returns a *refusal. p may be nil, for a caller
// that nobody knows. If there is no error, leave has to follow.
func (a *admission) enter(now time.Time, p *auth.Principal) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	key, plane := identify(p)
	switch {
	case a.open >= a.most, !plane && a.open-a.planes >= a.most-a.reserve:
		return refuse(causeOverloaded, crowd)
	case !plane && a.keys[key] >= a.perKey:
		return refuse(causeStreamsOfKey, many)
	case !a.streams.take(now): // last, as it costs something
		return refuse(causeOverloaded, crowd)
	}
	a.open++
	if plane {
		a.planes++
	} else {
		a.keys[key]++
	}
	return nil
}

func (a *admission) leave(p *auth.Principal) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.open--
	key, plane := identify(p)
	switch {
	case plane:
		a.planes--
	case a.keys[key] > 1:
		a.keys[key]--
	default:
		delete(a.keys, key)
	}
}

func identify(p *auth.Principal) (key string, plane bool) {
	if p == nil {
		return "", false
	}
	return p.AccessKey, p.Role == servingv1.Role_ROLE_PLANE
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
