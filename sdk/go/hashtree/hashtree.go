// Package hashtree holds named contents so that a changed copy costs what is
// changed, the hash of all of it is known at any time, and two trees are compared
// in the time of what differs. The layout is part of the contract between servers
// and their followers in every language: see strata.config.v1.Entity.
package hashtree

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"iter"
	"slices"
)

// leaves is how many leaves a tree has. With 256, a change among 20,000 items
// copies and hashes about 80 of them instead of all.
const leaves = 256

// Hash is a SHA-256.
type Hash [sha256.Size]byte

// String returns the hash in hexadecimal.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// Key names an item.
type Key struct {
	Kind uint8
	Name string
}

// Compare orders by kind, then by name in byte order.
func (k Key) Compare(other Key) int {
	return cmp.Or(cmp.Compare(k.Kind, other.Kind), cmp.Compare(k.Name, other.Name))
}

func (k Key) leaf() uint8 {
	buffer := make([]byte, 0, 64)
	buffer = append(append(buffer, k.Kind), k.Name...)
	return sha256.Sum256(buffer)[0]
}

// Item is what a tree holds. What its methods return never changes.
type Item interface {
	comparable
	// TreeKey names the item.
	TreeKey() Key
	// TreeDigest is the SHA-256 of its contents.
	TreeDigest() Hash
}

// Tree is a hash tree of two levels. An item stands in the leaf that the first
// byte of the SHA-256 of its kind and name numbers; a leaf is sorted by key, and
// its digest is the SHA-256 of, for each item,
//
//	kind (1 byte) || length of name (4 bytes) || name || digest of contents
//
// with numbers in big-endian order. The hash is the SHA-256 of the digests of all
// leaves. An empty leaf's digest is that of no bytes.
//
// A tree is copied by assignment. A copy may be changed, by one goroutine and
// until Seal, without the other one seeing it; a sealed tree that is not changed
// is safe for concurrent use. The zero Tree is empty, and has to be sealed.
type Tree[T Item] struct {
	leaves [leaves]leaf[T]
	size   int
	hash   Hash
}

type leaf[T Item] struct {
	items  []T
	digest Hash
	// open says that items is this tree's own and the digest not yet that of them.
	open bool
}

func (l *leaf[T]) find(key Key) (int, bool) {
	return slices.BinarySearchFunc(l.items, key, func(item T, key Key) int { return item.TreeKey().Compare(key) })
}

// Get returns an item; the zero T if there is none.
func (t *Tree[T]) Get(key Key) T {
	l := &t.leaves[key.leaf()]
	if i, ok := l.find(key); ok {
		return l.items[i]
	}
	var none T
	return none
}

// Put adds an item, or replaces the one of the same key.
func (t *Tree[T]) Put(item T) {
	l := t.open(item.TreeKey())
	i, ok := l.find(item.TreeKey())
	if ok {
		l.items[i] = item
		return
	}
	l.items = slices.Insert(l.items, i, item)
	t.size++
}

// Delete removes an item and reports whether it was there.
func (t *Tree[T]) Delete(key Key) bool {
	if _, ok := t.leaves[key.leaf()].find(key); !ok {
		return false // without a leaf of one's own
	}
	l := t.open(key)
	i, _ := l.find(key)
	l.items = slices.Delete(l.items, i, i+1)
	t.size--
	return true
}

func (t *Tree[T]) open(key Key) *leaf[T] {
	l := &t.leaves[key.leaf()]
	if !l.open {
		l.items, l.open = slices.Clone(l.items), true
	}
	return l
}

// Seal ends the changes: Hash is up to date, and copies share what they have.
func (t *Tree[T]) Seal() {
	whole := sha256.New()
	var buffer []byte
	for i := range t.leaves {
		l := &t.leaves[i]
		if l.open || l.items == nil {
			buffer = buffer[:0]
			for _, item := range l.items {
				key, digest := item.TreeKey(), item.TreeDigest()
				buffer = append(buffer, key.Kind)
				buffer = binary.BigEndian.AppendUint32(buffer, uint32(len(key.Name)))
				buffer = append(buffer, key.Name...)
				buffer = append(buffer, digest[:]...)
			}
			l.digest, l.open = sha256.Sum256(buffer), false
		}
		whole.Write(l.digest[:])
	}
	whole.Sum(t.hash[:0])
}

// Hash returns the hash as it was at the last Seal.
func (t *Tree[T]) Hash() Hash { return t.hash }

// Len returns how many items there are.
func (t *Tree[T]) Len() int { return t.size }

// All yields all items: leaf by leaf, in each by key. The same contents come in
// the same order.
func (t *Tree[T]) All() iter.Seq[T] {
	return func(yield func(T) bool) {
		for i := range t.leaves {
			for _, item := range t.leaves[i].items {
				if !yield(item) {
					return
				}
			}
		}
	}
}

// Difference is an item that two trees do not have in common. One of Before and
// After is zero where the other tree has none.
type Difference[T Item] struct {
	Key           Key
	Before, After T
}

// Compare returns what differs between two sealed trees, by key. Items that are
// equal, or of equal digests, do not differ.
func Compare[T Item](before, after *Tree[T]) []Difference[T] {
	var found []Difference[T]
	for i := range before.leaves {
		a, b := &before.leaves[i], &after.leaves[i]
		if a.digest != b.digest {
			found = compareLeaves(found, a.items, b.items)
		}
	}
	slices.SortFunc(found, func(a, b Difference[T]) int { return a.Key.Compare(b.Key) })
	return found
}

func compareLeaves[T Item](found []Difference[T], a, b []T) []Difference[T] {
	for len(a) > 0 || len(b) > 0 {
		var order int
		switch {
		case len(a) == 0:
			order = 1
		case len(b) == 0:
			order = -1
		default:
			order = a[0].TreeKey().Compare(b[0].TreeKey())
		}
		switch {
		case order < 0:
			found, a = append(found, Difference[T]{Key: a[0].TreeKey(), Before: a[0]}), a[1:]
		case order > 0:
			found, b = append(found, Difference[T]{Key: b[0].TreeKey(), After: b[0]}), b[1:]
		default:
			if a[0] != b[0] && a[0].TreeDigest() != b[0].TreeDigest() {
				found = append(found, Difference[T]{a[0].TreeKey(), a[0], b[0]})
			}
			a, b = a[1:], b[1:]
		}
	}
	return found
}
