package allocate

import (
	"time"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
)

// Request asks for slots for the variants of one experiment. Its lists may be in
// any order. Allocate only reads it.
type Request struct {
	// EID is the experiment, at least 1.
	EID int32
	// VIDs are the variants of the experiment, each once. Ranges of any other
	// variant belong to other experiments.
	VIDs []int32
	// Targets say how many slots variants shall have, each variant at most once.
	// A variant that none names keeps the slots that it has.
	Targets []Target
	// Ranges are those of the layer, of all experiments. They never overlap.
	Ranges []*configv1.Range
	// Held are slots in no range that are kept for other experiments, which are
	// paused. They never overlap, and are never taken. To change what a paused
	// experiment holds, pass that as Ranges.
	Held []Held
	// Resting are slots that were freed lately. They are history and no claim:
	// where they overlap ranges or held slots they count for nothing, and where
	// they overlap each other the one that ends later counts.
	Resting []Resting
	// IgnoreResting allows to take slots that rest after other experiments.
	IgnoreResting bool
}

// Target is how many slots a variant shall have, 0 to 10,000.
type Target struct {
	VID, Slots int32
}

// Held is the half-open interval of slots [Start, End) that a paused experiment
// keeps.
type Held struct {
	Start, End int32
	// EID is the experiment, never that of the request.
	EID int32
}

// Resting is the half-open interval of slots [Start, End) that an experiment
// freed, and that no other one takes for a while.
type Resting struct {
	Start, End int32
	// EID is the experiment that had the slots, and may take them back; 0 if it
	// is not known.
	EID int32
	// VID is the variant that had them, 0 if it is not known.
	VID int32
	// Until is when the rest ends. Zero, for not known, counts as later than any
	// other. A rest that has ended is not to be passed: there is no clock here.
	Until time.Time
}

// Result is what Allocate decided. The caller owns it; it shares no memory with
// the request.
type Result struct {
	// Ranges are those of the layer: sorted, and as few as can be, since ranges
	// of one variant that touch are joined.
	Ranges []*configv1.Range
	// Moves are the slots that get another variant than before, sorted and
	// joined in the same way. It is empty if nothing changes.
	Moves []Move
	// Freed are those of the moves that lead to no variant, with the variant
	// that had the slots: what the caller lets rest now.
	Freed []*configv1.Range
	// Resting is what is left of the request's: the slots that are still in no
	// range and not held. It is sorted, without overlaps, and does not hold what
	// is in Freed.
	Resting []Resting
}

// Move is the half-open interval of slots [Start, End) that goes from one
// variant to another; 0 stands for none.
type Move struct {
	Start, End int32
	From, To   int32
}

// Allocate gives each variant of the targets as many slots as it shall have.
//
// Exactly the sum of max(0, old - new) over the variants is how many slots leave
// their variant. No slot changes of a variant whose number stays, of another
// experiment, or that is held; so what is so already changes nothing.
//
// The error is an *InputError for a request that contradicts itself, and a
// *Shortage if there are too few free slots. Any number of goroutines may call
// it at once.
func Allocate(request Request) (*Result, error) {
	l, err := read(&request)
	if err != nil {
		return nil, err
	}
	if s := l.shortage(); s != nil {
		return nil, s
	}
	l.transfer()
	l.free()
	l.grow()
	return l.result(), nil
}
