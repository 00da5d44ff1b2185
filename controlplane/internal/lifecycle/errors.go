package lifecycle

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"

	"github.com/strata-exp/strata/controlplane/internal/allocate"
	"github.com/strata-exp/strata/controlplane/internal/state"
	"github.com/strata-exp/strata/internal/rpc"
)

func violation(field, problem string, args ...any) rpc.Violation {
	return rpc.Violation{Field: field, Problem: fmt.Sprintf(problem, args...)}
}

// refuse makes a refusal of values of the request.
func refuse(reason adminv1.ErrorReason, violations ...rpc.Violation) *rpc.Refusal {
	for i := range violations {
		violations[i].Reason = reason
	}
	return &rpc.Refusal{Reason: reason, Problem: (&rpc.Invalid{Violations: violations}).Error(), Violations: violations}
}

func misallocated(violations ...rpc.Violation) error {
	return refuse(adminv1.ErrorReason_ERROR_REASON_INVALID_ALLOCATION, violations...)
}

func wrongLayer(problem string, args ...any) error {
	return refuse(adminv1.ErrorReason_ERROR_REASON_INVALID_VALUE, violation("layer_id", problem, args...))
}

func unknownWinner(eid, vid int32) error {
	return refuse(adminv1.ErrorReason_ERROR_REASON_UNKNOWN_VARIANT, violation("winner_vid", "%d is no variant of experiment %d", vid, eid))
}

func stale(r *state.Resource, etag string) error {
	refusal := refuse(adminv1.ErrorReason_ERROR_REASON_STALE_ETAG, violation("etag",
		"is %q, but %s was changed by revision %d: read it again and retry", etag, r.ID, r.Updated.Revision))
	refusal.Metadata = map[string]string{"etag": r.Etag()}
	return refusal
}

func wrongState(x *adminv1.Experiment, done string, states []adminv1.ExperimentState) error {
	names := make([]string, len(states))
	for i, s := range states {
		names[i] = stateName(s)
	}
	return invalidState(x, "only one that is %s can be %s", strings.Join(names, " or "), done)
}

func withoutWinner(x *adminv1.Experiment) error {
	return invalidState(x, "as it has no winner it can have no slots: only one that is DRAFT, RUNNING or PAUSED, or has a winner, can be given some")
}

func invalidState(x *adminv1.Experiment, why string, args ...any) error {
	return &rpc.Refusal{
		Reason:   adminv1.ErrorReason_ERROR_REASON_INVALID_STATE,
		Problem:  fmt.Sprintf("experiment %d is %s, and ", x.GetEid(), stateName(x.GetState())) + fmt.Sprintf(why, args...),
		Metadata: map[string]string{"state": x.GetState().String()},
	}
}

func stateName(s adminv1.ExperimentState) string {
	return strings.TrimPrefix(s.String(), "EXPERIMENT_STATE_")
}

// notAllocated makes a refusal of what the allocator says. Anything but a
// shortage was checked before.
func notAllocated(layerID string, err error) error {
	s, ok := errors.AsType[*allocate.Shortage](err)
	if !ok {
		return fmt.Errorf("layer %s: %w", layerID, err)
	}
	refusal := rpc.Refusef(adminv1.ErrorReason_ERROR_REASON_NOT_ENOUGH_SLOTS, "layer %s has not enough free slots: %v", layerID, s)
	if s.Resting > 0 {
		refusal.Problem += ". To take slots that rest, set ignore_cooling"
	}
	refusal.Metadata = map[string]string{"layer_id": layerID}
	for name, slots := range map[string]int32{"wanted": s.Wanted, "free": s.Free, "resting": s.Resting, "held": s.Held} {
		refusal.Metadata[name] = strconv.Itoa(int(slots))
	}
	for name, t := range map[string]time.Time{"next_free": s.NextFree, "enough_free": s.EnoughFree} {
		if !t.IsZero() {
			refusal.Metadata[name] = t.UTC().Format(time.RFC3339Nano)
		}
	}
	return refusal
}
