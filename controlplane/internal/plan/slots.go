package plan

import (
	"math/bits"
	"slices"

	"github.com/strata-exp/strata/sdk/go/engine"
)

// runs is half-open intervals of slots in order, none of which meet.
type runs []run

type run struct{ start, end int32 }

// runs returns the slots of some variants.
func (l *layer) runs(vids []int32) (all runs) {
	is := among(vids)
	for _, r := range l.ranges {
		if is(r.GetVid()) {
			all = append(all, run{r.GetStart(), r.GetEnd()})
		}
	}
	return all
}

// vids returns the variants of those acts that are wanted.
func (s step) vids(wanted func(*act) bool) (vids []int32) {
	for i := range s.acts {
		if wanted(&s.acts[i]) {
			vids = append(vids, s.acts[i].writer.vid)
		}
	}
	return vids
}

// among returns a test for being one of some vids.
func among(vids []int32) func(vid int32) bool {
	const few = 8 // up to here searching is cheaper than making a map
	if len(vids) <= few {
		return func(vid int32) bool { return slices.Contains(vids, vid) }
	}
	set := make(map[int32]bool, len(vids))
	for _, vid := range vids {
		set[vid] = true
	}
	return func(vid int32) bool { return set[vid] }
}

// meet reports whether two have a slot in common.
func (r runs) meet(other runs) bool {
	if len(r) == 0 || len(other) == 0 || r[len(r)-1].end <= other[0].start || other[len(other)-1].end <= r[0].start {
		return false
	}
	for len(r) > 0 && len(other) > 0 {
		switch {
		case r[0].end <= other[0].start:
			r = r[1:]
		case other[0].end <= r[0].start:
			other = other[1:]
		default:
			return true
		}
	}
	return false
}

// slotSet is a set of slots.
type slotSet [(engine.Slots + 63) / 64]uint64

// words calls do for each word that some runs have slots in, with those.
func (r runs) words(do func(word int32, slots uint64)) {
	for _, run := range r {
		for slot := run.start; slot < run.end; {
			word := slot / 64
			end := min(run.end, 64*(word+1))
			do(word, ^uint64(0)>>(64-(end-slot))<<(slot%64))
			slot = end
		}
	}
}

// add adds slots, and returns how many are new.
func (s *slotSet) add(r runs) (added int64) {
	r.words(func(word int32, slots uint64) {
		added += int64(bits.OnesCount64(slots &^ s[word]))
		s[word] |= slots
	})
	return added
}

// count returns how many slots are in the set.
func (s *slotSet) count(r runs) (found int64) {
	r.words(func(word int32, slots uint64) { found += int64(bits.OnesCount64(slots & s[word])) })
	return found
}
