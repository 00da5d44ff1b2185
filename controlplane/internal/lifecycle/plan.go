package lifecycle

import (
	"errors"
	"strconv"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"

	"github.com/strata-exp/strata/controlplane/internal/allocate"
	"github.com/strata-exp/strata/internal/rpc"
	"github.com/strata-exp/strata/sdk/go/engine"
)

// plan says how many slots each variant of an experiment shall have, in the
// order of the variants.
type plan []allocate.Target

func (p plan) total() int32 {
	total := int32(0)
	for _, t := range p {
		total += t.Slots
	}
	return total
}

// message returns the plan as it is stored: variants without slots are left out.
func (p plan) message() []*adminv1.VariantSlots {
	var all []*adminv1.VariantSlots
	for _, t := range p {
		if t.Slots > 0 {
			all = append(all, &adminv1.VariantSlots{Vid: t.VID, Slots: t.Slots})
		}
	}
	return all
}

// stored returns the plan that the experiment has.
func (s *subject) stored() plan {
	slots := map[int32]int32{}
	for _, v := range s.before.GetAllocation() {
		slots[v.GetVid()] = v.GetSlots()
	}
	return s.plan(slots)
}

func (s *subject) plan(slots map[int32]int32) plan {
	p := make(plan, 0, len(slots))
	for _, vid := range s.vids() {
		p = append(p, allocate.Target{VID: vid, Slots: slots[vid]})
	}
	return p
}

// asked returns the plan that an allocation in the request's field "allocation"
// asks for. The error names everything that is wrong with it.
func (s *subject) asked(a *adminv1.Allocation) (plan, error) {
	r := reading{subject: s, slots: map[int32]int32{}}
	switch kind := a.GetKind().(type) {
	case *adminv1.Allocation_Slots:
		r.readSlots(kind.Slots)
	case *adminv1.Allocation_Percent:
		r.readPercent(kind.Percent)
	case *adminv1.Allocation_Weights_:
		r.readWeights(kind.Weights)
	}
	if r.total > engine.Slots {
		r.fault("allocation", "adds to %d slots, a layer has %d", r.total, engine.Slots)
	}
	if len(r.violations) > 0 {
		return nil, misallocated(r.violations...)
	}
	return s.plan(r.slots), nil
}

// reading is an allocation that is being read.
type reading struct {
	subject    *subject
	slots      map[int32]int32
	total      int64
	violations []rpc.Violation
}

func (r *reading) fault(field, problem string, args ...any) {
	r.violations = append(r.violations, violation(field, problem, args...))
}

// give plans slots for a variant. item leads to where that is said.
func (r *reading) give(item string, vid, slots int32) {
	if _, ok := r.slots[vid]; ok {
		r.fault(item+".vid", "%d stands twice: name each variant once", vid)
	} else if !r.subject.has(vid) {
		r.fault(item+".vid", "%d is no variant of experiment %d", vid, r.subject.before.GetEid())
	}
	r.slots[vid] = slots
	r.total += int64(slots)
}

func (r *reading) readSlots(m *adminv1.Allocation_SlotsPerVariant) {
	for i, v := range m.GetVariants() {
		if v.GetSlots() < 0 || v.GetSlots() > engine.Slots {
			r.fault(item("slots", i)+".slots", "is %d, want 0 to %d", v.GetSlots(), engine.Slots)
		}
		r.give(item("slots", i), v.GetVid(), v.GetSlots())
	}
}

func (r *reading) readPercent(m *adminv1.Allocation_PercentPerVariant) {
	for i, v := range m.GetVariants() {
		slots, err := allocate.ByPercent(v.GetPercent())
		if fault, ok := errors.AsType[*allocate.InputError](err); ok {
			r.fault(item("percent", i)+".percent", "%s", fault.Problem)
		}
		r.give(item("percent", i), v.GetVid(), slots)
	}
}

func (r *reading) readWeights(m *adminv1.Allocation_Weights) {
	weights := make([]int32, len(m.GetVariants()))
	for i, v := range m.GetVariants() {
		weights[i] = v.GetWeight()
	}
	shares, err := allocate.ByWeight(m.GetTotalSlots(), weights)
	if fault, ok := errors.AsType[*allocate.InputError](err); ok {
		r.fault("allocation.weights", "%s: %s", fault.Field, fault.Problem)
		shares = make([]int32, len(weights))
	}
	for i, v := range m.GetVariants() {
		r.give(item("weights", i), v.GetVid(), shares[i])
	}
}

// item leads to a variant of an allocation.
func item(kind string, i int) string {
	return "allocation." + kind + ".variants[" + strconv.Itoa(i) + "]"
}
