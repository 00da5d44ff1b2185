package plan

import (
	"iter"
	"slices"
	"strings"
)

// way leads from parameters down to a value.
type way struct {
	keys  []string
	bytes int // of the JSON Pointer
}

func (w *way) enter(key string) {
	w.keys = append(w.keys, key)
	w.bytes += 1 + len(escape(key))
}

func (w *way) leave() {
	last := len(w.keys) - 1
	w.bytes -= 1 + len(escape(w.keys[last]))
	w.keys = w.keys[:last]
}

// pointer returns the JSON Pointer (RFC 6901).
func (w *way) pointer() string {
	var b strings.Builder
	b.Grow(w.bytes)
	for _, key := range w.keys {
		b.WriteByte('/')
		b.WriteString(escape(key))
	}
	return b.String()
}

var pointerEscape = strings.NewReplacer("~", "~0", "/", "~1")

func escape(key string) string {
	if strings.ContainsAny(key, "~/") {
		return pointerEscape.Replace(key)
	}
	return key
}

// compareParams calls differ for each leaf that is not the same in two objects,
// in the order of JSON Pointers, with "" for a leaf that is not there. Where an
// object stands against a whole value they differ as wholes.
func compareParams(before, after *value, differ func(way *way, before, after string)) {
	compareValues(&way{}, before, after, differ)
}

func compareValues(w *way, before, after *value, differ func(way *way, before, after string)) {
	for _, p := range pairs(before, after) {
		w.enter(p.key)
		if p.whole {
			differ(w, textOf(p.before), textOf(p.after))
		} else {
			compareValues(w, p.before, p.after, differ)
		}
		w.leave()
	}
}

func textOf(v *value) string {
	if v == nil {
		return ""
	}
	return v.text
}

// pair is what stands under one key on both sides, nil where nothing does.
type pair struct {
	key, order    string
	before, after *value
	// whole says that the two are compared as wholes.
	whole bool
}

// pairs returns what differs between the members of two objects, of which one
// may be nil, in the order of the JSON Pointers below them: as "/a-b" comes
// before "/a/x", the order is that of keys with a slash after those of which
// members are compared.
func pairs(before, after *value) []pair {
	var all []pair
	add := func(p pair) {
		if p.before != nil && p.after != nil && p.before.text == p.after.text {
			return
		}
		p.whole = p.before.leaf() || p.after.leaf()
		if p.order = escape(p.key); !p.whole {
			p.order += "/"
		}
		all = append(all, p)
	}
	left := membersOf(after)
	if before != nil {
		for i := range before.members {
			b := &before.members[i]
			add(pair{key: b.key, before: b, after: left.take(b.key)})
		}
	}
	for a := range left.rest() {
		add(pair{key: a.key, after: a})
	}
	slices.SortFunc(all, func(a, b pair) int { return strings.Compare(a.order, b.order) })
	return all
}

// memberSet is the members of an object that have not been taken yet.
type memberSet struct {
	all   []value
	taken []bool
	byKey map[string]int // nil for few
}

func membersOf(v *value) *memberSet {
	const few = 8 // up to here searching is cheaper than making a map
	if v == nil {
		return &memberSet{}
	}
	s := &memberSet{all: v.members, taken: make([]bool, len(v.members))}
	if len(v.members) > few {
		s.byKey = make(map[string]int, len(v.members))
		for i := range v.members {
			s.byKey[v.members[i].key] = i
		}
	}
	return s
}

// take returns a member, nil if there is none.
func (s *memberSet) take(key string) *value {
	i, ok := s.byKey[key]
	if s.byKey == nil {
		i = slices.IndexFunc(s.all, func(v value) bool { return v.key == key })
		ok = i >= 0
	}
	if !ok {
		return nil
	}
	s.taken[i] = true
	return &s.all[i]
}

// rest returns the members that were not taken.
func (s *memberSet) rest() iter.Seq[*value] {
	return func(yield func(*value) bool) {
		for i := range s.all {
			if !s.taken[i] && !yield(&s.all[i]) {
				return
			}
		}
	}
}
