package push

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/sdk/go/hashtree"
	"github.com/strata-exp/strata/sdk/go/view"
)

// feed is one scope of a hub: what it has now, and what changed lately. One
// goroutine at a time, that which publishes, moves it on.
type feed struct {
	hub     *Hub
	scope   Scope
	begun   sync.Once
	current atomic.Pointer[moment] // nil until something is published

	mu   sync.Mutex
	ring ring

	users int       // of the hub's feedsMu
	idle  time.Time // of the hub's feedsMu: since when there are none
}

// state is a position, and the hash of what is there.
type state struct {
	position view.Position
	hash     hashtree.Hash
}

// begin makes the projection anew.
func (f *feed) begin(x *index, base *view.View) {
	if base != nil {
		f.move(projectAll(x, f.scope, base), nil, true)
	}
}

// advance takes the projection on to base. fresh says that a history begins.
func (f *feed) advance(x *index, base *view.View, touched []view.Key, fresh bool) {
	before := f.current.Load()
	if before == nil {
		f.begin(x, base)
		return
	}
	next, changed := projectTouched(x, f.scope, base, before.view, touched)
	f.move(next, changed, fresh)
}

// move shows what is next, after the ring knows of it: a moment that can be seen
// can be led to.
func (f *feed) move(next *view.View, changed []view.Key, fresh bool) {
	f.mu.Lock()
	if fresh {
		f.ring.restart(next.Position(), next.Hash())
	} else {
		f.ring.push(revision{next.Position().Revision, next.Hash(), slices.Clip(changed)})
	}
	f.mu.Unlock()
	f.current.Store(&moment{view: next, made: time.Now()})
}

// lead returns the frames that lead from a state to a moment of this feed: a delta
// to a later position where the feed remembers the state, all there is where it
// does not. The zero state is nothing.
func (f *feed) lead(from state, to *moment) *update {
	start := int64(whole)
	if hash, known := f.remembered(from.position); known && hash == from.hash && from.position.Compare(to.view.Position()) < 0 {
		start = from.position.Revision
	}
	u := to.update(start)
	u.made.Do(func() {
		if start != whole {
			if keys, ok := f.changed(from.position, to.view.Position()); ok {
				puts, deletes := sort(to.view, keys)
				u.kind = servingv1.Update_KIND_DELTA
				u.frames, u.bytes = to.frames(u.kind, start, view.EncodeParts(puts, deletes), f.token(to))
				return
			}
			all := f.lead(state{}, to)
			u.kind, u.frames, u.bytes = all.kind, all.frames, all.bytes
			return
		}
		u.kind = servingv1.Update_KIND_FULL
		u.frames, u.bytes = to.frames(u.kind, 0, view.EncodeParts(slices.Collect(to.view.All()), nil), f.token(to))
	})
	return u
}

// changed returns the keys that changed from one position to another one, and
// whether all of them are known.
func (f *feed) changed(from, to view.Position) ([]view.Key, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ring.between(from, to)
}

// remembered returns the hash at a position, and whether it is known.
func (f *feed) remembered(p view.Position) (hashtree.Hash, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ring.hash(p)
}

func (f *feed) token(m *moment) []byte {
	return f.hub.sealer.seal(place{
		codec: thisCodec(), position: m.view.Position(), environment: f.hub.tag, scope: f.scope.tag(), hash: m.view.Hash(),
	})
}

// sort parts keys into entities that are there, and keys of those that are gone.
func sort(v *view.View, keys []view.Key) (puts []*view.Entity, deletes []view.Key) {
	for _, key := range keys {
		if e := v.Get(key); e != nil {
			puts = append(puts, e)
		} else {
			deletes = append(deletes, key)
		}
	}
	return puts, deletes
}
