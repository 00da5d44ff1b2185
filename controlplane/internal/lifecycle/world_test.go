package lifecycle_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"

	"github.com/strata-exp/strata/controlplane/internal/revision"
	"github.com/strata-exp/strata/controlplane/internal/state"
	"github.com/strata-exp/strata/sdk/go/engine"
)

// The states, without their long names.
const (
	draft     = adminv1.ExperimentState_EXPERIMENT_STATE_DRAFT
	running   = adminv1.ExperimentState_EXPERIMENT_STATE_RUNNING
	paused    = adminv1.ExperimentState_EXPERIMENT_STATE_PAUSED
	concluded = adminv1.ExperimentState_EXPERIMENT_STATE_CONCLUDED
	archived  = adminv1.ExperimentState_EXPERIMENT_STATE_ARCHIVED
)

const cooling = time.Hour

// world is an environment with a clock, and with what rests in it.
type world struct {
	tb    testing.TB
	state *state.State
	now   time.Time
	rests map[string]*[engine.Slots]rest
}

// rest is what a slot rests after: nothing if its eid is 0.
type rest struct {
	eid, vid int32
	until    time.Time
}

// newWorld returns a world of empty layers and of DRAFTs in them: experiment
// 1, 2 and so on have one, two and three variants in turn, of which variant 1 of
// experiment 3 is 31.
func newWorld(tb testing.TB, experiments int32, layers ...string) *world {
	tb.Helper()
	w := &world{
		tb: tb, now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), rests: map[string]*[engine.Slots]rest{},
		state: state.Empty(state.Version{Revision: 1}),
	}
	var changes []state.Change
	for _, id := range layers {
		w.rests[id] = new([engine.Slots]rest)
		changes = append(changes, state.Change{Layer: &adminv1.Layer{LayerId: id, Version: "v1", HashKey: "user_id"}})
	}
	for eid := range experiments {
		x := &adminv1.Experiment{Eid: eid + 1, Service: "svc", LayerId: layers[int(eid)%len(layers)]}
		for i := range 1 + eid%3 {
			x.Variants = append(x.Variants, &configv1.Variant{Vid: 10*(eid+1) + i + 1, ParamsJson: "{}"})
		}
		changes = append(changes, state.Change{Experiment: x})
	}
	w.apply(changes)
	return w
}

func (w *world) head() revision.Head {
	return revision.Head{State: w.state, Now: w.now, Resting: func(layerID string) ([]revision.Rest, error) {
		var all []revision.Rest
		for slot, r := range w.rests[layerID] {
			if r.eid != 0 {
				all = append(all, revision.Rest{Start: int32(slot), End: int32(slot) + 1, EID: r.eid, VID: r.vid, Until: r.until})
			}
		}
		return all, nil
	}}
}

// apply makes changes, which must be possible, and lets an hour's part pass.
func (w *world) apply(changes []state.Change) {
	w.tb.Helper()
	before := w.state
	result, err := w.state.Apply(state.Version{Revision: w.state.Revision() + 1, Time: w.now}, changes)
	if err != nil {
		w.tb.Fatalf("the changes can not be made: %v", err)
	}
	w.state = result.State
	for layerID, rests := range w.rests {
		was, is := ownersOf(before, layerID), ownersOf(w.state, layerID)
		for slot := range rests {
			switch {
			case is[slot].vid != 0:
				rests[slot] = rest{}
			case was[slot].vid != 0:
				rests[slot] = rest{was[slot].eid, was[slot].vid, w.now.Add(cooling)}
			}
		}
	}
	w.now = w.now.Add(cooling / 10)
}

// owner is who has a slot, or for whom it is held.
type owner struct {
	eid, vid int32
	held     bool
}

// ownersOf finds the owners of all slots of a layer, one by one.
func ownersOf(s *state.State, layerID string) *[engine.Slots]owner {
	all := new([engine.Slots]owner)
	for _, r := range s.Layer(layerID).GetRanges() {
		for slot := r.GetStart(); slot < r.GetEnd(); slot++ {
			all[slot] = owner{eid: s.ExperimentOf(r.GetVid()).GetEid(), vid: r.GetVid()}
		}
	}
	for _, resource := range s.Experiments() {
		x := resource.Experiment()
		if x.GetLayerId() != layerID {
			continue
		}
		for _, r := range x.GetHeld() {
			for slot := r.GetStart(); slot < r.GetEnd(); slot++ {
				all[slot] = owner{eid: x.GetEid(), vid: r.GetVid(), held: true}
			}
		}
	}
	return all
}

// counts returns how many slots each variant of an experiment has, or has held.
func counts(owners *[engine.Slots]owner, eid int32) map[int32]int32 {
	n := map[int32]int32{}
	for _, o := range owners {
		if o.eid == eid {
			n[o.vid]++
		}
	}
	return n
}

// slots is an allocation of numbers of slots: vid, slots, vid, slots and so on.
func slots(pairs ...int32) *adminv1.Allocation {
	m := &adminv1.Allocation_SlotsPerVariant{}
	for i := 0; i < len(pairs); i += 2 {
		m.Variants = append(m.Variants, &adminv1.VariantSlots{Vid: pairs[i], Slots: pairs[i+1]})
	}
	return &adminv1.Allocation{Kind: &adminv1.Allocation_Slots{Slots: m}}
}

// ranges spells out ranges, such as "0-10:11 10-20:12".
func ranges(all []*configv1.Range) string {
	parts := make([]string, len(all))
	for i, r := range all {
		parts[i] = fmt.Sprintf("%d-%d:%d", r.GetStart(), r.GetEnd(), r.GetVid())
	}
	return strings.Join(parts, " ")
}
