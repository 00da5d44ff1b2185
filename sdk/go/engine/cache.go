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
}

type cacheEntry struct {
	hash    uint64
	matches []*match
	result  *Result
	bytes   int64
}

// places returns the two slots in which a combination may stand.
func (c *cache) places(hash uint64) (a, b *atomic.Pointer[cacheEntry]) {
	return &c.slots[hash%cacheSlots], &c.slots[(hash>>32)%cacheSlots]
}

func (c *cache) get(hash uint64, matches []*match) *Result {
	a, b := c.places(hash)
	if e := a.Load(); e != nil && e.hash == hash && slices.Equal(e.matches, matches) {
		return e.result
	}
	if e := b.Load(); e != nil && e.hash == hash && slices.Equal(e.matches, matches) {
		return e.result
	}
	return nil
}

func (c *cache) put(hash uint64, matches []*match, result *Result) {
	const overhead = 256 // of an entry, its result and their headers
	e := &cacheEntry{hash: hash, matches: slices.Clone(matches), result: result}
	e.bytes = int64(overhead + len(result.Parameters) + 32*len(matches))
	if e.bytes > cacheBytes/16 {
		return
	}
	place, other := c.places(hash)
	if place.Load() != nil && (other.Load() == nil || hash>>63 == 1) {
		place = other
	}
	if c.bytes.Load()+e.bytes > cacheBytes {
		e = nil // full: make room for later ones instead
	}
	var delta int64
	if old := place.Swap(e); old != nil {
		delta -= old.bytes
	}
	if e != nil {
		delta += e.bytes
	}
	c.bytes.Add(delta)
}
