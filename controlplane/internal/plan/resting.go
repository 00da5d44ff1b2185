package plan

import (
	"cmp"
	"maps"
	"slices"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	"github.com/strata-exp/strata/sdk/go/engine"
)

// restingSlots warns of slots that were free and go to an experiment while they
// rest after another one. That a layer is not enabled does not count: it may be
// any time.
func (w *warner) restingSlots(resting func(layerID string) []Rest) {
	for _, c := range w.layers {
		if c.sides[base] == nil || c.sides[result] == nil || c.splitsAnew() {
			continue // its slots have no history
		}
		given := w.given(inOrder(c.sides[base].GetRanges()), inOrder(c.sides[result].GetRanges()))
		if len(given) == 0 {
			continue
		}
		type takeover struct{ from, to int32 }
		slots := map[takeover]int32{}
		for _, rest := range resting(c.id) {
			first, _ := slices.BinarySearchFunc(given, rest.Start, func(g gift, slot int32) int { return cmp.Compare(g.end, slot+1) })
			for _, g := range given[first:] {
				if g.start >= rest.End {
					break
				}
				if rest.EID != g.eid {
					slots[takeover{rest.EID, g.eid}] += min(rest.End, g.end) - max(rest.Start, g.start)
				}
			}
		}
		takeovers := slices.SortedFunc(maps.Keys(slots), func(a, b takeover) int {
			return cmp.Or(cmp.Compare(a.to, b.to), cmp.Compare(a.from, b.from))
		})
		for _, t := range takeovers {
			from := "another experiment"
			if t.from != 0 {
				from = "experiment " + number(t.from)
			}
			w.warn(adminv1.WarningCode_WARNING_CODE_RESTING_SLOTS, c.id, t.to,
				"Experiment %d gets %s of layer %s while they rest after %s: their users carry what they have seen. Take other slots, or wait.",
				t.to, slotsText(slots[t]), c.id, from)
		}
	}
}

// gift is slots that were free and go to an experiment.
type gift struct{ start, end, eid int32 }

// given returns the slots that go to experiments and were free, in order. The
// ranges are in order.
func (w *warner) given(before, after []*configv1.Range) []gift {
	var all []gift
	var last *experiment
	from, to := cursor{ranges: before}, cursor{ranges: after}
	for slot := int32(0); slot < engine.Slots; {
		a, untilA := from.at(slot)
		b, untilB := to.at(slot)
		until := min(untilA, untilB)
		if a == 0 && b != 0 {
			if last = w.experimentOf(result, b, last); last != nil {
				all = append(all, gift{slot, until, last.source.GetEid()})
			}
		}
		slot = until
	}
	return all
}

func slotsText(slots int32) string {
	if slots == 1 {
		return "1 slot"
	}
	return number(slots) + " slots"
}
