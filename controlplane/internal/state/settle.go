package state

import (
	"maps"
	"slices"
	"strconv"
	"sync"

	"google.golang.org/protobuf/proto"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	"github.com/strata-exp/strata/sdk/go/engine"
)

// place is where an experiment has slots, and had some before.
type place struct {
	layerID     string
	vids        map[int32]bool
	ranges, was []*configv1.Range
}

// settle makes experiments follow their slots.
func (e *edit) settle() {
	places := map[int32]*place{} // of the experiments that may have moved
	for id := range e.touched {
		switch id.Kind {
		case KindLayer:
			e.affected(e.before.Resource(id).Layer(), places)
			e.affected(e.next.Resource(id).Layer(), places)
		case KindExperiment:
			if x := e.next.Resource(id).Experiment(); x != nil {
				places[x.GetEid()] = &place{vids: map[int32]bool{}}
			}
		}
	}
	homes := map[string]bool{}
	for eid := range places {
		homes[e.before.Experiment(eid).GetLayerId()] = true
	}
	for id := range e.touched {
		if id.Kind == KindLayer {
			homes[id.Key] = true
		}
	}
	for _, layerID := range slices.Sorted(maps.Keys(homes)) {
		e.locate(layerID, places)
	}
	for _, eid := range slices.Sorted(maps.Keys(places)) {
		e.follow(ExperimentID(eid), places[eid])
	}
}

// locate notes who has and had slots in a layer.
func (e *edit) locate(layerID string, places map[int32]*place) {
	for _, r := range e.before.Layer(layerID).GetRanges() {
		eid, _ := e.before.variants.get(r.GetVid())
		if p := places[eid]; p != nil {
			p.was = append(p.was, r)
		}
	}
	for _, r := range e.next.Layer(layerID).GetRanges() {
		eid, _ := e.next.variants.get(r.GetVid())
		p := places[eid]
		if p == nil || p.layerID != "" && p.layerID != layerID {
			continue // the engine tells of an experiment in two layers
		}
		p.layerID, p.ranges = layerID, append(p.ranges, r)
		p.vids[r.GetVid()] = true
	}
}

// affected adds the experiments that have slots of a layer.
func (e *edit) affected(l *adminv1.Layer, places map[int32]*place) {
	for _, r := range l.GetRanges() {
		for _, s := range []*State{e.before, e.next} {
			if eid, ok := s.variants.get(r.GetVid()); ok && places[eid] == nil {
				places[eid] = &place{vids: map[int32]bool{}}
			}
		}
	}
}

// follow brings an experiment's state in line with its slots.
func (e *edit) follow(id ID, p *place) {
	was := e.next.Resource(id).Experiment()
	if was == nil {
		return
	}
	x := copyOf(was)
	running := p.layerID != ""
	if before := e.before.Experiment(x.GetEid()); !running && !e.exact[id] && len(x.GetHeld()) > 0 && x.GetLayerId() != before.GetLayerId() {
		e.problem(adminv1.ErrorReason_ERROR_REASON_INVALID_STATE, id, "layer_id",
			"can not become %q, as slots are held for it in layer %s: resume or conclude it first", x.GetLayerId(), before.GetLayerId())
	}
	switch state := x.GetState(); {
	case state == adminv1.ExperimentState_EXPERIMENT_STATE_CONCLUDED && running:
		if len(p.vids) > 1 || !p.vids[x.GetWinnerVid()] {
			e.problem(adminv1.ErrorReason_ERROR_REASON_INVALID_STATE, id, "",
				"is concluded, so that none but its winner%s can have slots, and layer %s gives it others",
				winner(x), p.layerID)
		}
	case state == adminv1.ExperimentState_EXPERIMENT_STATE_ARCHIVED && running:
		e.problem(adminv1.ErrorReason_ERROR_REASON_INVALID_STATE, id, "",
			"is archived and can have no slots, but layer %s gives it some", p.layerID)
	case running:
		x.State = adminv1.ExperimentState_EXPERIMENT_STATE_RUNNING
	case state == adminv1.ExperimentState_EXPERIMENT_STATE_UNSPECIFIED:
		x.State = adminv1.ExperimentState_EXPERIMENT_STATE_DRAFT
	case state == adminv1.ExperimentState_EXPERIMENT_STATE_RUNNING:
		x.State = adminv1.ExperimentState_EXPERIMENT_STATE_PAUSED
	}
	if running {
		x.LayerId, x.Held, x.Allocation = p.layerID, nil, nil
	}
	x.Allocation = slices.DeleteFunc(slices.Clone(x.GetAllocation()), func(a *adminv1.VariantSlots) bool { return !has(x, a.GetVid()) })
	x.Held = slices.DeleteFunc(slices.Clone(x.GetHeld()), func(r *configv1.Range) bool { return !has(x, r.GetVid()) })
	if x.GetWinnerVid() != 0 && !has(x, x.GetWinnerVid()) {
		e.problem(adminv1.ErrorReason_ERROR_REASON_STILL_REFERENCED, id, "variants",
			"lack the winner, %d: a concluded experiment keeps it", x.GetWinnerVid())
	}
	if _, changed := e.touched[id]; changed && !running && x.GetLayerId() != "" && awaits(x) && e.next.Layer(x.GetLayerId()) == nil {
		e.problem(adminv1.ErrorReason_ERROR_REASON_INVALID_VALUE, id, "layer_id", "there is no layer %s", x.GetLayerId())
	}
	switch {
	case !proto.Equal(x, was):
		e.store(id, x)
	case e.moved(x, p):
		e.touch(id)
	}
}

// moved reports whether an experiment that is not new has other slots than before.
func (e *edit) moved(x *adminv1.Experiment, p *place) bool {
	return e.before.Experiment(x.GetEid()) != nil &&
		!slices.EqualFunc(p.was, p.ranges, func(a, b *configv1.Range) bool { return proto.Equal(a, b) })
}

// touch makes a resource one of this revision, though its message is the same.
func (e *edit) touch(id ID) {
	r := *e.next.Resource(id)
	r.Updated = e.next.version
	e.put(&r)
}

// copyOf returns a copy of an experiment that shares what it is made of.
func copyOf(x *adminv1.Experiment) *adminv1.Experiment {
	c := &adminv1.Experiment{Eid: x.GetEid()}
	replace(c, nil, x, nil, storedExperimentFields)
	return c
}

func winner(x *adminv1.Experiment) string {
	if x.GetWinnerVid() == 0 {
		return ", of which there is none,"
	}
	return " " + strconv.Itoa(int(x.GetWinnerVid()))
}

// has reports whether an experiment has a variant.
func has(x *adminv1.Experiment, vid int32) bool {
	return slices.ContainsFunc(x.GetVariants(), func(v *configv1.Variant) bool { return v.GetVid() == vid })
}

// awaits reports whether an experiment without slots may get some again.
func awaits(x *adminv1.Experiment) bool {
	switch x.GetState() {
	case adminv1.ExperimentState_EXPERIMENT_STATE_CONCLUDED, adminv1.ExperimentState_EXPERIMENT_STATE_ARCHIVED:
		return false
	default:
		return true
	}
}

// checkReferences refuses to delete what something else refers to.
func (e *edit) checkReferences(changes []Change) {
	experiments := sync.OnceValue(e.experiments)
	for i := range changes {
		id := changes[i].Delete
		if id == (ID{}) || e.before.Resource(id) == nil || e.next.Resource(id) != nil {
			continue // it was refused already
		}
		switch id.Kind {
		case KindLayer:
			e.checkLayerReferences(id, experiments())
		case KindExperiment:
			e.checkExperimentReferences(id, changes[i].Exact)
		case KindField:
			if !changes[i].Exact { // what is restored did without
				e.checkFieldReferences(id, experiments())
			}
		}
	}
}

const referenced = adminv1.ErrorReason_ERROR_REASON_STILL_REFERENCED

func (e *edit) checkLayerReferences(id ID, experiments []*adminv1.Experiment) {
	for _, x := range experiments {
		if x.GetLayerId() == id.Key && awaits(x) {
			e.problem(referenced, id, "", "experiment %d lives in it: move, conclude or delete that first, or in the same change", x.GetEid())
		}
	}
}

func (e *edit) checkExperimentReferences(id ID, exact bool) {
	x := e.before.Resource(id).Experiment()
	switch {
	case slices.ContainsFunc(e.next.Layer(x.GetLayerId()).GetRanges(), func(r *configv1.Range) bool { return has(x, r.GetVid()) }):
		e.problem(referenced, id, "", "has slots in layer %s: conclude or archive it first, or take them away in the same change", x.GetLayerId())
	case len(x.GetHeld()) > 0 && !exact:
		e.problem(referenced, id, "", "has slots that are held for it in layer %s: conclude it first", x.GetLayerId())
	}
}

func (e *edit) checkFieldReferences(id ID, experiments []*adminv1.Experiment) {
	for _, x := range experiments {
		if UsesField(x.GetRule(), id.Key) {
			e.problem(referenced, id, "", "the rule of experiment %d uses it: change that first, or in the same change", x.GetEid())
		}
	}
}

// experiments returns all experiments of the result by eid.
func (e *edit) experiments() []*adminv1.Experiment {
	var all []*adminv1.Experiment
	for _, r := range e.next.all(KindExperiment) {
		all = append(all, r.experiment)
	}
	slices.SortFunc(all, func(a, b *adminv1.Experiment) int { return int(a.GetEid()) - int(b.GetEid()) })
	return all
}

// UsesField reports whether a rule, nil for none, compares a context field.
func UsesField(rule *configv1.Rule, name string) bool {
	return rule.GetField() == name && rule.GetField() != "" ||
		slices.ContainsFunc(rule.GetChildren(), func(child *configv1.Rule) bool { return UsesField(child, name) })
}

// checkHeld refuses to give slots away that are held for paused experiments.
func (e *edit) checkHeld() {
	layers := map[string]bool{}
	for id := range e.touched {
		switch id.Kind {
		case KindLayer:
			layers[id.Key] = true
		case KindExperiment:
			layers[e.next.Resource(id).Experiment().GetLayerId()] = true
		}
	}
	for _, layerID := range slices.Sorted(maps.Keys(layers)) {
		holding := e.next.Holding(layerID)
		if len(holding) == 0 {
			continue
		}
		var owners [engine.Slots]int32 // eids
		for _, r := range e.next.Layer(layerID).GetRanges() {
			eid, _ := e.next.variants.get(r.GetVid())
			for slot := max(0, r.GetStart()); slot < min(engine.Slots, r.GetEnd()); slot++ {
				owners[slot] = eid
			}
		}
		for _, x := range holding {
			e.checkOwners(x, &owners)
		}
	}
}

// checkOwners refuses what is in the way of one paused experiment, and notes
// what is held for it.
func (e *edit) checkOwners(x *adminv1.Experiment, owners *[engine.Slots]int32) {
	told := map[int32]bool{}
	for _, r := range x.GetHeld() {
		for slot := r.GetStart(); slot < r.GetEnd(); slot++ {
			if other := owners[slot]; other != 0 && !told[other] {
				told[other] = true
				e.problem(adminv1.ErrorReason_ERROR_REASON_SLOTS_HELD, LayerID(x.GetLayerId()), "ranges",
					"slot %d and maybe others are held for the paused experiment %d and can not be experiment %d's: resume or conclude experiment %d first",
					slot, x.GetEid(), other, x.GetEid())
			}
			owners[slot] = x.GetEid()
		}
	}
}
