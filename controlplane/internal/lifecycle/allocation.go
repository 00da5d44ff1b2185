package lifecycle

import (
	"slices"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"

	"github.com/strata-exp/strata/controlplane/internal/revision"
	"github.com/strata-exp/strata/controlplane/internal/state"
)

// SetAllocation says how many slots each variant gets: at once of a RUNNING
// experiment, or of a CONCLUDED one that has a winner, which alone can have some;
// with its start of a DRAFT; with its resumption of a PAUSED one, for which the
// slots are held from now on if any were held before.
//
// It refuses with INVALID_STATE, NOT_ENOUGH_SLOTS, INVALID_ALLOCATION,
// RESOURCE_NOT_FOUND and STALE_ETAG.
func SetAllocation(head revision.Head, r *adminv1.ExperimentServiceSetAllocationRequest) ([]state.Change, error) {
	s, err := find(head, r, "given slots", draft, running, paused, concluded)
	if err != nil {
		return nil, err
	}
	p, err := s.asked(r.GetAllocation())
	if err != nil {
		return nil, err
	}
	switch {
	case s.before.GetState() == running:
		return s.resize(p, r.GetIgnoreCooling())
	case s.before.GetState() == concluded:
		return s.resizeWinner(p, r.GetIgnoreCooling())
	case len(s.before.GetHeld()) > 0:
		return s.hold(p, r.GetIgnoreCooling())
	default:
		s.next.Allocation = p.message()
		return s.changes(), nil
	}
}

// resize changes the slots that a RUNNING experiment has.
func (s *subject) resize(p plan, ignoreResting bool) ([]state.Change, error) {
	if p.total() == 0 {
		return nil, misallocated(violation("allocation", "takes all slots of a RUNNING experiment: pause or conclude it instead"))
	}
	return s.reallocate(p, ignoreResting)
}

// resizeWinner changes the slots that the winner of a CONCLUDED experiment has.
func (s *subject) resizeWinner(p plan, ignoreResting bool) ([]state.Change, error) {
	winner := s.before.GetWinnerVid()
	if winner == 0 {
		return nil, withoutWinner(s.before)
	}
	for _, t := range p {
		if t.Slots > 0 && t.VID != winner {
			return nil, misallocated(violation("allocation", "gives variant %d slots, but experiment %d is CONCLUDED, and only its winner %d can have some",
				t.VID, s.before.GetEid(), winner))
		}
	}
	return s.reallocate(p, ignoreResting)
}

// reallocate changes the slots that the experiment has in its layer.
func (s *subject) reallocate(p plan, ignoreResting bool) ([]state.Change, error) {
	l, err := s.layer("")
	if err != nil {
		return nil, err
	}
	result, err := s.allocate(l, l.GetRanges(), p, ignoreResting)
	if err != nil || len(result.Moves) == 0 {
		return nil, err
	}
	return s.changesWith(l.GetLayerId(), result.Ranges), nil
}

// hold changes the slots that are held for a PAUSED experiment.
func (s *subject) hold(p plan, ignoreResting bool) ([]state.Change, error) {
	l, err := s.layer("")
	if err != nil {
		return nil, err
	}
	result, err := s.allocate(l, slices.Concat(l.GetRanges(), s.before.GetHeld()), p, ignoreResting)
	if err != nil || len(result.Moves) == 0 {
		return nil, err
	}
	var held []*configv1.Range
	held, _ = s.split(result.Ranges)
	s.next.Held = held
	return s.changes(), nil
}
