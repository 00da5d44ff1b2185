package hashtree_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"go.uber.org/goleak"

	"github.com/strata-exp/strata/sdk/go/hashtree"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type item struct {
	key      hashtree.Key
	contents string
}

func (i *item) TreeKey() hashtree.Key     { return i.key }
func (i *item) TreeDigest() hashtree.Hash { return sha256.Sum256([]byte(i.contents)) }

// naive is the hash as the schema defines it.
func naive(items map[hashtree.Key]*item) hashtree.Hash {
	var leaves [256][]*item
	for key, i := range items {
		sum := sha256.Sum256(append([]byte{key.Kind}, key.Name...))
		leaves[sum[0]] = append(leaves[sum[0]], i)
	}
	var digests []byte
	for _, leaf := range leaves {
		slices.SortFunc(leaf, func(a, b *item) int {
			return bytes.Compare(append([]byte{a.key.Kind}, a.key.Name...), append([]byte{b.key.Kind}, b.key.Name...))
		})
		var text []byte
		for _, i := range leaf {
			contents := sha256.Sum256([]byte(i.contents))
			text = append(text, i.key.Kind)
			text = binary.BigEndian.AppendUint32(text, uint32(len(i.key.Name)))
			text = append(append(text, i.key.Name...), contents[:]...)
		}
		digest := sha256.Sum256(text)
		digests = append(digests, digest[:]...)
	}
	return sha256.Sum256(digests)
}

// TestVectors holds the layout, which servers and SDKs of every language share.
func TestVectors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		items map[hashtree.Key]string
		want  string
	}{
		{nil, "0e89e7ed74c9a5944c886585d634e3c68f4dccd0a31968fe52d6df0873ccdec6"},
		{map[hashtree.Key]string{{Kind: 1, Name: "a"}: "x", {Kind: 2, Name: "1"}: "", {Kind: 255, Name: "é"}: "y"}, "cd0bd2c73695c78ff471ded1ce1191fc48c9a52743fb670339f403520287295a"},
	} {
		var tree hashtree.Tree[*item]
		items := map[hashtree.Key]*item{}
		for key, contents := range c.items {
			items[key] = &item{key, contents}
			tree.Put(items[key])
		}
		tree.Seal()
		if got := tree.Hash(); got.String() != c.want {
			t.Errorf("%v: got %v, want %s", c.items, got, c.want)
		}
	}
}

// TestTree compares trees and their copies with maps.
func TestTree(t *testing.T) {
	t.Parallel()
	type version struct {
		tree  hashtree.Tree[*item]
		items map[hashtree.Key]*item
	}
	for seed := range uint64(30) {
		random := rand.New(rand.NewPCG(seed, 1))
		first := &version{items: map[hashtree.Key]*item{}}
		first.tree.Seal()
		versions := []*version{first}
		for range 30 {
			from := versions[random.IntN(len(versions))]
			next := &version{from.tree, maps.Clone(from.items)}
			for range random.IntN(40) {
				key := hashtree.Key{Kind: uint8(1 + random.IntN(3)), Name: strconv.Itoa(random.IntN(60))}
				if random.IntN(3) == 0 {
					_, had := next.items[key]
					if next.tree.Delete(key) != had {
						t.Fatalf("seed %d: delete %v says %t", seed, key, !had)
					}
					delete(next.items, key)
				} else {
					next.items[key] = &item{key, strconv.Itoa(random.IntN(4))}
					next.tree.Put(next.items[key])
				}
			}
			next.tree.Seal()
			versions = append(versions, next)
		}
		for _, v := range versions {
			if v.tree.Hash() != naive(v.items) || v.tree.Len() != len(v.items) {
				t.Fatalf("seed %d: hash %v of %d items", seed, v.tree.Hash(), v.tree.Len())
			}
			seen := 0
			for i := range v.tree.All() {
				seen++
				if v.items[i.key] != i || v.tree.Get(i.key) != i {
					t.Fatalf("seed %d: %v is another one", seed, i.key)
				}
			}
			if seen != len(v.items) {
				t.Fatalf("seed %d: %d items, want %d", seed, seen, len(v.items))
			}
			if v.tree.Get(hashtree.Key{Kind: 9}) != nil {
				t.Fatalf("seed %d: got what is not there", seed)
			}
		}
		for range 50 {
			a, b := versions[random.IntN(len(versions))], versions[random.IntN(len(versions))]
			differences(t, a.items, b.items, hashtree.Compare(&a.tree, &b.tree))
		}
	}
}

func differences(t *testing.T, a, b map[hashtree.Key]*item, got []hashtree.Difference[*item]) {
	t.Helper()
	if !slices.IsSortedFunc(got, func(x, y hashtree.Difference[*item]) int { return x.Key.Compare(y.Key) }) {
		t.Fatal("differences are not in order")
	}
	found := map[hashtree.Key]bool{}
	for _, d := range got {
		found[d.Key] = true
		if d.Before != a[d.Key] || d.After != b[d.Key] {
			t.Fatalf("%v: %v to %v, want %v to %v", d.Key, d.Before, d.After, a[d.Key], b[d.Key])
		}
	}
	for _, items := range []map[hashtree.Key]*item{a, b} {
		for key := range items {
			x, y := a[key], b[key]
			if differ := x == nil || y == nil || x.contents != y.contents; differ != found[key] {
				t.Fatalf("%v: differs %t, found %t", key, differ, found[key])
			}
		}
	}
}

func BenchmarkSealOne(b *testing.B) {
	var tree hashtree.Tree[*item]
	for i := range 20_000 {
		tree.Put(&item{hashtree.Key{Kind: 1, Name: strconv.Itoa(i)}, "contents"})
	}
	tree.Seal()
	changed := &item{hashtree.Key{Kind: 1, Name: "7"}, "others"}
	b.ReportAllocs()
	for b.Loop() {
		next := tree
		next.Put(changed)
		next.Seal()
	}
}
