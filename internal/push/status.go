package push

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/internal/auth"
)

const (
	// maxCounts is how many Followers a status may have.
	maxCounts = 1000
	// maxFollowersBytes is how large they may be together.
	maxFollowersBytes = 1 << 20
	// pollExpiry is for how long a follower that fetches counts after it reported
	// its status.
	pollExpiry = 5 * time.Minute
)

// follower is one who follows, and what it last said of itself.
type follower struct {
	id          string // of its stream; empty for one that fetches
	principal   *auth.Principal
	environment string
	asked       []string // the services that it asked for
	services    []string // those that it gets; empty is all
	client      string
	instance    string
	last        atomic.Pointer[report]
}

// report is what is kept of a status. It never changes.
type report struct {
	at       time.Time
	client   string
	revision int64
	state    servingv1.PlaneState
	others   []*servingv1.Followers // those who follow it
}

// newReport keeps what is needed of a status. Followers of one's own are for
// planes alone: 10,000 SDKs could say that they have a thousand each.
func newReport(p *auth.Principal, status *servingv1.Status, now time.Time) *report {
	r := &report{at: now, client: status.GetClient(), revision: status.GetActiveRevision(), state: status.GetState()}
	if p.Role == servingv1.Role_ROLE_PLANE {
		r.others = status.GetFollowers()
	}
	return r
}

// roll is everybody who follows through one server. It is safe for concurrent
// use.
type roll struct {
	mu      sync.Mutex
	streams map[string]*follower
	polls   map[pollKey]*follower
	most    int // of polls
}

// pollKey tells those apart who fetch.
type pollKey struct{ environment, accessKey, instance string }

func newRoll(most int) *roll {
	return &roll{streams: map[string]*follower{}, polls: map[pollKey]*follower{}, most: most}
}

func (r *roll) add(f *follower) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.streams[f.id] = f
}

func (r *roll) remove(f *follower) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.streams, f.id)
}

func (r *roll) open() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.streams)
}

// stream returns a stream, nil unless it is one of this principal in this
// environment.
func (r *roll) stream(id string, p *auth.Principal, environment string) *follower {
	r.mu.Lock()
	defer r.mu.Unlock()
	if f := r.streams[id]; f != nil && f.principal.AccessKey == p.AccessKey && f.environment == environment {
		return f
	}
	return nil
}

// poll returns a follower that fetches, nil if there are too many of them.
func (r *roll) poll(p *auth.Principal, environment, instance string, now time.Time) *follower {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := pollKey{environment, p.AccessKey, instance}
	if f := r.polls[key]; f != nil {
		return f
	}
	if len(r.polls) >= r.most {
		r.sweep(now)
	}
	if len(r.polls) >= r.most {
		return nil
	}
	f := &follower{principal: p, environment: environment, services: p.Services}
	r.polls[key] = f
	return f
}

func (r *roll) sweep(now time.Time) {
	maps.DeleteFunc(r.polls, func(_ pollKey, f *follower) bool {
		last := f.last.Load()
		return last != nil && now.Sub(last.at) > pollExpiry
	})
}

// count sums up who follows an environment, the followers of followers included.
// The most come first; what is more than may be said is one sum without a name.
func (r *roll) count(environment string, now time.Time) []*servingv1.Followers {
	t := tally{}
	r.mu.Lock()
	r.sweep(now)
	for _, f := range r.streams {
		t.follower(f, environment)
	}
	for _, f := range r.polls {
		t.follower(f, environment)
	}
	r.mu.Unlock()
	return t.sorted()
}

// tally counts followers that are alike.
type tally map[kin]*servingv1.Followers

// kin is what followers have in common that are counted together.
type kin struct {
	client, services string
	revision         int64
	state            servingv1.PlaneState
}

func (t tally) follower(f *follower, environment string) {
	if f.environment != environment {
		return
	}
	last := f.last.Load()
	if last == nil {
		last = &report{client: f.client} // nothing is known of it but that it is there
	}
	t.add(&servingv1.Followers{
		Client: last.client, Services: f.services, Revision: last.revision, State: last.state, Count: 1,
	})
	for _, other := range last.others {
		t.add(other)
	}
}

func (t tally) add(f *servingv1.Followers) {
	k := kin{f.GetClient(), strings.Join(f.GetServices(), "\x00"), f.GetRevision(), f.GetState()}
	if sum := t[k]; sum != nil {
		sum.Count += f.GetCount()
		return
	}
	t[k] = &servingv1.Followers{
		Client: f.GetClient(), Services: f.GetServices(), Revision: f.GetRevision(), State: f.GetState(), Count: f.GetCount(),
	}
}

func (t tally) sorted() []*servingv1.Followers {
	all := slices.SortedFunc(maps.Values(t), func(a, b *servingv1.Followers) int {
		return cmp.Or(cmp.Compare(b.GetCount(), a.GetCount()), cmp.Compare(a.GetClient(), b.GetClient()),
			slices.Compare(a.GetServices(), b.GetServices()), cmp.Compare(a.GetRevision(), b.GetRevision()),
			cmp.Compare(a.GetState(), b.GetState()))
	})
	most, size := 0, followerBytes(&servingv1.Followers{Count: math.MaxInt32}) // of the rest
	for most < len(all) && size+followerBytes(all[most]) <= maxFollowersBytes {
		size += followerBytes(all[most])
		most++
	}
	if most == len(all) && most <= maxCounts {
		return all
	}
	most = min(most, maxCounts-1)
	rest := &servingv1.Followers{}
	for _, f := range all[most:] {
		rest.Count += f.GetCount()
	}
	return append(all[:most], rest)
}

// followersBytes is about how large they are on their way.
func followersBytes(all []*servingv1.Followers) int {
	size := 0
	for _, f := range all {
		size += followerBytes(f)
	}
	return size
}

func followerBytes(f *servingv1.Followers) int {
	const around = 8 // of what stands around it
	return proto.Size(f) + around
}
