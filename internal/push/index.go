package push

import (
	"maps"
	"slices"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	"github.com/strata-exp/strata/sdk/go/view"
)

const (
	kindLayer      = uint8(configv1.EntityKind_ENTITY_KIND_LAYER)
	kindExperiment = uint8(configv1.EntityKind_ENTITY_KIND_EXPERIMENT)
	kindField      = uint8(configv1.EntityKind_ENTITY_KIND_FIELD)
)

// index is how the layers and experiments of a configuration hang together, read
// from their bytes. Those whose bytes are no message are not in it. A vid may
// have several owners, and an experiment several homes: such a configuration can
// not be run, and still every server has to make the same of it.
type index struct {
	layers      map[string]links
	experiments map[string]links
	owners      map[int32][]string // experiments that have the variant
	homes       map[int32][]string // layers that refer to the variant
}

func newIndex() *index {
	return &index{
		layers: map[string]links{}, experiments: map[string]links{},
		owners: map[int32][]string{}, homes: map[int32][]string{},
	}
}

// advance takes in what changed, and returns the keys of all entities of which a
// projection may be another one now, sorted.
func (x *index) advance(differences []view.Difference) []view.Key {
	touched := map[view.Key]struct{}{}
	for _, d := range differences {
		touched[d.Key] = struct{}{}
		switch d.Key.Kind {
		case kindLayer:
			replace(d, x.layers, layerLinks, x.homes, func(vid int32) {
				for _, name := range x.owners[vid] {
					touched[view.Key{Kind: kindExperiment, Name: name}] = struct{}{}
				}
			})
		case kindExperiment:
			replace(d, x.experiments, experimentLinks, x.owners, func(vid int32) {
				for _, name := range x.homes[vid] {
					touched[view.Key{Kind: kindLayer, Name: name}] = struct{}{}
				}
			})
		}
	}
	return slices.SortedFunc(maps.Keys(touched), view.Key.Compare)
}

// replace puts an entity's new links in the place of the old ones, and names the
// variants of both.
func replace(d view.Difference, entities map[string]links, read func([]byte) (links, bool), names map[int32][]string, touch func(vid int32)) {
	name := d.Key.Name
	for _, vid := range entities[name].vids {
		touch(vid)
		if rest := without(names[vid], name); len(rest) > 0 {
			names[vid] = rest
		} else {
			delete(names, vid)
		}
	}
	delete(entities, name)
	if d.After == nil {
		return
	}
	found, ok := read(d.After.Payload())
	if !ok {
		return
	}
	entities[name] = found
	for _, vid := range found.vids {
		touch(vid)
		names[vid] = append(names[vid], name)
	}
}

// without removes a name from a list that has it at most once.
func without(names []string, name string) []string {
	if i := slices.Index(names, name); i >= 0 {
		return slices.Delete(names, i, i+1)
	}
	return names
}

// project returns what a scope has of an entity, which may be nil: nil if it has
// nothing of it.
func (x *index) project(s Scope, e *view.Entity) *view.Entity {
	if e == nil {
		return nil
	}
	switch key := e.TreeKey(); key.Kind {
	case kindField:
		return e
	case kindExperiment:
		if x.stands(s, key.Name) {
			return e
		}
		return nil
	case kindLayer:
		return x.projectLayer(s, e)
	default:
		if s.unknown {
			return e
		}
		return nil
	}
}

// stands reports whether an experiment belongs to a scope and stands in a range
// of a layer that does.
func (x *index) stands(s Scope, experiment string) bool {
	l, ok := x.experiments[experiment]
	if !ok || !s.has(l.service) {
		return false
	}
	return slices.ContainsFunc(l.vids, func(vid int32) bool {
		return slices.ContainsFunc(x.homes[vid], func(layer string) bool { return x.open(s, layer) })
	})
}

// open reports whether a layer may have experiments of a scope.
func (x *index) open(s Scope, layer string) bool {
	l, ok := x.layers[layer]
	return ok && (l.service == "" || s.has(l.service))
}

// projectLayer leaves of a layer the ranges of a scope's experiments. Slots of
// others are as good as free for those who evaluate the scope's services alone.
func (x *index) projectLayer(s Scope, e *view.Entity) *view.Entity {
	if s.whole() {
		return e
	}
	l, ok := x.layers[e.TreeKey().Name]
	if !ok || l.service != "" && !s.has(l.service) {
		return nil
	}
	kept := 0
	for _, vid := range l.vids {
		if x.owned(s, vid) {
			kept++
		}
	}
	switch kept {
	case 0:
		return nil
	case len(l.vids):
		return e
	}
	payload, ok := keepRanges(e.Payload(), func(vid int32) bool { return x.owned(s, vid) })
	if !ok {
		return nil // it is a message, or it were not in the index
	}
	return view.NewEntity(e.TreeKey(), payload)
}

// owned reports whether a variant is one of a scope's experiments.
func (x *index) owned(s Scope, vid int32) bool {
	return slices.ContainsFunc(x.owners[vid], func(experiment string) bool {
		return s.has(x.experiments[experiment].service)
	})
}
