package api

import (
	"cmp"
	"context"
	"slices"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/strata-exp/strata/controlplane/internal/revision"
	"github.com/strata-exp/strata/controlplane/internal/state"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/sdk/go/engine"
)

// rests is where it is known which slots rest now.
type rests interface {
	// Resting returns the slots of a layer that rest, by start.
	Resting(ctx context.Context, environment, layerID string) ([]revision.Rest, error)
	// RestingSlots returns how many slots of each layer rest.
	RestingSlots(ctx context.Context, environment string) (map[string]int32, error)
}

// usageOf says how many slots of a layer are used for what. resting is how many
// rest of those that are neither given nor held.
func usageOf(s *state.State, layerID string, resting int32) *adminv1.SlotUsage {
	u := &adminv1.SlotUsage{}
	for _, r := range s.Layer(layerID).GetRanges() {
		u.Allocated += r.GetEnd() - r.GetStart()
	}
	for _, x := range s.Holding(layerID) {
		for _, r := range x.GetHeld() {
			u.Held += r.GetEnd() - r.GetStart()
		}
	}
	// What rests is known of now alone: in an older revision it may have been
	// somebody's.
	u.Resting = min(resting, engine.Slots-u.Allocated-u.Held)
	u.Free = engine.Slots - u.Allocated - u.Held - u.Resting
	return u
}

// usageInDetail says the same, and which slots are held or rest.
func usageInDetail(s *state.State, layerID string, resting []revision.Rest) *adminv1.SlotUsage {
	var taken [engine.Slots]bool
	for _, r := range s.Layer(layerID).GetRanges() {
		take(&taken, r.GetStart(), r.GetEnd())
	}
	var reserved []*adminv1.ReservedSlots
	for _, x := range s.Holding(layerID) {
		for _, r := range x.GetHeld() {
			take(&taken, r.GetStart(), r.GetEnd())
			reserved = append(reserved, &adminv1.ReservedSlots{Start: r.GetStart(), End: r.GetEnd(), Eid: x.GetEid(), Vid: r.GetVid()})
		}
	}
	rests := int32(0)
	for _, r := range resting {
		for _, free := range gaps(&taken, r.Start, r.End) {
			rests += free.end - free.start
			reserved = append(reserved, &adminv1.ReservedSlots{
				Start: free.start, End: free.end, Eid: r.EID, Vid: r.VID, Until: timestamppb.New(r.Until),
			})
		}
		take(&taken, r.Start, r.End)
	}
	u := usageOf(s, layerID, rests)
	u.Reserved = reserved
	slices.SortFunc(u.Reserved, func(a, b *adminv1.ReservedSlots) int { return cmp.Compare(a.GetStart(), b.GetStart()) })
	return u
}

func take(taken *[engine.Slots]bool, start, end int32) {
	for slot := start; slot < end; slot++ {
		taken[slot] = true
	}
}

type interval struct{ start, end int32 }

// gaps returns the parts of an interval that are not taken.
func gaps(taken *[engine.Slots]bool, start, end int32) []interval {
	var free []interval
	for slot := start; slot < end; slot++ {
		switch last := len(free) - 1; {
		case taken[slot]:
		case last >= 0 && free[last].end == slot:
			free[last].end++
		default:
			free = append(free, interval{slot, slot + 1})
		}
	}
	return free
}
