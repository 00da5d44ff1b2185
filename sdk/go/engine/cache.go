package engine

import (
	"slices"
	"sync/atomic"
)

const (
	cacheSlots = 1 << 14
	// cacheBytes bounds what the cached results of a Ruleset and all made from
	// it hold, about.
	cacheBytes = 64 << 20
	// cacheSweep is how many slots one new entry may empty to make room.
	cacheSweep = 1024
)

// cache keeps results by the combination of variants that they were merged
// from. A result depends on nothing else, and unchanged variants keep their
// identity from one Ruleset to the next, so all revisions share one cache.
//
// It has no locks: a slot holds an immutable entry, and of two writers either
// may win.
type cache struct {
	slots [cacheSlots]atomic.Pointer[cacheEntry]
	bytes atomic.Int64
	hand  atomic.Uint32 // goes round the slots to make room
	limit int64         // of bytes
}

type cacheEntry struct {
	hash    uint64
	matches []*identity
	result  *Result
	bytes   int64
}

// places returns the two slots in which a combination may stand.
func (c *cache) places(hash uint64) (a, b *atomic.Pointer[cacheEntry]) {
	return &c.slots[hash%cacheSlots], &c.slots[(hash>>32)%cacheSlots]
}

func (c *cache) get(hash uint64, matches []*identity) *Result {
	a, b := c.places(hash)
	if e := a.Load(); e != nil && e.hash == hash && slices.Equal(e.matches, matches) {
		return e.result
	}
	if e := b.Load(); e != nil && e.hash == hash && slices.Equal(e.matches, matches) {
		return e.result
	}
	return nil
}

func (c *cache) put(hash uint64, matches []*identity, result *Result) {
	const overhead = 256 // of an entry, its result and their headers
	bytes := int64(overhead + len(result.Parameters) + 32*len(matches))
	if bytes > c.limit/16 {
		return
	}
	result.held.Store(1)
	e := &cacheEntry{hash: hash, matches: slices.Clone(matches), result: result, bytes: bytes}
	place, other := c.places(hash)
	if place.Load() != nil && (other.Load() == nil || hash>>63 == 1) {
		place = other
	}
	c.replace(place, e)
	for range cacheSweep {
		if c.bytes.Load() <= c.limit {
			return
		}
		if victim := &c.slots[c.hand.Add(1)%cacheSlots]; victim != place {
			c.replace(victim, nil)
		}
	}
	if c.bytes.Load() > c.limit {
		c.replace(place, nil) // the next one goes on sweeping
	}
}

func (c *cache) replace(place *atomic.Pointer[cacheEntry], e *cacheEntry) {
	var delta int64
	if e != nil {
		delta += e.bytes
	}
	if old := place.Swap(e); old != nil {
		delta -= old.bytes + old.result.held.Swap(-1) - 1
	}
	c.bytes.Add(delta)
}

// grow counts bytes that a result wants to hold beside its own. It returns false
// where there is no room for them, or the result is not kept any more.
func (c *cache) grow(result *Result, bytes int64) bool {
	for {
		switch held := result.held.Load(); {
		case held == 0: // it is its owner's alone
			return true
		case held < 0 || c.bytes.Load()+bytes > c.limit:
			return false
		case result.held.CompareAndSwap(held, held+bytes):
			c.bytes.Add(bytes)
			return true
		}
	}
}
