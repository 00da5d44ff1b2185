package push

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/strata-exp/strata/sdk/go/view"
)

const (
	// maxScopes bounds how many scopes a hub keeps.
	maxScopes = 1000
	// scopeIdle is for how long a scope is kept that nobody follows: whoever
	// comes back within it is sent what changed, and not everything.
	scopeIdle = 5 * time.Minute
)

// Hub holds the newest configuration of one environment for all who follow it. It
// is safe for concurrent use.
type Hub struct {
	environment string
	tag         tag
	sealer      *Sealer

	mu    sync.RWMutex // held to publish; shared to begin a feed
	index *index
	base  *view.View // nil until something is published
	ended atomic.Bool

	feedsMu sync.Mutex
	feeds   map[scopeID]*feed
	ledger  ledger

	wake      atomic.Pointer[chan struct{}]
	confirmed atomic.Pointer[time.Time]
	lost      chan struct{} // held by the one who has lost history looked into
}

// NewHub returns a hub that holds nothing yet.
func NewHub(environment string, sealer *Sealer) *Hub {
	h := &Hub{
		environment: environment, tag: environmentTag(environment), sealer: sealer,
		index: newIndex(), feeds: map[scopeID]*feed{}, ledger: ledger{}, lost: make(chan struct{}, 1),
	}
	h.wake.Store(new(make(chan struct{})))
	h.confirmed.Store(new(time.Now()))
	return h
}

// Environment returns the name of the environment.
func (h *Hub) Environment() string { return h.environment }

// Position returns where the hub is: the zero Position before anything is
// published.
func (h *Hub) Position() view.Position {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if h.base == nil {
		return view.Position{}
	}
	return h.base.Position()
}

// Publish replaces what the hub holds, and wakes all who follow it. It reports
// whether that was done: what is earlier than what is held is passed over, and
// so is the same. Other contents at the same position are taken, and nothing of
// what was before is remembered then: who has that is sent everything. Publish
// does not wait for any follower.
func (h *Hub) Publish(v *view.View) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended.Load() || h.base != nil && !succeeds(v, h.base) {
		return false
	}
	touched := h.index.advance(view.Compare(h.base, v))
	fresh := h.base == nil || h.base.Position().Epoch != v.Position().Epoch || h.base.Position() == v.Position()
	h.base = v
	h.feedsMu.Lock()
	h.sweep(time.Now())
	feeds := make([]*feed, 0, len(h.feeds))
	for _, f := range h.feeds {
		feeds = append(feeds, f)
	}
	h.feedsMu.Unlock()
	for _, f := range feeds {
		f.advance(h.index, v, touched, fresh)
	}
	h.broadcast() // after everything, so that who gets the new channel sees what is new
	return true
}

// succeeds reports whether a configuration may take the place of another one.
func succeeds(v, before *view.View) bool {
	c := v.Position().Compare(before.Position())
	return c > 0 || c == 0 && v.Hash() != before.Hash()
}

// Confirm says that what is held was the newest there is, some time ago. A
// follower is told for how long nobody has said so.
func (h *Hub) Confirm(ago time.Duration) {
	next := time.Now().Add(-ago)
	for {
		last := h.confirmed.Load()
		if !next.After(*last) || h.confirmed.CompareAndSwap(last, &next) {
			return
		}
	}
}

// Stale returns for how long nobody has confirmed that what is held is the
// newest. Before the first Confirm, it is the age of the hub.
func (h *Hub) Stale() time.Duration { return max(0, time.Since(*h.confirmed.Load())) }

// Close ends all streams, as the environment is not served any more. It may be
// called again.
func (h *Hub) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ended.Store(true)
	h.broadcast()
}

// Scopes returns how many scopes the hub keeps.
func (h *Hub) Scopes() int {
	h.feedsMu.Lock()
	defer h.feedsMu.Unlock()
	return len(h.feeds)
}

func (h *Hub) broadcast() { close(*h.wake.Swap(new(make(chan struct{})))) }

// changes returns a channel that is closed when something else is there, or the
// hub is closed. Who waits gets the channel first, and then looks.
func (h *Hub) changes() <-chan struct{} { return *h.wake.Load() }

// acquire returns the feed of a scope, for release by the same holder.
func (h *Hub) acquire(scope Scope, by holder) (*feed, error) {
	h.mu.RLock() // nothing is published before the feed has begun
	defer h.mu.RUnlock()
	f, err := h.enlist(scope, by)
	if err != nil {
		return nil, err
	}
	f.begun.Do(func() { f.begin(h.index, h.base) })
	return f, nil
}

func (h *Hub) enlist(scope Scope, by holder) (*feed, error) {
	h.feedsMu.Lock()
	defer h.feedsMu.Unlock()
	f, ok := h.feeds[scope.id]
	if !ok && !h.room() {
		return nil, refuse(causeScopes, many)
	}
	gone, allowed := h.ledger.take(by, scope.id)
	if !allowed {
		return nil, refuse(causeScopesOfKey, many)
	}
	if gone != nil {
		if old := h.feeds[*gone]; old != nil && old.users == 0 {
			old.idle = time.Time{} // the first to make room, and the next to be swept
		}
	}
	if !ok {
		f = &feed{hub: h, scope: scope}
		h.feeds[scope.id] = f
	}
	f.users++
	return f, nil
}

func (h *Hub) release(f *feed, by holder) {
	h.feedsMu.Lock()
	defer h.feedsMu.Unlock()
	f.users--
	f.idle = time.Now()
	h.ledger.release(by, f.scope.id, f.idle)
}

// room makes room for another feed, and reports whether there is any.
func (h *Hub) room() bool {
	if len(h.feeds) < maxScopes {
		return true
	}
	h.sweep(time.Now())
	var oldest *feed
	for _, f := range h.feeds {
		if f.users == 0 && (oldest == nil || f.idle.Before(oldest.idle)) {
			oldest = f
		}
	}
	if len(h.feeds) >= maxScopes && oldest != nil {
		delete(h.feeds, oldest.scope.id)
	}
	return len(h.feeds) < maxScopes
}

// sweep drops feeds that nobody has followed for a while.
func (h *Hub) sweep(now time.Time) {
	h.ledger.sweep(now)
	for id, f := range h.feeds {
		if f.users == 0 && now.Sub(f.idle) > scopeIdle {
			delete(h.feeds, id)
		}
	}
}
