package engine

import (
	"fmt"
	"maps"
	"slices"

	"github.com/cespare/xxhash/v2"
)

// builder makes a Ruleset from another one and a change. It reads the changed
// resources, and links again what refers to them.
type builder struct {
	prev   *Ruleset
	next   *Ruleset
	faults Faults
	// names says that next.symbols is a copy of ours.
	names bool
	// moved is the layers that are read again, linked again or deleted; the
	// value is the new form, nil for a deleted one.
	moved map[string]*layer
}

// apply returns r with a change made to it. If there are faults the result is
// of no use. r is not changed.
func (r *Ruleset) apply(change Change) (*Ruleset, Faults) {
	b := &builder{
		prev: r,
		next: &Ruleset{
			revision: change.Revision,
			layers:   r.layers.thaw(), experiments: r.experiments.thaw(), variants: r.variants.thaw(),
			homes: r.homes.thaw(), services: r.services.thaw(),
			fields: r.fields, symbols: r.symbols, fullSymbols: r.fullSymbols, shared: r.shared,
		},
		moved: map[string]*layer{},
	}
	empty := r.layers.size == 0 && r.experiments.size == 0
	if empty {
		b.next.symbols, b.names = symbols{}, true
	}
	retyped := b.applyFields(change)
	b.applyExperiments(change, retyped)
	b.applyLayers(change)
	b.applyServices()
	n := b.next
	if empty {
		n.fullSymbols = len(n.symbols)
	}
	n.layers.freeze()
	n.experiments.freeze()
	n.variants.freeze()
	n.homes.freeze()
	n.services.freeze()
	return n, b.faults
}

func (b *builder) symbol(name string) symbol {
	s := b.next.symbols
	if y, ok := s[name]; ok {
		return y
	}
	if !b.names {
		s = maps.Clone(s)
		b.next.symbols, b.names = s, true
	}
	y := symbol(len(s))
	s[name] = y
	return y
}

// applyFields returns the names of the fields whose type is another one now.
func (b *builder) applyFields(change Change) map[string]bool {
	if len(change.Fields) == 0 && len(change.DeletedFields) == 0 {
		return nil
	}
	fields := make(map[string]*field, len(b.prev.fields)+len(change.Fields))
	maps.Copy(fields, b.prev.fields)
	for _, name := range change.DeletedFields {
		delete(fields, name)
	}
	for i, src := range change.Fields {
		fields[src.GetName()] = b.readField(src, i)
	}
	b.next.fields = fields
	retyped := map[string]bool{}
	for name, f := range fields {
		if old := b.prev.fields[name]; old == nil || old.typ != f.typ {
			retyped[name] = true
		}
	}
	for name := range b.prev.fields {
		if fields[name] == nil {
			retyped[name] = true
		}
	}
	return retyped
}

func (b *builder) applyExperiments(change Change, retyped map[string]bool) {
	for _, eid := range change.DeletedExperiments {
		b.removeExperiment(eid)
	}
	read := make([]*experiment, 0, len(change.Experiments))
	changed := make(map[int32]bool, len(change.Experiments))
	for i, src := range change.Experiments {
		changed[src.GetEid()] = true
		b.removeExperiment(src.GetEid())
		read = append(read, b.readExperiment(src, i))
	}
	if len(retyped) > 0 {
		for e := range b.prev.experiments.values() {
			if changed[e.eid] || !e.rule.uses(retyped) || b.next.experiments.get(e.eid) == nil {
				continue
			}
			b.removeExperiment(e.eid)
			read = append(read, b.readExperiment(e.source, -1))
		}
	}
	for i, e := range read {
		if i >= len(change.Experiments) {
			i = -1
		}
		b.addExperiment(e, i)
	}
}

// uses reports whether a rule, nil for none, has a condition on a field.
func (n *ruleNode) uses(fields map[string]bool) bool {
	if n == nil {
		return false
	}
	if n.condition != nil && fields[n.condition.name] {
		return true
	}
	return slices.ContainsFunc(n.children, func(child *ruleNode) bool { return child.uses(fields) })
}

func (b *builder) removeExperiment(eid int32) {
	e := b.next.experiments.get(eid)
	if e == nil {
		return
	}
	b.next.experiments.delete(eid)
	for _, v := range e.variants {
		b.next.variants.delete(v.vid)
	}
	if home := b.next.homes.get(eid); home != "" {
		b.moved[home] = b.next.layers.get(home)
	}
}

func (b *builder) addExperiment(e *experiment, index int) {
	rep := report{faults: &b.faults, reason: IDTaken, kind: KindExperiment, id: eidText(e.eid), index: index}
	b.next.experiments.set(e.eid, e)
	for i, v := range e.variants {
		if other := b.next.variants.get(v.vid); other != nil {
			rep.fault(fmt.Sprintf("variants[%d].vid", i), "%d is taken by experiment %d", v.vid, other.experiment.eid)
			continue
		}
		b.next.variants.set(v.vid, v)
	}
}

func (b *builder) applyLayers(change Change) {
	for _, id := range change.DeletedLayers {
		b.moved[id] = nil
	}
	index := make(map[string]int, len(change.Layers))
	for i, src := range change.Layers {
		index[src.GetLayerId()] = i
		b.moved[src.GetLayerId()] = b.readLayer(src, i)
	}
	ids := slices.Sorted(maps.Keys(b.moved))
	for _, id := range ids {
		if old := b.prev.layers.get(id); old != nil {
			for _, seg := range old.segments {
				if m := seg.match; m != nil && b.next.homes.get(m.experiment.eid) == id {
					b.next.homes.delete(m.experiment.eid)
				}
			}
		}
	}
	for _, id := range ids {
		l := b.moved[id]
		if l == nil {
			b.next.layers.delete(id)
			continue
		}
		at, ok := index[id]
		if !ok {
			at = -1
			relinked := *l
			l = &relinked
			b.moved[id] = l
		}
		b.link(l, report{faults: &b.faults, kind: KindLayer, id: id, index: at})
		b.next.layers.set(id, l)
	}
}

// link finds the variants of a layer's ranges and cuts the slots into segments.
func (b *builder) link(l *layer, rep report) {
	l.segments, l.services = nil, nil
	own := l.source.GetService()
	if own != "" {
		l.services = append(l.services, b.symbol(own))
	}
	matches := map[int32]*match{}
	at := int32(0)
	for _, rg := range l.ranges {
		path := fmt.Sprintf("ranges[%d].vid", rg.index)
		v := b.next.variants.get(rg.vid)
		if v == nil {
			if rg.vid >= 1 {
				rep.as(UnknownVariant).fault(path, "%d is no variant of any experiment", rg.vid)
			}
			continue
		}
		e := v.experiment
		if own != "" && e.serviceName != own {
			rep.as(WrongService).fault(path, "%d belongs to service %s, and the layer to service %s", rg.vid, e.serviceName, own)
		}
		if home := b.next.homes.get(e.eid); home == "" {
			b.next.homes.set(e.eid, l.id)
		} else if home != l.id {
			rep.as(InTwoLayers).fault(path, "%d belongs to experiment %d, which lives in layer %s already", rg.vid, e.eid, home)
		}
		m := matches[rg.vid]
		if m == nil {
			m = newMatch(l, v)
			matches[rg.vid] = m
		}
		if !slices.Contains(l.services, e.service) {
			l.services = append(l.services, e.service)
		}
		if rg.start > at {
			l.segments = append(l.segments, segment{end: uint16(rg.start)})
		}
		l.segments = append(l.segments, segment{match: m, end: uint16(rg.end)})
		at = rg.end
	}
	if at < Slots {
		l.segments = append(l.segments, segment{end: Slots})
	}
	l.segments = slices.Clip(l.segments)
}

func newMatch(l *layer, v *variant) *match {
	id := fmt.Appendf(nil, "%s\x00%d", l.id, v.vid)
	e := v.experiment
	return &match{
		hash: xxhash.Sum64(id), identity: new(identity), service: e.service, rule: e.program, params: v.params,
		layer: l, experiment: e, vid: v.vid,
	}
}

// applyServices puts the moved layers into the lists of their services.
func (b *builder) applyServices() {
	touched := map[symbol][]*layer{}
	for id, l := range b.moved {
		if old := b.prev.layers.get(id); old != nil {
			for _, s := range old.services {
				if _, ok := touched[s]; !ok {
					touched[s] = nil
				}
			}
		}
		if l != nil {
			for _, s := range l.services {
				touched[s] = append(touched[s], l)
			}
		}
	}
	for name, added := range touched {
		s := &service{name: name}
		if old := b.prev.services.get(name); old != nil {
			s.layers = make([]*layer, 0, len(old.layers)+len(added))
			for _, l := range old.layers {
				if _, moved := b.moved[l.id]; !moved {
					s.layers = append(s.layers, l)
				}
			}
		}
		s.layers = append(s.layers, added...)
		slices.SortFunc(s.layers, compareLayers)
		if len(s.layers) == 0 {
			b.next.services.delete(name)
		} else {
			b.next.services.set(name, s)
		}
	}
}
