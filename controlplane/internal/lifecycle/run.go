package lifecycle

import (
	"slices"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"

	"github.com/strata-exp/strata/controlplane/internal/revision"
	"github.com/strata-exp/strata/controlplane/internal/state"
)

// Start gives a DRAFT the slots of the request's allocation, or else of its own,
// in the layer that it names, or else in the request's.
//
// It refuses with INVALID_STATE, NOT_ENOUGH_SLOTS, INVALID_ALLOCATION,
// INVALID_VALUE for a layer that contradicts the experiment's, RESOURCE_NOT_FOUND
// and STALE_ETAG.
func Start(head revision.Head, r *adminv1.ExperimentServiceStartRequest) ([]state.Change, error) {
	s, err := find(head, r, "started", draft)
	if err != nil {
		return nil, err
	}
	p := s.stored()
	if r.GetAllocation() != nil {
		if p, err = s.asked(r.GetAllocation()); err != nil {
			return nil, err
		}
	}
	return s.run(r.GetLayerId(), p, r.GetIgnoreCooling())
}

// Pause takes a RUNNING experiment's slots out of the layer and holds them.
//
// It refuses with INVALID_STATE, RESOURCE_NOT_FOUND and STALE_ETAG.
func Pause(head revision.Head, r *adminv1.ExperimentServicePauseRequest) ([]state.Change, error) {
	s, err := find(head, r, "paused", running)
	if err != nil {
		return nil, err
	}
	l, err := s.layer("")
	if err != nil {
		return nil, err
	}
	own, others := s.split(l.GetRanges())
	s.next.State, s.next.Held, s.next.Allocation = paused, own, nil
	return s.changesWith(l.GetLayerId(), others), nil
}

// Resume puts the slots of a PAUSED experiment back that are held for it. Where
// none are, it gives it slots anew, by its allocation.
//
// It refuses with INVALID_STATE, RESOURCE_NOT_FOUND and STALE_ETAG; where no
// slots are held also with NOT_ENOUGH_SLOTS and INVALID_ALLOCATION.
func Resume(head revision.Head, r *adminv1.ExperimentServiceResumeRequest) ([]state.Change, error) {
	s, err := find(head, r, "resumed", paused)
	if err != nil {
		return nil, err
	}
	if len(s.before.GetHeld()) == 0 {
		return s.run("", s.stored(), r.GetIgnoreCooling())
	}
	l, err := s.layer("")
	if err != nil {
		return nil, err
	}
	s.next.State, s.next.Held, s.next.Allocation = running, nil, nil
	return s.changesWith(l.GetLayerId(), slices.Concat(l.GetRanges(), s.before.GetHeld())), nil
}

// run makes an experiment without slots RUNNING.
func (s *subject) run(layerID string, p plan, ignoreResting bool) ([]state.Change, error) {
	l, err := s.layer(layerID)
	if err != nil {
		return nil, err
	}
	if p.total() == 0 {
		return nil, misallocated(violation("allocation",
			"gives no slots: say how many each variant gets, here or before with SetAllocation"))
	}
	result, err := s.allocate(l, l.GetRanges(), p, ignoreResting)
	if err != nil {
		return nil, err
	}
	s.next.State, s.next.LayerId, s.next.Held, s.next.Allocation = running, l.GetLayerId(), nil, nil
	return s.changesWith(l.GetLayerId(), result.Ranges), nil
}
