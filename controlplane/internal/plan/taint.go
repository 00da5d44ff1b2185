package plan

import (
	"cmp"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
)

// taint is what happens to an experiment that was running.
type taint struct {
	eid     int32
	layerID string // that it lived in
	// slots is how many it had that served users, and lost how many of them leave
	// their variants.
	slots, lost                 int32
	rule, disabled, enabled     bool
	priority, rehashed, removed bool
	vids                        []int32 // of variants with such slots and changed parameters
}

// tainted warns of experiments that were running and go on in another way.
// Growth into free slots is none, and neither is an end: what is measured after
// that is not added to anything.
func (w *warner) tainted(moves []*adminv1.LayerMoves) {
	taints := map[int32]*taint{}
	w.taintByLayer(taints, moves)
	w.taintByExperiment(taints)
	for _, t := range taints {
		if reasons := t.reasons(); len(reasons) > 0 {
			w.warn(adminv1.WarningCode_WARNING_CODE_TAINTED_EXPERIMENT, t.layerID, t.eid,
				"Experiment %d was running, and %s: what is measured from now on can not be added to what was measured before. Start a new experiment, or look at the two times apart.",
				t.eid, strings.Join(reasons, "; "))
		}
	}
}

// taint returns the taint of an experiment, nil if it can have none.
func (w *warner) taint(taints map[int32]*taint, eid int32) *taint {
	if t := taints[eid]; t != nil {
		return t
	}
	x := w.states[base].Experiment(eid)
	switch w.states[result].Experiment(eid).GetState() {
	case adminv1.ExperimentState_EXPERIMENT_STATE_UNSPECIFIED, // there is none
		adminv1.ExperimentState_EXPERIMENT_STATE_CONCLUDED,
		adminv1.ExperimentState_EXPERIMENT_STATE_ARCHIVED:
		return nil
	}
	if x.GetState() != adminv1.ExperimentState_EXPERIMENT_STATE_RUNNING {
		return nil
	}
	t := &taint{eid: eid, layerID: x.GetLayerId()}
	served := w.served(t.layerID)
	for _, v := range x.GetVariants() {
		t.slots += served[v.GetVid()]
	}
	taints[eid] = t
	return t
}

// served returns how many slots variants had in a layer before.
func (w *warner) served(layerID string) map[int32]int32 {
	if w.slots[layerID] == nil {
		if w.slots == nil {
			w.slots = map[string]map[int32]int32{}
		}
		w.slots[layerID] = slotsByVID(served(w.states[base].Layer(layerID)))
	}
	return w.slots[layerID]
}

// taintByLayer notes what changed layers do to those who lived in them.
func (w *warner) taintByLayer(taints map[int32]*taint, moves []*adminv1.LayerMoves) {
	lost := map[string]*adminv1.LayerMoves{}
	for _, m := range moves {
		lost[m.GetLayerId()] = m
	}
	for _, c := range w.layers {
		a, b := c.sides[base], c.sides[result]
		var last *experiment
		for _, r := range a.GetRanges() {
			x := w.experimentOf(base, r.GetVid(), last)
			if x == nil || x == last {
				continue
			}
			last = x
			t := w.taint(taints, x.source.GetEid())
			if t == nil {
				continue
			}
			t.removed = b == nil
			t.disabled = b != nil && a.GetEnabled() && !b.GetEnabled()
			t.enabled = !a.GetEnabled() && b.GetEnabled()
			t.priority = a.GetEnabled() && b.GetEnabled() && a.GetPriority() != b.GetPriority()
			t.rehashed = lost[c.id].GetRehashed()
		}
		for _, m := range lost[c.id].GetMoves() {
			if m.GetFromVid() == 0 {
				continue
			}
			if last = w.experimentOf(base, m.GetFromVid(), last); last == nil {
				continue
			}
			if t := w.taint(taints, last.source.GetEid()); t != nil {
				t.lost += m.GetSlots()
			}
		}
	}
}

// taintByExperiment notes what changed in experiments themselves.
func (w *warner) taintByExperiment(taints map[int32]*taint) {
	for _, c := range w.experiments {
		a, b := c.sides[base], c.sides[result]
		t := w.taint(taints, c.eid)
		if t == nil {
			continue
		}
		t.rule = !proto.Equal(a.GetRule(), b.GetRule())
	}
	for _, v := range w.variantChanges() {
		t := w.taint(taints, v.eid)
		if t != nil && w.served(t.layerID)[v.vid] > 0 && !sameParams(v.before, v.after) {
			t.vids = append(t.vids, v.vid)
		}
	}
}

// sameParams reports whether parameters differ in the order of keys at most.
func sameParams(a, b *value) bool {
	same := true
	compareParams(a, b, func(*way, string, string) { same = false })
	return same
}

// reasons says what happens, for people.
func (t *taint) reasons() []string {
	var all []string
	add := func(is bool, text ...string) {
		if is {
			all = append(all, strings.Join(text, ""))
		}
	}
	slots := slotsText(t.slots)
	add(t.removed, "its layer is removed, which had ", slots, " for it")
	add(t.disabled, "its layer is disabled, which had ", slots, " for it")
	add(t.enabled, "its layer is enabled")
	add(t.rehashed, "everyone in its ", slots, " falls into another slot")
	add(t.priority, "the priority of its layer changes, so that others than before may hide its parameters from users in ", slots)
	add(t.lost > 0 && !t.removed && !t.disabled, "users in ", number(t.lost), " of its ", slots, " lose their variant")
	add(t.rule, "its rule changes for users in ", slots)
	slices.SortFunc(t.vids, cmp.Compare[int32])
	add(len(t.vids) == 1, "parameters of variant ", vidsText(t.vids), " change for users in ", slots)
	add(len(t.vids) > 1, "parameters of variants ", vidsText(t.vids), " change")
	return all
}

func vidsText(vids []int32) string {
	texts := make([]string, len(vids))
	for i, vid := range vids {
		texts[i] = number(vid)
	}
	return enumerate(texts)
}
