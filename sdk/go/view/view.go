// Package view holds an environment's configuration as it travels from the
// control plane to data planes and SDKs: entities, which nobody on the way
// encodes again, at a position of a history, with a hash. A View never changes;
// the next one shares what stays.
package view

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"
	"strconv"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	"github.com/strata-exp/strata/sdk/go/hashtree"
)

const (
	maxKind     = 255
	maxKeyBytes = 256
)

// Position is a place in the histories of an environment. Later ones are larger:
// those of a later epoch, and in an epoch those of a later revision. The zero
// Position is before all others.
type Position struct {
	// Epoch is when the history began, in microseconds since 1970.
	Epoch int64
	// Revision counts in it, from 1.
	Revision int64
}

// Compare returns -1, 0 or 1 where p is before, at or after another position.
func (p Position) Compare(other Position) int {
	return cmp.Or(cmp.Compare(p.Epoch, other.Epoch), cmp.Compare(p.Revision, other.Revision))
}

// String returns the position for people.
func (p Position) String() string { return fmt.Sprintf("revision %d of epoch %d", p.Revision, p.Epoch) }

// Key names an entity: a number of configv1.EntityKind, and the entity's key.
type Key = hashtree.Key

// LayerKey returns the key of a layer.
func LayerKey(layerID string) Key {
	return Key{Kind: uint8(configv1.EntityKind_ENTITY_KIND_LAYER), Name: layerID}
}

// ExperimentKey returns the key of an experiment.
func ExperimentKey(eid int32) Key {
	return Key{Kind: uint8(configv1.EntityKind_ENTITY_KIND_EXPERIMENT), Name: strconv.Itoa(int(eid))}
}

// FieldKey returns the key of a declared field.
func FieldKey(name string) Key {
	return Key{Kind: uint8(configv1.EntityKind_ENTITY_KIND_FIELD), Name: name}
}

// Entity is a part of a configuration. It never changes.
type Entity struct {
	key     Key
	payload []byte
	digest  hashtree.Hash
}

// NewEntity returns an entity that owns its payload.
func NewEntity(key Key, payload []byte) *Entity {
	return &Entity{key: key, payload: payload, digest: sha256.Sum256(payload)}
}

// TreeKey implements hashtree.Item.
func (e *Entity) TreeKey() Key { return e.key }

// TreeDigest implements hashtree.Item.
func (e *Entity) TreeDigest() hashtree.Hash { return e.digest }

// Payload returns the encoded message: read it only.
func (e *Entity) Payload() []byte { return e.payload }

// View is a configuration at a position. It is safe for concurrent use.
type View struct {
	position Position
	tree     *hashtree.Tree[*Entity] // sealed; shared by views of the same contents
}

// Empty returns the configuration of nothing, at the zero Position.
func Empty() *View {
	v := &View{tree: new(hashtree.Tree[*Entity])}
	v.tree.Seal()
	return v
}

// Position returns where in its history the configuration is.
func (v *View) Position() Position { return v.position }

// Hash returns the hash of the contents, whatever their position.
func (v *View) Hash() hashtree.Hash { return v.tree.Hash() }

// Len returns how many entities there are.
func (v *View) Len() int { return v.tree.Len() }

// Get returns an entity, nil if there is none.
func (v *View) Get(key Key) *Entity { return v.tree.Get(key) }

// All yields all entities. The same contents come in the same order.
func (v *View) All() iter.Seq[*Entity] { return v.tree.All() }

// With returns the configuration at another position, with entities put and
// others removed. Of an entity that is put and removed, the put counts.
func (v *View) With(at Position, puts []*Entity, deletes []Key) *View {
	if len(puts) == 0 && len(deletes) == 0 {
		return &View{position: at, tree: v.tree}
	}
	tree := *v.tree
	for _, key := range deletes {
		tree.Delete(key)
	}
	for _, e := range puts {
		tree.Put(e)
	}
	tree.Seal()
	return &View{position: at, tree: &tree}
}

// Apply is With for changes that have arrived. It takes over their payloads. The
// error says that they can not be from a server of ours.
func (v *View) Apply(at Position, changes *configv1.Changes) (*View, error) {
	puts := make([]*Entity, len(changes.GetPuts()))
	for i, e := range changes.GetPuts() {
		key, err := keyOf(e.GetKind(), e.GetKey())
		if err != nil {
			return nil, fmt.Errorf("puts[%d]: %w", i, err)
		}
		puts[i] = NewEntity(key, e.GetPayload())
	}
	deletes := make([]Key, len(changes.GetDeletes()))
	for i, e := range changes.GetDeletes() {
		key, err := keyOf(e.GetKind(), e.GetKey())
		if err != nil {
			return nil, fmt.Errorf("deletes[%d]: %w", i, err)
		}
		deletes[i] = key
	}
	return v.With(at, puts, deletes), nil
}

func keyOf(kind configv1.EntityKind, key string) (Key, error) {
	switch {
	case kind < 1 || kind > maxKind:
		return Key{}, fmt.Errorf("kind %d: want 1 to %d", kind, maxKind)
	case key == "":
		return Key{}, errors.New("an entity without a key")
	case len(key) > maxKeyBytes:
		return Key{}, fmt.Errorf("a key of %d bytes: want at most %d", len(key), maxKeyBytes)
	}
	return Key{Kind: uint8(kind), Name: key}, nil
}

// Difference is an entity that two configurations do not have in common.
type Difference = hashtree.Difference[*Entity]

// Compare returns what differs between two configurations, by key, in time that
// depends on what differs. A nil View is an empty one.
func Compare(before, after *View) []Difference {
	if before == nil {
		before = Empty()
	}
	if after == nil {
		after = Empty()
	}
	return hashtree.Compare(before.tree, after.tree)
}
