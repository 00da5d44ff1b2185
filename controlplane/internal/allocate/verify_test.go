package allocate_test

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/strata-exp/strata/controlplane/internal/allocate"
	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	"github.com/strata-exp/strata/sdk/go/engine"
)

// perSlot is something about each slot of a layer.
type perSlot[T any] [engine.Slots]T

func paint(ranges []*configv1.Range) *perSlot[int32] {
	var vids perSlot[int32]
	for _, r := range ranges {
		for slot := r.GetStart(); slot < r.GetEnd(); slot++ {
			vids[slot] = r.GetVid()
		}
	}
	return &vids
}

// count returns how many slots each variant has.
func count(vids *perSlot[int32]) map[int32]int32 {
	counts := map[int32]int32{}
	start := 0
	for slot := range vids {
		if slot+1 == len(vids) || vids[slot+1] != vids[slot] {
			counts[vids[slot]] += int32(slot + 1 - start)
			start = slot + 1
		}
	}
	return counts
}

func paintHeld(held []allocate.Held) *perSlot[bool] {
	var slots perSlot[bool]
	for _, h := range held {
		for slot := h.Start; slot < h.End; slot++ {
			slots[slot] = true
		}
	}
	return &slots
}

// verify looks at each slot to see whether a result is what the package
// promises. It shares no code with it, and does not say which slots are to be
// taken, only which are not.
func verify(request *allocate.Request, result *allocate.Result) error {
	before, after := paint(request.Ranges), paint(result.Ranges)
	rests := paintRests(request)
	return errors.Join(
		verifyCanonical(result.Ranges),
		verifyCounts(request, before, after),
		verifyOthers(request, before, after, rests),
		verifyOrder(request, before, after, rests),
		verifyMoves(result, before, after),
		verifyResting(result, after, rests),
	)
}

func verifyCanonical(ranges []*configv1.Range) error {
	end, vid := int32(0), int32(0)
	for _, r := range ranges {
		if r.GetStart() < end || r.GetEnd() <= r.GetStart() || r.GetEnd() > engine.Slots || r.GetVid() < 1 {
			return fmt.Errorf("range %v follows slot %d", r, end)
		}
		if r.GetStart() == end && r.GetVid() == vid {
			return fmt.Errorf("range %v is not joined with the one before", r)
		}
		end, vid = r.GetEnd(), r.GetVid()
	}
	return nil
}

// verifyCounts checks that the targets are met, and that no more slots leave
// their variant or the experiment than must.
func verifyCounts(request *allocate.Request, before, after *perSlot[int32]) error {
	least, growth := int32(0), int32(0)
	have, got := count(before), count(after)
	for _, vid := range request.VIDs {
		had := have[vid]
		want := had
		for _, t := range request.Targets {
			if t.VID == vid {
				want = t.Slots
			}
		}
		if got[vid] != want {
			return fmt.Errorf("variant %d has %d slots, want %d", vid, got[vid], want)
		}
		least += max(0, had-want)
		growth += want - had
	}
	left, entered, freed := int32(0), int32(0), int32(0)
	for slot := range before {
		from, to := before[slot], after[slot]
		switch {
		case from == to:
		case from == 0:
			entered++
		case to == 0:
			freed++
			left++
		default:
			left++
		}
	}
	if left != least || entered != max(0, growth) || freed != max(0, -growth) {
		return fmt.Errorf("%d slots left their variant, %d entered and %d were freed; want %d, %d and %d",
			left, entered, freed, least, max(0, growth), max(0, -growth))
	}
	return nil
}

// verifyOthers checks that no slot changed that the experiment has no right to.
func verifyOthers(request *allocate.Request, before, after *perSlot[int32], rests *perSlot[*allocate.Resting]) error {
	held := paintHeld(request.Held)
	for slot := range before {
		from, to := before[slot], after[slot]
		rest := rests[slot]
		switch {
		case from == to:
		case from != 0 && !slices.Contains(request.VIDs, from), to != 0 && !slices.Contains(request.VIDs, to):
			return fmt.Errorf("slot %d went from variant %d to %d", slot, from, to)
		case held[slot]:
			return fmt.Errorf("slot %d was taken, which is held", slot)
		case rest != nil && rest.EID != request.EID && !request.IgnoreResting:
			return fmt.Errorf("slot %d was taken, which rests", slot)
		}
	}
	return nil
}

// verifyOrder checks that no slot was taken while there was a better one.
func verifyOrder(request *allocate.Request, before, after *perSlot[int32], rests *perSlot[*allocate.Resting]) error {
	const own, free, others = 1, 2, 3
	rank := func(slot int) (int, time.Time) {
		switch rest := rests[slot]; {
		case rest == nil:
			return free, time.Time{}
		case rest.EID == request.EID:
			return own, time.Time{}
		default:
			return others, endOf(rest)
		}
	}
	back := func(slot int, vid int32) bool {
		return rests[slot] != nil && rests[slot].EID == request.EID && rests[slot].VID == vid
	}
	worst, worstEnd := 0, time.Time{}
	elsewhere := map[int32]bool{} // the variants that took what they had not had
	for slot := range before {
		if before[slot] != 0 || after[slot] == 0 {
			continue
		}
		if r, end := rank(slot); r > worst || r == worst && end.After(worstEnd) {
			worst, worstEnd = r, end
		}
		if !back(slot, after[slot]) {
			elsewhere[after[slot]] = true
		}
	}
	held := paintHeld(request.Held)
	for slot := range before {
		if before[slot] != 0 || held[slot] {
			continue
		}
		if r, end := rank(slot); after[slot] == 0 && (r < worst || r == worst && end.Before(worstEnd)) {
			return fmt.Errorf("slot %d was left and a worse one taken", slot)
		}
		for vid := range elsewhere {
			if back(slot, vid) && after[slot] != vid {
				return fmt.Errorf("slot %d did not go back to variant %d, which took another one", slot, vid)
			}
		}
	}
	return nil
}

func verifyMoves(result *allocate.Result, before, after *perSlot[int32]) error {
	replayed, freed := *before, paint(result.Freed)
	last := allocate.Move{}
	for _, m := range result.Moves {
		if m.Start < last.End || m.End <= m.Start || m.From == m.To {
			return fmt.Errorf("move %v follows %v", m, last)
		}
		if m.Start == last.End && m.From == last.From && m.To == last.To {
			return fmt.Errorf("move %v is not joined with the one before", m)
		}
		last = m
		for slot := m.Start; slot < m.End; slot++ {
			if before[slot] != m.From {
				return fmt.Errorf("move %v: slot %d was of variant %d", m, slot, before[slot])
			}
			replayed[slot] = m.To
		}
	}
	if replayed != *after {
		return errors.New("the moves do not lead to the ranges")
	}
	for slot, vid := range freed {
		if is := after[slot] == 0 && before[slot] != 0; is && vid != before[slot] || !is && vid != 0 {
			return fmt.Errorf("slot %d is said to be freed by variant %d", slot, vid)
		}
	}
	return nil
}

// endOf returns when a rest ends, a late time if that is not known.
func endOf(rest *allocate.Resting) time.Time {
	if rest.Until.IsZero() {
		return hour(1 << 20)
	}
	return rest.Until
}

// paintRests says which rest counts for a slot that nobody has, nil for none.
func paintRests(request *allocate.Request) *perSlot[*allocate.Resting] {
	var rests perSlot[*allocate.Resting]
	later := func(a, b *allocate.Resting) bool {
		return cmp.Or(endOf(a).Compare(endOf(b)), cmp.Compare(a.EID, b.EID), cmp.Compare(a.VID, b.VID)) > 0
	}
	for i := range request.Resting {
		r := &request.Resting[i]
		for slot := r.Start; slot < r.End; slot++ {
			if rests[slot] == nil || later(r, rests[slot]) {
				rests[slot] = r
			}
		}
	}
	for _, r := range request.Ranges {
		clear(rests[r.GetStart():r.GetEnd()])
	}
	for _, h := range request.Held {
		clear(rests[h.Start:h.End])
	}
	return &rests
}

func verifyResting(result *allocate.Result, after *perSlot[int32], rests *perSlot[*allocate.Resting]) error {
	var left perSlot[*allocate.Resting]
	end := int32(0)
	for i := range result.Resting {
		r := &result.Resting[i]
		if r.Start < end || r.End <= r.Start {
			return fmt.Errorf("rest %v follows slot %d", r, end)
		}
		end = r.End
		for slot := r.Start; slot < r.End; slot++ {
			left[slot] = r
		}
	}
	for slot, want := range rests {
		if after[slot] != 0 {
			want = nil
		}
		got := left[slot]
		if (got == nil) != (want == nil) {
			return fmt.Errorf("slot %d rests: %t, want %t", slot, got != nil, want != nil)
		}
		if got != nil && (got.EID != want.EID || got.VID != want.VID || !got.Until.Equal(want.Until)) {
			return fmt.Errorf("slot %d rests as %v, want %v", slot, got, want)
		}
	}
	return nil
}
