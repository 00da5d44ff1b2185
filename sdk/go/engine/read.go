package engine

import (
	"maps"
	"slices"
	"strings"
	"sync/atomic"
)

// Match is a variant that takes part in a Result.
type Match struct {
	LayerID string
	// HashKey and Salt are the layer's: what is hashed, and what goes before it.
	HashKey, Salt string
	EID, VID      int32
	// Ruled says that the experiment has a rule.
	Ruled bool
	// Window is equal in two Rulesets, of which one was made from the other, if
	// neither the layer nor the experiment changed between them.
	Window uint64
}

// Reading is what is found at a path, and who is exposed by that; see
// docs/semantics.md, Reading parameters. It is shared: read it only.
type Reading struct {
	// Value is the JSON text of the value, empty if there is none.
	Value string
	// Winner is the match that set it, -1 if there is none.
	Winner int32
	// Exposed and Hidden are the matches whose experiments have a leaf there,
	// below, or above, in order: those that make a difference, and those that do
	// not, as matches of higher priority hide all such leaves.
	Exposed, Hidden []int32
}

// Leaf is the Reading of a path at which a matched experiment has a leaf.
type Leaf struct {
	Path string
	*Reading
}

// The Readings of a result without matches: of the parameters as a whole, and of
// anything in them.
var (
	emptyWhole = Reading{Value: "{}", Winner: -1}
	nothing    = Reading{Winner: -1}
)

// Matches returns the matches of a result of r, in the order of its VIDs. They
// are shared: read them only.
func (r *Ruleset) Matches(result *Result) []Match {
	if len(result.VIDs) == 0 {
		return nil
	}
	return r.sources(result).matches
}

// Read returns what is at a path in a result of r, and who is exposed by reading
// it. Of a path that was read before in the same combination of variants it
// costs no allocation.
func (r *Ruleset) Read(result *Result, path string) *Reading {
	switch {
	case len(result.VIDs) > 0:
	case path == "":
		return &emptyWhole
	default:
		return &nothing
	}
	s := r.sources(result)
	if known := s.readings.Load(); known != nil {
		if reading := (*known)[path]; reading != nil {
			return reading
		}
	}
	reading := r.read(result, ParsePath(path))
	r.remember(result, s, path, reading)
	return reading
}

// Leaves returns the leaves of all matched experiments of a result of r, in byte
// order of their paths. The caller owns the slice.
func (r *Ruleset) Leaves(result *Result) []Leaf {
	all := new(outline)
	for _, vid := range result.VIDs {
		all.join(r.variants.get(vid).experiment.outline())
	}
	var leaves []Leaf
	for _, path := range all.leafPaths() {
		leaves = append(leaves, Leaf{path, r.read(result, ParsePath(path))})
	}
	return leaves
}

// sources is what was found out about a Result. It is strings and numbers alone,
// so that a cached result keeps no configuration alive.
type sources struct {
	matches  []Match
	readings atomic.Pointer[map[string]*Reading] // copied to be changed
}

func (r *Ruleset) sources(result *Result) *sources {
	if s := result.sources.Load(); s != nil {
		return s
	}
	s := &sources{matches: make([]Match, len(result.VIDs))}
	for i, vid := range result.VIDs {
		l, e := r.layers.get(result.MatchedLayers[i]), r.variants.get(vid).experiment
		s.matches[i] = Match{
			LayerID: l.id, HashKey: l.hashName, Salt: l.source.GetSalt(), EID: e.eid, VID: vid, Ruled: e.rule != nil,
			Window: (l.serial*prime1 ^ e.serial) * prime1,
		}
	}
	if !result.sources.CompareAndSwap(nil, s) {
		return result.sources.Load()
	}
	r.shared.cache.grow(result, int64(len(s.matches))*96)
	return s
}

// maxReadings is how many paths of a result are remembered. Code reads a few;
// more come from outside.
const maxReadings = 256

func (r *Ruleset) remember(result *Result, s *sources, path string, reading *Reading) {
	known := s.readings.Load()
	more := map[string]*Reading{}
	if known != nil {
		if len(*known) >= maxReadings {
			return
		}
		more = maps.Clone(*known)
	}
	more[strings.Clone(path)] = reading
	const overhead = 256 // of the Reading and its place in the map
	bytes := int64(overhead + len(path) + 4*len(reading.Exposed) + 4*len(reading.Hidden))
	if path != "" {
		bytes += int64(len(reading.Value))
	}
	if r.shared.cache.grow(result, bytes) {
		s.readings.CompareAndSwap(known, &more) // another one may have won: then it is read again
	}
}

// read finds a value by walking down all matched parameters at once, and who is
// exposed by building up, match by match, what hides those that follow.
func (r *Ruleset) read(result *Result, keys []string) *Reading {
	reading := &Reading{Winner: -1}
	above := new(cover)
	from := make([]contributor, 0, len(result.VIDs))
	for i, vid := range result.VIDs {
		v := r.variants.get(vid)
		switch touched, hidden := above.hides(v.experiment.outline(), keys); {
		case !touched && len(keys) > 0:
		case hidden:
			reading.Hidden = append(reading.Hidden, int32(i))
		default:
			reading.Exposed = append(reading.Exposed, int32(i))
		}
		above.add(v.params, keys)
		from = append(from, contributor{v.params, int32(i)})
	}
	if len(keys) == 0 {
		reading.Value, reading.Winner = result.Parameters, 0
		return reading
	}
	for _, key := range keys[:len(keys)-1] {
		from, _ = descend(from, key)
	}
	from, whole := descend(from, keys[len(keys)-1])
	switch {
	case whole != nil:
		reading.Value, reading.Winner = strings.Clone(whole.member.json()), whole.match
	case len(from) > 0:
		reading.Winner = from[0].match
		merge := merger{inputs: from}
		merge.merge(0)
		reading.Value = string(merge.out)
	}
	return reading
}

// descend returns the objects under a key that are merged there, or the value
// that is no object, if that comes first.
func descend(from []contributor, key string) (objects []contributor, whole *mergedMember) {
	for _, c := range from {
		m := c.object.get(key)
		switch {
		case m == nil:
		case m.child != nil:
			objects = append(objects, contributor{m.child, c.match})
		case len(objects) == 0:
			return nil, &mergedMember{member: m, match: c.match}
		}
	}
	return objects, nil
}

// get returns the member of a key, nil if there is none. Where all leaves of an
// object with very many members are read, looking at each would take too long.
func (o *object) get(key string) *member {
	const few = 32 // up to here looking at each is cheaper than keeping a map
	if len(o.members) <= few {
		i := slices.IndexFunc(o.members, func(m member) bool { return m.key == key })
		if i < 0 {
			return nil
		}
		return &o.members[i]
	}
	index := o.index.Load()
	if index == nil { // of two who make it at once either may win, as they are equal
		made := make(map[string]*member, len(o.members))
		for i := range o.members {
			made[o.members[i].key] = &o.members[i]
		}
		index = &made
		o.index.Store(index)
	}
	return (*index)[key]
}

// cover is what some parameters, merged, have at the beginning of a path, there
// and below.
type cover struct {
	whole    bool // a value that is no object
	children map[string]*cover
}

// add merges parameters under it, as far as they are on the path or below.
func (c *cover) add(o *object, keys []string) {
	if len(keys) == 0 {
		for i := range o.members {
			c.put(&o.members[i], nil)
		}
	} else if m := o.get(keys[0]); m != nil {
		c.put(m, keys[1:])
	}
}

func (c *cover) put(m *member, keys []string) {
	child := c.children[m.key]
	switch {
	case child == nil:
		child = &cover{whole: m.child == nil}
		if c.children == nil {
			c.children = map[string]*cover{}
		}
		c.children[m.key] = child
	case child.whole || m.child == nil:
		return
	}
	if m.child != nil {
		child.add(m.child, keys)
	}
}

// hides reports whether an experiment has leaves at the beginning of a path,
// there or below, and if it has any, whether all of them are covered.
func (c *cover) hides(o *outline, keys []string) (touched, hidden bool) {
	hidden = true
	for _, key := range keys {
		if o = o.children[key]; o == nil {
			return touched, touched && hidden
		}
		if c != nil && !c.whole {
			c = c.children[key]
		}
		if o.leaf {
			touched, hidden = true, hidden && c != nil
		}
	}
	below, covered := c.covers(o)
	touched = touched || below
	return touched, touched && hidden && covered
}

// covers reports whether there are leaves at or below a point, and whether all
// of them are covered.
func (c *cover) covers(o *outline) (leaves, covered bool) {
	leaves, covered = o.leaf, !o.leaf || c != nil
	for key, child := range o.children {
		under := c
		if c != nil && !c.whole {
			under = c.children[key]
		}
		some, all := under.covers(child)
		leaves, covered = leaves || some, covered && all
	}
	return leaves, covered
}
