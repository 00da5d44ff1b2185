package plan

import (
	"cmp"
	"slices"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
)

// variantChange is a variant that exists on both sides with other parameters.
type variantChange struct {
	service       string
	eid, vid      int32
	before, after *value
}

// parameters says which values the users of changed variants get in another way,
// and how many such values it leaves out.
func (p *planner) parameters() (changes []*adminv1.ParameterChange, omitted int32) {
	room := newAllowance()
	homes := map[string]map[int32]int32{} // slots by layer and variant
	for _, c := range p.variantChanges() {
		layerID := p.states[result].Experiment(c.eid).GetLayerId()
		if homes[layerID] == nil {
			homes[layerID] = slotsByVID(served(p.states[result].Layer(layerID)))
		}
		slots := homes[layerID][c.vid]
		compareParams(c.before, c.after, func(way *way, before, after string) {
			if room.admits(way.bytes) {
				changes = append(changes, &adminv1.ParameterChange{
					Service: c.service, Eid: c.eid, Vid: c.vid,
					Path: way.pointer(), Before: before, After: after, Slots: slots,
				})
			}
		})
	}
	return changes, room.omitted
}

// variantChanges returns the changed variants by service and vid.
func (p *planner) variantChanges() []variantChange {
	var all []variantChange
	for _, c := range p.experiments {
		if c.sides[base] == nil || c.sides[result] == nil {
			continue
		}
		before, after := p.reader.of(c.sides[base]), p.reader.of(c.sides[result])
		for i := range after.variants {
			y := &after.variants[i]
			if x := before.variant(y.vid); x != nil && x.text != y.text {
				all = append(all, variantChange{c.sides[result].GetService(), c.eid, y.vid, x.params(), y.params()})
			}
		}
	}
	slices.SortFunc(all, func(a, b variantChange) int {
		return cmp.Or(cmp.Compare(a.service, b.service), cmp.Compare(a.vid, b.vid))
	})
	return all
}
