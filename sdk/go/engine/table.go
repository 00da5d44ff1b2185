package engine

import (
	"iter"
	"maps"

	"github.com/cespare/xxhash/v2"
)

// table is a map that is cheap to change a little of: a copy shares all shards
// but those that are written to.
type table[K comparable, V any] struct {
	shards [256]map[K]V
	owned  *[256]bool // the shards that this table may write to; nil once frozen
	size   int
}

// thaw returns a copy that may be written to.
func (t *table[K, V]) thaw() table[K, V] {
	return table[K, V]{shards: t.shards, owned: new([256]bool), size: t.size}
}

// freeze ends writing.
func (t *table[K, V]) freeze() { t.owned = nil }

func (t *table[K, V]) get(key K) V { return t.shards[shard(key)][key] }

func (t *table[K, V]) set(key K, value V) {
	m := t.writable(shard(key))
	before := len(m)
	m[key] = value
	t.size += len(m) - before
}

func (t *table[K, V]) delete(key K) {
	m := t.writable(shard(key))
	before := len(m)
	delete(m, key)
	t.size += len(m) - before
}

func (t *table[K, V]) writable(i uint8) map[K]V {
	if !t.owned[i] {
		t.owned[i] = true
		if t.shards[i] == nil {
			t.shards[i] = map[K]V{}
		} else {
			t.shards[i] = maps.Clone(t.shards[i])
		}
	}
	return t.shards[i]
}

func (t *table[K, V]) values() iter.Seq[V] {
	return func(yield func(V) bool) {
		for _, m := range t.shards {
			for _, v := range m {
				if !yield(v) {
					return
				}
			}
		}
	}
}

func shard[K comparable](key K) uint8 {
	switch key := any(key).(type) {
	case string:
		return uint8(xxhash.Sum64String(key))
	case int32:
		return uint8(key)
	case symbol:
		return uint8(key)
	default:
		return 0
	}
}
