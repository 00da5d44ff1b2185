package plan

import (
	"cmp"
	"slices"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	"github.com/strata-exp/strata/sdk/go/engine"
)

// moves says who moves in each layer in which somebody does.
func (p *planner) moves() []*adminv1.LayerMoves {
	var all []*adminv1.LayerMoves
	for _, c := range p.layers {
		before, after := served(c.sides[base]), served(c.sides[result])
		if c.rehashed() {
			all = append(all, &adminv1.LayerMoves{LayerId: c.id, Rehashed: true})
			continue
		}
		if moves, unchanged := countMoves(before, after); len(moves) > 0 {
			all = append(all, &adminv1.LayerMoves{LayerId: c.id, Moves: moves, SlotsUnchanged: unchanged})
		}
	}
	return all
}

// served returns the ranges of a layer that users can fall into, in order. The
// layer may be nil.
func served(l *adminv1.Layer) []*configv1.Range {
	if !l.GetEnabled() {
		return nil
	}
	return inOrder(l.GetRanges())
}

func inOrder(ranges []*configv1.Range) []*configv1.Range {
	byStart := func(a, b *configv1.Range) int { return cmp.Compare(a.GetStart(), b.GetStart()) }
	if slices.IsSortedFunc(ranges, byStart) {
		return ranges
	}
	return slices.SortedFunc(slices.Values(ranges), byStart)
}

// rehashed reports whether users fall into other slots. If nobody had a variant
// before, or nobody has one after, that is all the same.
func (c *layerChange) rehashed() bool {
	return c.splitsAnew() && len(served(c.sides[base])) > 0 && len(served(c.sides[result])) > 0
}

// splitsAnew reports whether keys give other slots.
func (c *layerChange) splitsAnew() bool {
	a, b := c.sides[base], c.sides[result]
	return a.GetSalt() != b.GetSalt() || a.GetHashKey() != b.GetHashKey()
}

// countMoves counts the slots that go from one variant to another, by both, and
// those that do not. The ranges are in order.
func countMoves(before, after []*configv1.Range) (moves []*adminv1.Move, unchanged int32) {
	type pair struct{ from, to int32 }
	counts := map[pair]int32{}
	from, to := cursor{ranges: before}, cursor{ranges: after}
	for slot := int32(0); slot < engine.Slots; {
		a, untilA := from.at(slot)
		b, untilB := to.at(slot)
		until := min(untilA, untilB)
		if a == b {
			unchanged += until - slot
		} else {
			counts[pair{a, b}] += until - slot
		}
		slot = until
	}
	for p, slots := range counts {
		moves = append(moves, &adminv1.Move{FromVid: p.from, ToVid: p.to, Slots: slots})
	}
	slices.SortFunc(moves, func(a, b *adminv1.Move) int {
		return cmp.Or(cmp.Compare(a.GetFromVid(), b.GetFromVid()), cmp.Compare(a.GetToVid(), b.GetToVid()))
	})
	return moves, unchanged
}

// cursor walks over ranges that are in order.
type cursor struct {
	ranges []*configv1.Range
}

// at returns the variant of a slot, 0 for none, and the slot at which that ends.
// Slots are asked for in order.
func (c *cursor) at(slot int32) (vid, until int32) {
	for len(c.ranges) > 0 && c.ranges[0].GetEnd() <= slot {
		c.ranges = c.ranges[1:]
	}
	switch {
	case len(c.ranges) == 0:
		return 0, engine.Slots
	case slot < c.ranges[0].GetStart():
		return 0, c.ranges[0].GetStart()
	default:
		return c.ranges[0].GetVid(), c.ranges[0].GetEnd()
	}
}

// holding is how many slots a variant has.
type holding struct{ vid, slots int32 }

// holdings counts slots by variant, in the order in which variants come first.
func holdings(ranges []*configv1.Range) []holding {
	const few = 8 // up to here searching is cheaper than making a map
	var all []holding
	var index map[int32]int
	for _, r := range ranges {
		i, ok := index[r.GetVid()]
		if index == nil {
			i = slices.IndexFunc(all, func(h holding) bool { return h.vid == r.GetVid() })
			ok = i >= 0
		}
		if !ok {
			if i = len(all); i == few {
				index = make(map[int32]int, len(ranges))
				for j, h := range all {
					index[h.vid] = j
				}
			}
			if index != nil {
				index[r.GetVid()] = i
			}
			all = append(all, holding{vid: r.GetVid()})
		}
		all[i].slots += r.GetEnd() - r.GetStart()
	}
	return all
}

// slotsByVID counts slots by variant.
func slotsByVID(ranges []*configv1.Range) map[int32]int32 {
	slots := map[int32]int32{}
	for _, h := range holdings(ranges) {
		slots[h.vid] = h.slots
	}
	return slots
}
