package state

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
)

// shards is how many parts a tree has. With 256, a change among 20,000 resources
// copies and hashes about 80 entries instead of all.
const shards = 256

// tree holds resources so that a changed copy costs what is changed, and so that
// the checksum of the whole is known at any time. It is a hash tree of two
// levels: a resource stands in the shard that the first byte of the SHA-256 of
// its ID names; a shard is sorted by ID, and its digest is the SHA-256 of, for
// each resource,
//
//	kind (1 byte) || length of key (4 bytes) || key || SHA-256 of payload
//
// with numbers in big-endian order. The checksum is the SHA-256 of the digests
// of all shards. An empty shard's digest is that of no bytes.
//
// The digests of a copy are stale from the first change on until seal.
type tree struct {
	shards   [shards]shard
	counts   [kinds]int
	checksum Checksum
}

type shard struct {
	resources []*Resource
	digest    [sha256.Size]byte
	// stale says that resources is this tree's own and the digest not yet that
	// of them.
	stale bool
}

func shardOf(id ID) uint8 {
	buffer := make([]byte, 0, 64)
	buffer = append(append(buffer, byte(id.Kind)), id.Key...)
	return sha256.Sum256(buffer)[0]
}

func find(resources []*Resource, id ID) (int, bool) {
	return slices.BinarySearchFunc(resources, id, func(r *Resource, id ID) int { return compareIDs(r.ID, id) })
}

func (t *tree) get(id ID) *Resource {
	resources := t.shards[shardOf(id)].resources
	if i, ok := find(resources, id); ok {
		return resources[i]
	}
	return nil
}

// put adds a resource, or replaces the one of the same ID.
func (t *tree) put(r *Resource) {
	s := t.writable(r.ID)
	i, ok := find(s.resources, r.ID)
	if ok {
		s.resources[i] = r
		return
	}
	s.resources = slices.Insert(s.resources, i, r)
	t.counts[r.ID.Kind]++
}

// delete removes a resource if it is there.
func (t *tree) delete(id ID) {
	s := t.writable(id)
	if i, ok := find(s.resources, id); ok {
		s.resources = slices.Delete(s.resources, i, i+1)
		t.counts[id.Kind]--
	}
}

func (t *tree) writable(id ID) *shard {
	s := &t.shards[shardOf(id)]
	if !s.stale {
		s.resources, s.stale = slices.Clone(s.resources), true
	}
	return s
}

// seal brings the digests up to date.
func (t *tree) seal() {
	whole := sha256.New()
	var buffer []byte
	for i := range t.shards {
		s := &t.shards[i]
		if s.stale || s.resources == nil {
			buffer = buffer[:0]
			for _, r := range s.resources {
				buffer = append(buffer, byte(r.ID.Kind))
				buffer = binary.BigEndian.AppendUint32(buffer, uint32(len(r.ID.Key)))
				buffer = append(buffer, r.ID.Key...)
				buffer = append(buffer, r.Digest[:]...)
			}
			s.digest, s.stale = sha256.Sum256(buffer), false
		}
		whole.Write(s.digest[:])
	}
	whole.Sum(t.checksum[:0])
}

// all returns all resources of a kind, in no defined order.
func (t *tree) all(kind Kind) []*Resource {
	found := make([]*Resource, 0, t.counts[kind])
	for i := range t.shards {
		for _, r := range t.shards[i].resources {
			if r.ID.Kind == kind {
				found = append(found, r)
			}
		}
	}
	return found
}
