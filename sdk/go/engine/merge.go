package engine

import (
	"slices"
	"strings"
)

// merger merges parameters into JSON text. It is reused: its slices are stacks
// on which each nested merge works above the one that called it.
type merger struct {
	out    []byte
	inputs []contributor
	slots  []mergedMember
	chain  []link
	table  []int32 // open addressing by key: 1 + index into slots
	trace  *mergeTrace
}

// contributor is an object that takes part in a merge, and the match, counted
// from the one of highest priority, that it comes from.
type contributor struct {
	object *object
	match  int32
}

// mergedMember is a key of the result. Where more than one contributor has an
// object under it, the others hang on its chain.
type mergedMember struct {
	member      *member
	match       int32
	first, last int32 // 1 + index into chain; 0 for none
}

type link struct {
	contributor
	next int32 // 1 + index into chain; 0 for none
}

// merge appends the merge of the contributors from base on, highest priority
// first, and pops them. It takes time in the number of their members, not of
// contributors times members.
func (m *merger) merge(base int) {
	if m.trace == nil {
		m.drop(base)
		switch len(m.inputs) - base {
		case 0:
			m.out = append(m.out, "{}"...)
			return
		case 1:
			m.out = append(m.out, m.inputs[base].object.text...)
			m.inputs = pop(m.inputs, base)
			return
		}
	}
	slots, chain := len(m.slots), len(m.chain)
	m.collect(base)
	m.inputs = pop(m.inputs, base)

	m.out = append(m.out, '{')
	for i := slots; i < len(m.slots); i++ {
		if i > slots {
			m.out = append(m.out, ',')
		}
		m.write(m.slots[i])
	}
	m.out = append(m.out, '}')
	m.slots, m.chain = pop(m.slots, slots), pop(m.chain, chain)
}

// pop shortens a stack to n and forgets what was above, so that a merger that
// waits for its next use keeps no configuration alive.
func pop[T any](stack []T, n int) []T {
	clear(stack[n:])
	return stack[:n]
}

// drop removes contributors that can not contribute: those that are empty, and
// those of a shape that one above them has.
func (m *merger) drop(base int) {
	const remembered = 8 // shapes; this only saves work, so a few are enough
	kept := base
	for i := base; i < len(m.inputs); i++ {
		o := m.inputs[i].object
		covered := len(o.members) == 0
		for j := base; j < min(kept, base+remembered) && !covered; j++ {
			covered = m.inputs[j].object.shape == o.shape
		}
		if !covered {
			m.inputs[kept] = m.inputs[i]
			kept++
		}
	}
	m.inputs = pop(m.inputs, kept)
}

// collect pushes one slot for each key that a contributor from base on has.
func (m *merger) collect(base int) {
	keys := 0
	for _, c := range m.inputs[base:] {
		keys += len(c.object.members)
	}
	size := 4
	for size < 2*keys {
		size *= 2
	}
	// The table is needed only until all keys are collected, so nested merges
	// may use the same memory.
	m.table = slices.Grow(m.table[:0], size)[:size]
	clear(m.table)
	mask := uint32(size - 1)
	for _, c := range m.inputs[base:] {
		for i := range c.object.members {
			member := &c.object.members[i]
			at := member.hash & mask
			for m.table[at] != 0 && !m.slots[m.table[at]-1].has(member) {
				at = (at + 1) & mask
			}
			if m.table[at] == 0 {
				m.slots = append(m.slots, mergedMember{member: member, match: c.match})
				m.table[at] = int32(len(m.slots))
				continue
			}
			m.meet(&m.slots[m.table[at]-1], member, c.match)
		}
	}
}

func (s *mergedMember) has(other *member) bool {
	return s.member.hash == other.hash && s.member.key == other.key
}

// meet merges a member into one of higher priority: objects are merged, and in
// every other case what is there stays.
func (m *merger) meet(above *mergedMember, below *member, match int32) {
	if above.member.child == nil || below.child == nil {
		if m.trace != nil {
			m.trace.hide(above, below, match)
		}
		return
	}
	m.chain = append(m.chain, link{contributor: contributor{below.child, match}})
	n := int32(len(m.chain))
	if above.first == 0 {
		above.first = n
	} else {
		m.chain[above.last-1].next = n
	}
	above.last = n
}

func (m *merger) write(s mergedMember) {
	if s.first == 0 && m.trace == nil {
		m.out = append(m.out, s.member.text...)
		return
	}
	if s.member.child == nil {
		m.trace.keep(s)
		m.out = append(m.out, s.member.text...)
		return
	}
	m.out = append(m.out, s.member.text[:s.member.value]...)
	base := len(m.inputs)
	m.inputs = append(m.inputs, contributor{s.member.child, s.match})
	for i := s.first; i != 0; i = m.chain[i-1].next {
		m.inputs = append(m.inputs, m.chain[i-1].contributor)
	}
	if m.trace != nil {
		m.trace.enter(s, m.inputs[base:])
		defer m.trace.leave()
	}
	m.merge(base)
}

// mergeTrace records where each value came from and what it hid. A merge that
// is traced visits every member instead of copying whole objects.
type mergeTrace struct {
	path      []string                 // escaped keys down to the open object
	entries   map[string]*mergedOrigin // by path
	bytes     int                      // of the paths
	truncated bool                     // they became too many
}

// mergedOrigin is the winner at a path and those below it, by match.
type mergedOrigin struct {
	winner origin
	hidden []origin
}

type origin struct {
	match int32
	json  string
}

func newMergeTrace() *mergeTrace { return &mergeTrace{entries: map[string]*mergedOrigin{}} }

// pointer returns the JSON Pointer (RFC 6901) of a key in the open object.
func (t *mergeTrace) pointer(key string) string {
	return strings.Join(t.path, "") + "/" + pointerEscape.Replace(key)
}

var pointerEscape = strings.NewReplacer("~", "~0", "/", "~1")

func (t *mergeTrace) entry(s *mergedMember) *mergedOrigin {
	path := t.pointer(s.member.key)
	e := t.entries[path]
	if e == nil {
		e = &mergedOrigin{winner: origin{s.match, s.member.json()}}
		if t.bytes += len(path); t.bytes > MaxPathBytes {
			t.truncated = true
			return e
		}
		t.entries[path] = e
	}
	return e
}

func (t *mergeTrace) keep(s mergedMember) {
	if !t.truncated {
		t.entry(&s)
	}
}

func (t *mergeTrace) hide(above *mergedMember, below *member, match int32) {
	if t.truncated {
		return
	}
	e := t.entry(above)
	e.hidden = append(e.hidden, origin{match, below.json()})
}

// enter opens the object under s. If it stays empty it is a value of its own.
func (t *mergeTrace) enter(s mergedMember, from []contributor) {
	if !slices.ContainsFunc(from, func(c contributor) bool { return len(c.object.members) > 0 }) {
		t.keep(s)
	}
	t.path = append(t.path, "/"+pointerEscape.Replace(s.member.key))
}

func (t *mergeTrace) leave() { t.path = t.path[:len(t.path)-1] }

// paths returns the recorded paths in order.
func (t *mergeTrace) paths() []string {
	paths := make([]string, 0, len(t.entries))
	for path := range t.entries {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	return paths
}
