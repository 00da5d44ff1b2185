package lifecycle_test

import (
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"

	"github.com/strata-exp/strata/controlplane/internal/lifecycle"
	"github.com/strata-exp/strata/controlplane/internal/state"
	"github.com/strata-exp/strata/internal/rpc"
	"github.com/strata-exp/strata/sdk/go/engine"
)

// TestRandomLives leads experiments that share layers through random requests,
// and after each one looks at every slot.
func TestRandomLives(t *testing.T) {
	t.Parallel()
	made := map[string]int{}
	for seed := range uint64(20) {
		l := &lives{world: newWorld(t, experiments, "a", "b"), rand: rand.New(rand.NewPCG(seed, 1)), made: made}
		for range 60 {
			l.step()
			if t.Failed() {
				t.Fatalf("with seed %d", seed)
			}
		}
	}
	for _, what := range []string{"start", "pause", "resume", "conclude", "archive", "allocate", "strip", "INVALID_STATE", "NOT_ENOUGH_SLOTS"} {
		if made[what] < 5 {
			t.Errorf("%s happened %d times: this tests little", what, made[what])
		}
	}
}

const experiments = 8

type lives struct {
	*world
	rand *rand.Rand
	made map[string]int
}

// legal is where a request leads from the states that allow it.
var legal = map[string]map[adminv1.ExperimentState]adminv1.ExperimentState{
	"start":    {draft: running},
	"pause":    {running: paused},
	"resume":   {paused: running},
	"conclude": {running: concluded, paused: concluded},
	"archive":  {draft: archived, concluded: archived},
	"allocate": {draft: draft, running: running, paused: paused, concluded: concluded},
	"strip":    {running: paused, draft: draft, paused: paused, concluded: concluded, archived: archived},
}

func (l *lives) step() {
	x := l.state.Experiment(1 + l.rand.Int32N(experiments))
	what := slices.Sorted(maps.Keys(legal))[l.rand.IntN(len(legal))]
	if (what == "conclude" || what == "archive") && l.rand.IntN(3) > 0 {
		what = "allocate" // so that lives are long
	}
	s := step{
		lives: l, before: x, state: l.state, what: what,
		ignoring: l.rand.IntN(4) == 0, was: ownersOf(l.state, x.GetLayerId()),
	}
	s.want = counts(s.was, x.GetEid())
	changes, err := call(l.head(), s.request())
	if err != nil {
		s.refused(err)
		return
	}
	l.made[s.what]++
	l.apply(changes)
	s.check()
}

// step is one request and what it should lead to.
type step struct {
	*lives
	what     string
	before   *adminv1.Experiment
	state    *state.State // before
	was      *[engine.Slots]owner
	ignoring bool
	// want is how many slots each variant should have, and held those for whom.
	want   map[int32]int32
	winner int32
}

// request makes the request, and says what to expect.
func (s *step) request() any {
	eid, n := s.before.GetEid(), s.rand.IntN(10)
	switch s.what {
	case "start":
		r := &start{Eid: eid, IgnoreCooling: s.ignoring}
		s.want = planned(s.before)
		if n > 2 {
			r.Allocation = s.allocation()
		}
		return r
	case "pause":
		return &pause{Eid: eid}
	case "resume":
		if len(s.before.GetHeld()) == 0 {
			s.want = planned(s.before)
		}
		return &resume{Eid: eid, IgnoreCooling: s.ignoring}
	case "conclude":
		if n < 5 {
			s.want = map[int32]int32{}
			return revert(eid)
		}
		s.winner = s.variant()
		if total := sum(s.want); total > 0 {
			s.want = map[int32]int32{s.winner: total}
		}
		return winner(eid, s.winner)
	case "archive":
		s.want = map[int32]int32{}
		return &archive{Eid: eid}
	case "strip":
		s.want = heldOf(s.was, eid)
		return s.strip()
	default:
		return &setAllocation{Eid: eid, IgnoreCooling: s.ignoring, Allocation: s.allocation()}
	}
}

func (s *step) variant() int32 {
	return s.before.GetVariants()[s.rand.IntN(len(s.before.GetVariants()))].GetVid()
}

func (s *step) allocation() *adminv1.Allocation {
	s.want = map[int32]int32{}
	var pairs []int32
	for _, v := range s.before.GetVariants() {
		slots := []int32{0, 1, 30, 500, 2500, 6000}[s.rand.IntN(6)]
		if pairs = append(pairs, v.GetVid(), slots); slots > 0 {
			s.want[v.GetVid()] = slots
		}
	}
	return slots(pairs...)
}

// strip takes an experiment's slots out of the layer by an Apply.
func (s *step) strip() []state.Change {
	l := proto.CloneOf(s.state.Layer(s.before.GetLayerId()))
	kept := l.GetRanges()[:0]
	for _, r := range l.GetRanges() {
		if s.was[r.GetStart()].eid != s.before.GetEid() {
			kept = append(kept, r)
		}
	}
	l.Ranges = kept
	return []state.Change{{Layer: l, Mask: []string{"ranges"}}}
}

func planned(x *adminv1.Experiment) map[int32]int32 {
	want := map[int32]int32{}
	for _, v := range x.GetAllocation() {
		want[v.GetVid()] = v.GetSlots()
	}
	return want
}

func heldOf(owners *[engine.Slots]owner, eid int32) map[int32]int32 {
	n := map[int32]int32{}
	for _, o := range owners {
		if o.eid == eid && o.held {
			n[o.vid]++
		}
	}
	return n
}

func sum(counts map[int32]int32) int32 {
	n := int32(0)
	for _, c := range counts {
		n += c
	}
	return n
}

// refused checks that a request had to be refused.
func (s *step) refused(err error) {
	refusal, ok := errors.AsType[*rpc.Refusal](err)
	if !ok {
		s.tb.Errorf("%s: %v", s.what, err)
		return
	}
	from := s.before.GetState()
	_, allowed := legal[s.what][from]
	right := false
	switch refusal.Reason {
	case adminv1.ErrorReason_ERROR_REASON_INVALID_STATE:
		right = !allowed || s.what == "allocate" && from == concluded && s.before.GetWinnerVid() == 0
		s.made["INVALID_STATE"]++
	case adminv1.ErrorReason_ERROR_REASON_INVALID_ALLOCATION:
		losers := sum(s.want) - s.want[s.before.GetWinnerVid()]
		right = sum(s.want) > engine.Slots || sum(s.want) == 0 && (from == draft || from == running || from == paused) || from == concluded && losers > 0
	case adminv1.ErrorReason_ERROR_REASON_NOT_ENOUGH_SLOTS:
		right = s.growth() > s.free()
		s.made["NOT_ENOUGH_SLOTS"]++
	}
	if !right {
		s.tb.Errorf("%s of %v with %v: %v", s.what, s.before, s.want, err)
	}
}

func (s *step) growth() int32 { return sum(s.want) - sum(counts(s.was, s.before.GetEid())) }

// free counts what the experiment may take.
func (s *step) free() int32 {
	n := int32(0)
	for slot, o := range s.was {
		r := s.rests[s.before.GetLayerId()][slot]
		resting := r.eid != 0 && r.eid != s.before.GetEid() && r.until.After(s.now)
		if o.vid == 0 && (s.ignoring || !resting) {
			n++
		}
	}
	return n
}

// check looks at everything after a request that was carried out.
func (s *step) check() {
	s.tb.Helper()
	eid, layerID := s.before.GetEid(), s.before.GetLayerId()
	after := s.world.state.Experiment(eid)
	if to, ok := legal[s.what][s.before.GetState()]; !ok || after.GetState() != to {
		s.tb.Errorf("%s led from %v to %v", s.what, s.before.GetState(), after.GetState())
	}
	is := ownersOf(s.world.state, layerID)
	got := counts(is, eid)
	if unplaced := s.what == "allocate" && len(s.before.GetHeld()) == 0 && (after.GetState() == draft || after.GetState() == paused); unplaced {
		got = planned(after)
	}
	if !maps.Equal(got, s.want) {
		s.tb.Errorf("%s of %v: slots %v, want %v", s.what, s.before, got, s.want)
	}
	if s.what == "conclude" && after.GetWinnerVid() != s.winner {
		s.tb.Errorf("the winner is %d, want %d", after.GetWinnerVid(), s.winner)
	}
	s.checkSlots(is)
	s.checkOthers()
}

// checkSlots looks at the slots of the layer, one by one.
func (s *step) checkSlots(is *[engine.Slots]owner) {
	s.tb.Helper()
	for slot := range is {
		was, is, mine := s.was[slot], is[slot], s.before.GetEid()
		switch {
		case was == is:
		case was.eid != mine && is.eid != mine:
			s.tb.Errorf("%s of %d changed slot %d from %v to %v", s.what, mine, slot, was, is)
			return
		case was.eid != 0 && was.eid != mine:
			s.tb.Errorf("%s of %d took slot %d from %v", s.what, mine, slot, was)
			return
		case (s.what == "pause" || s.what == "resume" && was.eid != 0) && was.vid != is.vid:
			s.tb.Errorf("%s of %d changed slot %d from %v to %v", s.what, mine, slot, was, is)
			return
		}
	}
}

// checkOthers looks at what is not the experiment's and its layer's.
func (s *step) checkOthers() {
	s.tb.Helper()
	for _, touch := range state.Compare(s.state, s.world.state) {
		if touch.ID != state.ExperimentID(s.before.GetEid()) && touch.ID != state.LayerID(s.before.GetLayerId()) {
			s.tb.Errorf("%s of %d touched %v", s.what, s.before.GetEid(), touch.ID)
		}
	}
}

// TestPauseAndResumeAreNothing pauses and resumes whatever runs, while others try
// to take its slots: it has each of them again. Where nobody does anything else,
// all is as it was.
func TestPauseAndResumeAreNothing(t *testing.T) {
	t.Parallel()
	tried := 0
	for seed := range uint64(10) {
		l := &lives{world: newWorld(t, experiments, "a"), rand: rand.New(rand.NewPCG(seed, 2)), made: map[string]int{}}
		for range 25 {
			l.step()
		}
		for _, r := range l.state.Experiments() {
			x := r.Experiment()
			if x.GetState() != running {
				continue
			}
			tried++
			before := l.state.Checksum()
			l.does(&pause{Eid: x.GetEid()}, &resume{Eid: x.GetEid()})
			if l.state.Checksum() != before {
				t.Errorf("seed %d: experiment %d is another one after a pause", seed, x.GetEid())
			}
			was := slotsOf(ownersOf(l.state, "a"), x.GetEid())
			l.does(&pause{Eid: x.GetEid()})
			for range 5 {
				l.others(x.GetEid())
			}
			l.does(&resume{Eid: x.GetEid()})
			if !maps.Equal(slotsOf(ownersOf(l.state, "a"), x.GetEid()), was) {
				t.Errorf("seed %d: experiment %d came back with other slots", seed, x.GetEid())
			}
		}
	}
	if tried < 10 {
		t.Errorf("only %d experiments were paused", tried)
	}
}

// slotsOf returns the variant of each slot that an experiment has.
func slotsOf(owners *[engine.Slots]owner, eid int32) map[int]int32 {
	vids := map[int]int32{}
	for slot, o := range owners {
		if o.eid == eid {
			vids[slot] = o.vid
		}
	}
	return vids
}

// others lets another experiment try to take as much as it can.
func (l *lives) others(eid int32) {
	other := l.state.Experiment(1 + l.rand.Int32N(experiments))
	if other.GetEid() == eid {
		return
	}
	changes, err := lifecycle.SetAllocation(l.head(), &setAllocation{
		Eid: other.GetEid(), IgnoreCooling: true, Allocation: slots(other.GetVariants()[0].GetVid(), 1+l.rand.Int32N(5000)),
	})
	if err == nil && changes != nil {
		l.apply(changes)
	}
}
