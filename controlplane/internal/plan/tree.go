package plan

import (
	"cmp"
	"strings"

	"github.com/strata-exp/strata/sdk/go/engine/jsonscan"
)

// tree is the paths that the variants of a service write.
type tree struct {
	root  node
	nodes []*node // all but the root, each after the one that it is under
	under map[edge]*node
}

type edge struct {
	above *node
	key   string
}

// kind is what a variant has at a path.
type kind uint8

const (
	object kind = iota // an object with members
	empty              // an object without members: a whole value that is merged like any object
	whole              // a scalar, a list or null
)

// mention is something that a variant has at a path.
type mention struct {
	writer *writer
	kind   kind
}

// node is a path.
type node struct {
	above *node
	key   string // as in a JSON Pointer
	depth int
	bytes int // of the JSON Pointer
	// mentions are in order of evaluation.
	mentions []mention
	// wholes counts the mentions of that kind.
	wholes [2]int
	// contested says that a path above has both objects and whole values, or at
	// least might.
	contested [2]bool
	// changed is the index of the first layer of which a mention changed.
	changed int
	// changedAbove is the lowest changed of the paths above that have whole
	// values: what happens there is seen here.
	changedAbove int
}

const never = int(^uint(0) >> 1)

// write notes what a variant has at all paths. Layers are written in order of
// evaluation.
func (t *tree) write(w *writer) {
	s := jsonscan.New(w.params)
	t.object(&t.root, &s, w)
}

// object notes what stands in the object that is read next, and returns how many
// members that has.
func (t *tree) object(above *node, s *jsonscan.Scanner, w *writer) (members int) {
	s.BeginObject()
	for {
		key, ok := s.NextKey()
		if !ok {
			return members
		}
		members++
		n := t.node(above, key)
		n.mentions = append(n.mentions, mention{w, whole})
		if w.changed {
			n.changed = min(n.changed, w.layer.index)
		}
		switch last := len(n.mentions) - 1; {
		case s.Kind() != jsonscan.Object:
			s.Skip()
			n.countWhole(w.layer)
		case t.object(n, s, w) == 0:
			n.mentions[last].kind = empty
		default:
			n.mentions[last].kind = object
		}
	}
}

func (n *node) countWhole(l *layer) {
	for _, s := range sides {
		if l.in[s] {
			n.wholes[s]++
		}
	}
}

func (t *tree) node(above *node, key string) *node {
	n := t.under[edge{above, key}]
	if n == nil {
		if t.under == nil {
			t.under = map[edge]*node{}
		}
		escaped := escape(key)
		const few = 8 // mentions
		n = &node{
			above: above, key: escaped, depth: above.depth + 1, bytes: above.bytes + 1 + len(escaped), changed: never,
			mentions: make([]mention, 0, few),
		}
		t.under[edge{above, key}] = n
		t.nodes = append(t.nodes, n)
	}
	return n
}

// settle hands down what paths inherit, once everything is written.
func (t *tree) settle() {
	t.root.changed, t.root.changedAbove = never, never
	for _, n := range t.nodes {
		n.changedAbove = n.above.changedAbove
		for _, s := range sides {
			n.contested[s] = n.above.contested[s] || n.above.wholes[s] > 0
		}
		if n.above.wholes != [2]int{} {
			n.changedAbove = min(n.changedAbove, n.above.changed)
		}
	}
}

// chain appends the paths from the root to n of which, on one side, somebody
// writes a whole value, and n.
func (n *node) chain(dst []*node, s side) []*node {
	first := len(dst)
	dst = append(dst, n)
	for up := n.above; up != nil && n.contested[s]; up = up.above {
		if up.wholes[s] > 0 {
			dst = append(dst, up)
		}
	}
	for i, j := first, len(dst)-1; i < j; i, j = i+1, j-1 {
		dst[i], dst[j] = dst[j], dst[i]
	}
	return dst
}

// pointer returns the JSON Pointer (RFC 6901).
func (n *node) pointer() string {
	keys := make([]string, n.depth)
	for ; n.depth > 0; n = n.above {
		keys[n.depth-1] = n.key
	}
	return "/" + strings.Join(keys, "/")
}

// compareNodes orders the paths of one tree as the bytes of their JSON Pointers,
// without spelling them out.
func compareNodes(a, b *node) int {
	if a == b {
		return 0
	}
	wayA, wayB := a, b
	for wayA.depth > wayB.depth {
		wayA = wayA.above
	}
	for wayB.depth > wayA.depth {
		wayB = wayB.above
	}
	if wayA == wayB { // one is above the other
		return cmp.Compare(a.depth, b.depth)
	}
	for wayA.above != wayB.above {
		wayA, wayB = wayA.above, wayB.above
	}
	keyA, keyB := wayA.key, wayB.key
	switch {
	case strings.HasPrefix(keyA, keyB):
		return compareSlash(keyA[len(keyB):], wayB != b)
	case strings.HasPrefix(keyB, keyA):
		return -compareSlash(keyB[len(keyA):], wayA != a)
	default:
		return cmp.Compare(keyA, keyB)
	}
}

// compareSlash compares what is left of one path, which is not empty, with what
// is left of another: a slash or nothing.
func compareSlash(rest string, slash bool) int {
	if !slash {
		return 1
	}
	return cmp.Compare(rest[0], '/')
}
