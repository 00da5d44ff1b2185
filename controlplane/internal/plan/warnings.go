package plan

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/strata-exp/strata/controlplane/internal/state"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
)

// warnings returns what is allowed but seldom meant, by code, layer and
// experiment, and how many it leaves out.
func (p *planner) warnings(o Options, moves []*adminv1.LayerMoves, m *meetings) (all []*adminv1.Warning, omitted int32) {
	w := warner{planner: p}
	w.duplicateSalts()
	w.tainted(moves)
	w.undeclaredFields()
	if o.Resting != nil {
		w.restingSlots(o.Resting)
	}
	w.rehashed(moves)
	w.hidden(m)
	slices.SortStableFunc(w.all, func(a, b *adminv1.Warning) int {
		return cmp.Or(
			cmp.Compare(a.GetCode(), b.GetCode()), cmp.Compare(a.GetLayerId(), b.GetLayerId()), cmp.Compare(a.GetEid(), b.GetEid()),
		)
	})
	kept := min(len(w.all), maxEntries)
	return w.all[:kept], int32(len(w.all) - kept)
}

// warner collects the warnings of a plan.
type warner struct {
	*planner
	all []*adminv1.Warning
	// slots is how many variants had before, by layer, where that was asked for.
	slots map[string]map[int32]int32
}

func (w *warner) warn(code adminv1.WarningCode, layerID string, eid int32, text string, args ...any) {
	w.all = append(w.all, &adminv1.Warning{Code: code, LayerId: layerID, Eid: eid, Message: fmt.Sprintf(text, args...)})
}

// duplicateSalts warns of splits that a changed layer shares: once for each.
func (w *warner) duplicateSalts() {
	changed := map[split][]string{} // ids of layers
	for _, c := range w.layers {
		if l := c.sides[result]; l.GetEnabled() {
			key := split{l.GetSalt(), l.GetHashKey()}
			changed[key] = append(changed[key], c.id)
		}
	}
	if len(changed) == 0 {
		return
	}
	// The list of the state before is more likely to be at hand: it has served
	// other calls.
	others := map[split][]string{}
	for _, r := range w.states[base].Layers() {
		l := r.Layer()
		key := split{l.GetSalt(), l.GetHashKey()}
		if _, ok := changed[key]; ok && l.GetEnabled() && !w.changedLayers[r.ID.Key] {
			others[key] = append(others[key], r.ID.Key)
		}
	}
	for key, ids := range changed {
		all := slices.Concat(ids, others[key])
		if len(all) < 2 {
			continue
		}
		slices.Sort(all)
		w.warn(adminv1.WarningCode_WARNING_CODE_DUPLICATE_SALT, ids[0], 0,
			"Layers %s split users by %s with the same salt, %s: their experiments are not independent. Give each a salt of its own, before it serves anyone.",
			enumerate(all), key.hashKey, strconv.Quote(key.salt))
	}
}

// undeclaredFields warns of rules of changed experiments with fields that are
// not declared, and of all rules with fields that are not any more.
func (w *warner) undeclaredFields() {
	deleted := map[string]bool{}
	touched := map[int32]bool{}
	for _, t := range w.touched {
		switch {
		case t.After.Experiment() != nil:
			touched[eidOf(t)] = true
			w.undeclared(t.After.Experiment(), nil)
		case t.ID.Kind == state.KindField && t.After == nil:
			deleted[t.ID.Key] = true
		}
	}
	if len(deleted) == 0 {
		return
	}
	for _, r := range w.states[result].Experiments() {
		if !touched[r.Experiment().GetEid()] {
			w.undeclared(r.Experiment(), deleted)
		}
	}
}

// undeclared warns of a rule with fields that are not declared, if only is not
// nil of these.
func (w *warner) undeclared(x *adminv1.Experiment, only map[string]bool) {
	names := map[string]bool{}
	fieldsOf(x.GetRule(), names)
	maps.DeleteFunc(names, func(name string, _ bool) bool {
		return only != nil && !only[name] || w.states[result].Resource(state.FieldID(name)) != nil
	})
	if len(names) > 0 {
		w.warn(adminv1.WarningCode_WARNING_CODE_UNDECLARED_FIELD, "", x.GetEid(),
			"The rule of experiment %d uses %s, which %s not declared: a slip in a name or type goes unseen. Declare what it uses.",
			x.GetEid(), enumerate(slices.Sorted(maps.Keys(names))), isOrAre(len(names)))
	}
}

func (w *warner) rehashed(moves []*adminv1.LayerMoves) {
	for _, m := range moves {
		if m.GetRehashed() {
			w.warn(adminv1.WarningCode_WARNING_CODE_REHASHED_LAYER, m.GetLayerId(), 0,
				"The salt or the hash key of layer %s changes, so that everyone in it falls into another slot. Make a new layer instead, unless that is what you want.",
				m.GetLayerId())
		}
	}
}

func (w *warner) hidden(m *meetings) {
	for _, x := range m.grown {
		share := "from " + percent(x.share)
		if x.atMost {
			share = "from up to " + percent(x.share)
		}
		w.warn(adminv1.WarningCode_WARNING_CODE_HIDDEN_PARAMETER, x.layer.id, x.subject.eid,
			"%s hides %s of experiment %d %s of the users who would get it, which dilutes its effects. Let them set different parameters, or live in one layer.",
			capital(layersText(names(x.by))), clip(x.node.pointer()), x.subject.eid, share)
	}
}

func layersText(ids []string) string {
	if len(ids) == 1 {
		return "layer " + ids[0]
	}
	return "one of the layers " + enumerate(ids)
}

func capital(text string) string { return strings.ToUpper(text[:1]) + text[1:] }

func isOrAre(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

// enumerate lists names for people, the first few of them.
func enumerate(names []string) string {
	const most = 5
	if len(names) > most {
		return strings.Join(names[:most], ", ") + " and " + strconv.Itoa(len(names)-most) + " more"
	}
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " and " + names[last]
}

// percent says a share for people: to the hundredth, but some is never none and
// never all.
func percent(share float64) string {
	text := strconv.FormatFloat(100*share, 'f', 2, 64)
	switch {
	case text == "0.00":
		return "less than 0.01 %"
	case text == "100.00" && share < 1:
		return "more than 99.99 %"
	}
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".") + " %"
}

// clip shortens a path for people.
func clip(path string) string {
	const most = 120
	if len(path) <= most {
		return path
	}
	return strings.ToValidUTF8(path[:most], "") + "..."
}
