package lifecycle

import (
	"slices"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"

	"github.com/strata-exp/strata/controlplane/internal/revision"
	"github.com/strata-exp/strata/controlplane/internal/state"
)

// Conclude ends a RUNNING or PAUSED experiment. A winner gets all slots that the
// experiment has or that are held for it; without one they are freed.
//
// It refuses with INVALID_STATE, UNKNOWN_VARIANT, RESOURCE_NOT_FOUND and
// STALE_ETAG.
func Conclude(head revision.Head, r *adminv1.ExperimentServiceConcludeRequest) ([]state.Change, error) {
	s, err := find(head, r, "concluded", running, paused)
	if err != nil {
		return nil, err
	}
	winner := r.GetWinnerVid()
	if winner != 0 && !s.has(winner) {
		return nil, unknownWinner(s.before.GetEid(), winner)
	}
	s.next.State, s.next.WinnerVid = concluded, winner
	return s.end(winner), nil
}

// Archive puts a DRAFT or a CONCLUDED experiment away, and frees the slots that
// its winner has.
//
// It refuses with INVALID_STATE, RESOURCE_NOT_FOUND and STALE_ETAG.
func Archive(head revision.Head, r *adminv1.ExperimentServiceArchiveRequest) ([]state.Change, error) {
	s, err := find(head, r, "archived", draft, concluded)
	if err != nil {
		return nil, err
	}
	s.next.State = archived
	return s.end(0), nil
}

// end takes all slots of the experiment, held ones too, and gives them to an
// heir, or to nobody if that is 0.
func (s *subject) end(heir int32) []state.Change {
	held := s.before.GetHeld()
	s.next.Held, s.next.Allocation = nil, nil
	l := s.head.Layer(s.before.GetLayerId()) // nil for one that never had slots, or lost them with its layer
	own, ranges := s.split(l.GetRanges())
	if heir != 0 {
		for _, r := range slices.Concat(own, held) {
			ranges = append(ranges, &configv1.Range{Start: r.GetStart(), End: r.GetEnd(), Vid: heir})
		}
	}
	if len(own) == 0 && (len(held) == 0 || heir == 0) {
		return s.changes()
	}
	return s.changesWith(l.GetLayerId(), ranges)
}
