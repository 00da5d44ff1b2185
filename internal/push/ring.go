package push

import (
	"cmp"
	"maps"
	"slices"

	"github.com/strata-exp/strata/sdk/go/hashtree"
	"github.com/strata-exp/strata/sdk/go/view"
)

const (
	// ringRevisions and ringKeys bound what one scope remembers.
	ringRevisions = 1024
	ringKeys      = 16_384
)

// ring remembers the newest revisions of one history of a scope: their hashes,
// and which keys changed. The oldest one is the floor, the last revision that a
// delta can start from.
type ring struct {
	epoch     int64
	revisions []revision // ascending
	keys      int
}

type revision struct {
	number  int64
	hash    hashtree.Hash
	changed []view.Key // since the one before; nil for the floor
}

// restart begins another history.
func (r *ring) restart(at view.Position, hash hashtree.Hash) {
	*r = ring{epoch: at.Epoch, revisions: []revision{{number: at.Revision, hash: hash}}}
}

// push adds the next revision.
func (r *ring) push(next revision) {
	r.revisions = append(r.revisions, next)
	r.keys += len(next.changed)
	for len(r.revisions) > ringRevisions || r.keys > ringKeys {
		r.revisions[0] = revision{}
		r.revisions = r.revisions[1:]
		floor := &r.revisions[0]
		r.keys -= len(floor.changed)
		floor.changed = nil
	}
}

func (r *ring) find(p view.Position) (int, bool) {
	if p.Epoch != r.epoch {
		return 0, false
	}
	return slices.BinarySearchFunc(r.revisions, p.Revision, func(x revision, number int64) int {
		return cmp.Compare(x.number, number)
	})
}

// hash returns the hash at a position, and whether the ring knows it.
func (r *ring) hash(p view.Position) (hashtree.Hash, bool) {
	if i, ok := r.find(p); ok {
		return r.revisions[i].hash, true
	}
	return hashtree.Hash{}, false
}

// between returns the keys that changed after one position, up to another one,
// and whether the ring knows both.
func (r *ring) between(from, to view.Position) ([]view.Key, bool) {
	i, ok := r.find(from)
	j, known := r.find(to)
	if !ok || !known || i > j {
		return nil, false
	}
	if i+1 == j {
		return r.revisions[j].changed, true
	}
	keys := map[view.Key]struct{}{}
	for _, x := range r.revisions[i+1 : j+1] {
		for _, key := range x.changed {
			keys[key] = struct{}{}
		}
	}
	return slices.SortedFunc(maps.Keys(keys), view.Key.Compare), true
}
