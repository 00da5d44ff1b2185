package plan

import (
	"cmp"
	"maps"
	"slices"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	"github.com/strata-exp/strata/sdk/go/engine"
)

// scope is what layers do to the parameters of one service, on both sides of a
// change: its enabled layers in order of evaluation, and what they write. A
// layer that is not the same on both sides stands in it twice.
type scope struct {
	service  string
	layers   []*layer
	tree     tree
	subjects map[int32]*subject // by eid
	budget   *int
}

// layer is a layer as a service sees it, with at least one slot for it.
type layer struct {
	id       string
	priority int32
	split    split
	ranges   []*configv1.Range // in order
	writers  []writer
	// in says on which sides it is like this, and shared whether another layer
	// there splits users in the same way.
	in, shared [2]bool
	index      int // in order of evaluation
}

// split is what decides who falls into which slot.
type split struct{ salt, hashKey string }

// writer is a variant that has slots.
type writer struct {
	layer   *layer
	subject *subject
	vid     int32
	slots   int64
	// ruled says that its experiment has a rule.
	ruled bool
	// changed says that data planes get something else of its layer or of its
	// experiment.
	changed bool
	params  string
	index   int // in order of evaluation
}

// subject is an experiment in a scope.
type subject struct {
	eid int32
	// affected says that what is hidden from its users is to be told.
	affected bool
	// worst is the largest share of users that it loses a parameter for.
	worst [2]float64
	// has says what its variants have at node, where that is looked at.
	node *node
	has  [whole + 1]bool
}

// scopes returns the layers that are to be read on each side by themselves,
// because they or experiments in them changed, for each service that they have
// slots for.
func (p *planner) scopes() map[string]map[string]bool {
	all := map[string]map[string]bool{}
	add := func(service, layerID string) {
		if all[service] == nil {
			all[service] = map[string]bool{}
		}
		all[service][layerID] = true
	}
	for _, c := range p.layers {
		for _, s := range sides {
			var last *experiment
			for _, r := range served(c.sides[s]) {
				if last = p.experimentOf(s, r.GetVid(), last); last != nil {
					add(last.source.GetService(), c.id)
				}
			}
		}
	}
	for _, c := range p.experiments {
		for _, s := range sides {
			if x := c.sides[s]; x != nil && p.serves(s, x) {
				add(x.GetService(), x.GetLayerId())
			}
		}
	}
	return all
}

// serves reports whether users get anything of an experiment, whatever its rule.
func (p *planner) serves(s side, x *adminv1.Experiment) bool {
	variants := p.reader.of(x)
	return slices.ContainsFunc(served(p.states[s].Layer(x.GetLayerId())), func(r *configv1.Range) bool {
		return variants.variant(r.GetVid()) != nil
	})
}

// experimentOf returns the experiment of a variant. It is likely to be the last
// one that was asked for.
func (p *planner) experimentOf(s side, vid int32, last *experiment) *experiment {
	if last != nil && last.variant(vid) != nil {
		return last
	}
	if source := p.states[s].ExperimentOf(vid); source != nil {
		return p.reader.of(source)
	}
	return nil
}

// scope looks at a service. The layers in changed are read on each side by
// themselves.
func (p *planner) scope(service string, changed map[string]bool, budget *int) *scope {
	s := &scope{service: service, subjects: map[int32]*subject{}, budget: budget}
	// With nothing known of a user, an explanation lists the layers of a service.
	for _, l := range p.states[result].Ruleset().Explain(service, nil, nil).Layers {
		if l.Outcome != engine.Disabled && !changed[l.LayerID] {
			s.add(p.layer(s, p.states[result].Layer(l.LayerID), result), [2]bool{true, true})
		}
	}
	for _, id := range slices.Sorted(maps.Keys(changed)) {
		s.add(p.layer(s, p.states[base].Layer(id), base), [2]bool{base: true})
		s.add(p.layer(s, p.states[result].Layer(id), result), [2]bool{result: true})
	}
	slices.SortStableFunc(s.layers, func(a, b *layer) int {
		return cmp.Or(cmp.Compare(b.priority, a.priority), cmp.Compare(a.id, b.id))
	})
	s.number()
	for _, l := range s.layers {
		for i := range l.writers {
			s.tree.write(&l.writers[i])
		}
	}
	s.tree.settle()
	s.affect()
	return s
}

func (s *scope) add(l *layer, in [2]bool) {
	if l != nil {
		l.in = in
		s.layers = append(s.layers, l)
	}
}

// number gives layers and writers their places, and finds those that share a
// split.
func (s *scope) number() {
	first := make(map[split][2]*layer, len(s.layers))
	writers := 0
	for i, l := range s.layers {
		l.index = i
		for i := range l.writers {
			l.writers[i].index = writers
			writers++
		}
		others := first[l.split]
		for _, side := range sides {
			switch {
			case !l.in[side]:
			case others[side] == nil:
				others[side] = l
			default:
				others[side].shared[side], l.shared[side] = true, true
			}
		}
		first[l.split] = others
	}
}

// layer reads a layer, which may be nil. It returns nil if nobody gets anything
// of the service in it.
func (p *planner) layer(s *scope, source *adminv1.Layer, side side) *layer {
	l := &layer{
		id: source.GetLayerId(), priority: source.GetPriority(),
		split: split{source.GetSalt(), source.GetHashKey()}, ranges: served(source),
	}
	var last *experiment
	for _, h := range holdings(l.ranges) {
		if last = p.experimentOf(side, h.vid, last); last != nil && last.source.GetService() == s.service {
			l.writers = append(l.writers, p.writer(s, l, last, h))
		}
	}
	if len(l.writers) == 0 {
		return nil
	}
	return l
}

func (p *planner) writer(s *scope, l *layer, x *experiment, h holding) writer {
	eid := x.source.GetEid()
	if s.subjects[eid] == nil {
		s.subjects[eid] = &subject{eid: eid}
	}
	return writer{
		layer: l, subject: s.subjects[eid], vid: h.vid, slots: int64(h.slots), ruled: x.source.GetRule() != nil,
		changed: p.changedLayers[l.id] || p.changedExperiments[eid], params: x.variant(h.vid).text,
	}
}
