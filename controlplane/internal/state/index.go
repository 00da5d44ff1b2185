package state

import (
	"hash/maphash"
	"maps"
)

// shards is how many parts an index has.
const shards = 256

// index is a map of which a changed copy costs what is changed.
type index[K comparable, V any] struct {
	shards [shards]map[K]V
	owned  [shards]bool
}

var indexSeed = maphash.MakeSeed()

func (x *index[K, V]) get(key K) (V, bool) {
	v, ok := x.shards[indexShard(key)][key]
	return v, ok
}

func (x *index[K, V]) set(key K, value V) { x.writable(key)[key] = value }

func (x *index[K, V]) delete(key K) {
	if _, ok := x.get(key); ok {
		delete(x.writable(key), key)
	}
}

func (x *index[K, V]) writable(key K) map[K]V {
	i := indexShard(key)
	switch {
	case x.shards[i] == nil:
		x.shards[i] = map[K]V{}
	case !x.owned[i]:
		x.shards[i] = maps.Clone(x.shards[i])
	}
	x.owned[i] = true
	return x.shards[i]
}

// freeze says that the next change has to copy again.
func (x *index[K, V]) freeze() { x.owned = [shards]bool{} }

func indexShard[K comparable](key K) uint8 { return uint8(maphash.Comparable(indexSeed, key)) }
