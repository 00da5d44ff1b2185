package allocate

import (
	"iter"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	"github.com/strata-exp/strata/sdk/go/engine"
)

// layer is the slots of a layer while they are dealt out.
type layer struct {
	eid           int32
	ignoreResting bool
	vids          []int32 // of the experiment, sorted
	// lacks are how many slots the variants are yet to get, by index in vids;
	// negative: to give up.
	lacks []int32
	first owner // those before it lack no slots
	// rests are the different rests, the soonest over first. Their intervals
	// mean nothing.
	rests   []Resting
	held    int32   // slots
	holders []int32 // the experiments that hold them, sorted

	owners [engine.Slots]owner
	before [engine.Slots]int32 // the vid in the request, 0 for none
	rest   [engine.Slots]int32 // in the request: 1 + index into rests, 0 for none
}

// owner is who has a slot: a variant, by its index in layer.vids, or one of the
// constants.
type owner int32

const (
	nobody  owner = -1 - iota // the slot is free, or rests
	other                     // another experiment
	paused                    // another experiment, which is paused
	outside                   // there is no such slot
)

func (l *layer) owner(slot int32) owner {
	if slot < 0 || slot >= engine.Slots {
		return outside
	}
	return l.owners[slot]
}

// vid returns the variant that gets a slot, 0 for none.
func (l *layer) vid(slot int32) int32 {
	switch who := l.owners[slot]; {
	case who >= 0:
		return l.vids[who]
	case who == other:
		return l.before[slot]
	default:
		return 0
	}
}

// resting returns 1 + the index in rests of what a slot rests after, 0 if it
// does not rest.
func (l *layer) resting(slot int32) int32 {
	if l.owners[slot] != nobody {
		return 0
	}
	return l.rest[slot]
}

// lack returns how many slots an owner is yet to get.
func (l *layer) lack(who owner) int32 {
	if who < 0 {
		return 0
	}
	return max(0, l.lacks[who])
}

// piece is the half-open interval of slots [start, end).
type piece struct{ start, end int32 }

func (p piece) slots() int32 { return p.end - p.start }

// runs yields the longest pieces whose slots have one key, in order. Slots with
// the zero key are passed over.
func runs[K comparable](key func(slot int32) K) iter.Seq2[piece, K] {
	return func(yield func(piece, K) bool) {
		var none, last K
		start := int32(0)
		for slot := range int32(engine.Slots) {
			k := key(slot)
			if k == last {
				continue
			}
			if last != none && !yield(piece{start, slot}, last) {
				return
			}
			start, last = slot, k
		}
		if last != none {
			yield(piece{start, engine.Slots}, last)
		}
	}
}

func (l *layer) result() *Result {
	type change struct{ from, to int32 }
	var moves []Move
	var freed []holding
	for p, c := range runs(func(slot int32) change {
		c := change{l.before[slot], l.vid(slot)}
		if c.from == c.to {
			return change{}
		}
		return c
	}) {
		moves = append(moves, Move{Start: p.start, End: p.end, From: c.from, To: c.to})
		if c.to == 0 {
			freed = append(freed, holding{p, c.from})
		}
	}
	var kept []holding
	for p, vid := range runs(l.vid) {
		kept = append(kept, holding{p, vid})
	}
	var resting []Resting
	for p, k := range runs(l.resting) {
		r := l.rests[k-1]
		r.Start, r.End = p.start, p.end
		resting = append(resting, r)
	}
	return &Result{Ranges: messages(kept), Moves: moves, Freed: messages(freed), Resting: resting}
}

// holding is a piece and its variant.
type holding struct {
	piece
	vid int32
}

func messages(all []holding) []*configv1.Range {
	values, pointers := make([]configv1.Range, len(all)), make([]*configv1.Range, len(all))
	for i, h := range all {
		pointers[i] = &values[i]
		values[i].Start, values[i].End, values[i].Vid = h.start, h.end, h.vid
	}
	return pointers
}
