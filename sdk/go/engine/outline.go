package engine

import (
	"maps"
	"slices"
	"sync/atomic"
)

// outline is the paths at which some parameters have values: those of all
// variants of an experiment, or of all experiments of a service.
type outline struct {
	// leaf says that a value here is no object. Others may be one.
	leaf     bool
	children map[string]*outline
}

// lazyOutline is an outline that is made when it is first asked for. Of two who
// make it at once either may win, as they are equal.
type lazyOutline struct{ made atomic.Pointer[outline] }

func (l *lazyOutline) get(build func(*outline)) *outline {
	if made := l.made.Load(); made != nil {
		return made
	}
	o := new(outline)
	build(o)
	l.made.Store(o)
	return o
}

func (e *experiment) outline() *outline {
	return e.paths.get(func(o *outline) {
		seen := map[shape]struct{}{}
		for _, v := range e.variants {
			if _, again := seen[v.params.shape]; !again {
				seen[v.params.shape] = struct{}{}
				o.add(v.params)
			}
		}
	})
}

// outline is that of all experiments whose variants stand in a layer.
func (s *service) outline() *outline {
	return s.paths.get(func(o *outline) {
		seen := map[*experiment]struct{}{}
		for _, l := range s.layers {
			for e := range l.experiments() {
				if _, again := seen[e]; !again && e.service == s.name {
					seen[e] = struct{}{}
					o.join(e.outline())
				}
			}
		}
	})
}

func (o *outline) add(params *object) {
	for i := range params.members {
		m := &params.members[i]
		child := o.child(m.key)
		if m.child == nil {
			child.leaf = true
		} else {
			child.add(m.child)
		}
	}
}

func (o *outline) join(other *outline) {
	o.leaf = o.leaf || other.leaf
	for key, theirs := range other.children {
		o.child(key).join(theirs)
	}
}

func (o *outline) child(key string) *outline {
	child := o.children[key]
	if child == nil {
		if o.children == nil {
			o.children = map[string]*outline{}
		}
		child = new(outline)
		o.children[key] = child
	}
	return child
}

// at returns what is at a path, nil if nothing is.
func (o *outline) at(keys []string) *outline {
	for _, key := range keys {
		if o == nil {
			return nil
		}
		o = o.children[key]
	}
	return o
}

// leaves calls yield with the keys to each leaf, which it must not keep.
func (o *outline) leaves(keys []string, yield func(keys []string)) {
	if o.leaf {
		yield(keys)
	}
	for key, child := range o.children {
		child.leaves(append(keys, key), yield)
	}
}

// leafPaths returns the paths of all leaves, in byte order, but for one that has
// none: the empty path is not that of the empty key.
func (o *outline) leafPaths() []string {
	var paths []string
	o.leaves(nil, func(keys []string) {
		if path := JoinPath(keys); path != "" {
			paths = append(paths, path)
		}
	})
	slices.Sort(paths)
	return slices.Compact(paths)
}

// experiments yields the experiments whose variants stand in the layer, some of
// them more than once.
func (l *layer) experiments() func(yield func(*experiment) bool) {
	return func(yield func(*experiment) bool) {
		for _, segment := range l.segments {
			if segment.match != nil && !yield(segment.match.experiment) {
				return
			}
		}
	}
}

// Knows reports whether a variant of the service has a value at a path. Experiments
// none of whose variants stands in a layer do not count.
func (r *Ruleset) Knows(service, path string) bool {
	s := r.service(service)
	return s != nil && s.outline().at(ParsePath(path)) != nil
}

// Services returns the names of all services that have a variant in a layer, in
// byte order. The caller owns the slice.
func (r *Ruleset) Services() []string {
	if r == nil {
		return nil
	}
	names := map[string]struct{}{}
	for l := range r.layers.values() {
		for e := range l.experiments() {
			names[e.serviceName] = struct{}{}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// HashKeys returns the context fields that layers hash, each once, in byte order.
// The caller owns the slice.
func (r *Ruleset) HashKeys() []string {
	if r == nil {
		return nil
	}
	names := map[string]struct{}{}
	for l := range r.layers.values() {
		names[l.hashName] = struct{}{}
	}
	return slices.Sorted(maps.Keys(names))
}

// bySerial returns the experiments whose variants stand in a layer, which may be
// nil.
func (l *layer) bySerial() map[uint64]*experiment {
	all := map[uint64]*experiment{}
	if l != nil {
		for e := range l.experiments() {
			all[e.serial] = e
		}
	}
	return all
}

// Changed returns where parameters may differ between two configurations, either
// of which may be nil: service.path for each leaf of each experiment that came,
// went or changed, or whose layer did, in byte order. A dot in the name of a
// service stays as it is. The caller owns the slice.
func Changed(before, after *Ruleset) []string {
	if before == nil {
		before = newRuleset()
	}
	if after == nil {
		after = newRuleset()
	}
	touched := map[*experiment]struct{}{}
	compareOne := func(was, is *layer) {
		if was == is {
			return
		}
		before, after := was.bySerial(), is.bySerial()
		if was != nil && is != nil && was.serial == is.serial {
			for serial := range before {
				if _, kept := after[serial]; kept {
					delete(before, serial)
					delete(after, serial)
				}
			}
		}
		for _, e := range before {
			touched[e] = struct{}{}
		}
		for _, e := range after {
			touched[e] = struct{}{}
		}
	}
	for l := range after.layers.values() {
		compareOne(before.layers.get(l.id), l)
	}
	for l := range before.layers.values() {
		if after.layers.get(l.id) == nil {
			compareOne(l, nil)
		}
	}
	keys := map[string]struct{}{}
	for e := range touched {
		for _, path := range e.outline().leafPaths() {
			keys[e.serviceName+"."+path] = struct{}{}
		}
	}
	return slices.Sorted(maps.Keys(keys))
}
