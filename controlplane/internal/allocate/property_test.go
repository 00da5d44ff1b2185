package allocate_test

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/strata-exp/strata/controlplane/internal/allocate"
	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	"github.com/strata-exp/strata/sdk/go/engine"
)

var (
	cases = flag.Int("allocate.cases", 200, "random requests to look at")
	seed  = flag.Uint64("allocate.seed", 0, "seed of the first one; 0 picks one")
)

func firstSeed() uint64 {
	if *seed != 0 {
		return *seed
	}
	return rand.Uint64()
}

// TestKeepsItsPromises looks at what comes of random requests: a result as
// promised, the same for any order of the lists, and at rest once it is reached;
// or a shortage that is one.
func TestKeepsItsPromises(t *testing.T) {
	t.Parallel()
	done := 0
	for first, seed := firstSeed(), uint64(0); seed < uint64(*cases); seed++ {
		g := generator{rand.New(rand.NewPCG(first+seed, 0))}
		request := g.request()
		result, err := allocate.Allocate(request)
		again, errAgain := allocate.Allocate(g.shuffled(request))
		if !reflect.DeepEqual(err, errAgain) || err == nil && !sameResult(result, again) {
			t.Fatalf("seed %d: the order of the lists matters", first+seed)
		}
		if err != nil {
			if err := verifyShortage(&request, err); err != nil {
				t.Fatalf("seed %d: %v", first+seed, err)
			}
			continue
		}
		done++
		if err := verify(&request, result); err != nil {
			t.Fatalf("seed %d: %v", first+seed, err)
		}
		request.Ranges, request.Resting = result.Ranges, result.Resting
		if again, err = allocate.Allocate(request); err != nil || len(again.Moves) != 0 || !sameResult(again, &allocate.Result{
			Ranges: result.Ranges, Resting: result.Resting,
		}) {
			t.Fatalf("seed %d: what was reached changed, error %v, moves %v", first+seed, err, again.Moves)
		}
	}
	if done < *cases/4 {
		t.Errorf("only %d of %d requests could be met: the cases say little", done, *cases)
	}
}

func sameResult(a, b *allocate.Result) bool {
	return formatRanges(a.Ranges) == formatRanges(b.Ranges) && formatRanges(a.Freed) == formatRanges(b.Freed) &&
		slices.Equal(a.Moves, b.Moves) && slices.Equal(a.Resting, b.Resting)
}

// verifyShortage counts what a shortage says.
func verifyShortage(request *allocate.Request, err error) error {
	var got *allocate.Shortage
	if !errors.As(err, &got) {
		return err
	}
	have, rests := count(paint(request.Ranges)), paintRests(request)
	want := allocate.Shortage{Free: have[0]}
	holders := map[int32]bool{}
	for _, h := range request.Held {
		want.Held += h.End - h.Start
		holders[h.EID] = true
	}
	want.Holders = slices.Sorted(maps.Keys(holders))
	want.Free -= want.Held
	for _, target := range request.Targets {
		want.Wanted += target.Slots - have[target.VID]
	}
	var waiting []*allocate.Resting
	for _, rest := range rests {
		if rest != nil && rest.EID != request.EID && !request.IgnoreResting {
			waiting = append(waiting, rest)
		}
	}
	slices.SortFunc(waiting, func(a, b *allocate.Resting) int { return endOf(a).Compare(endOf(b)) })
	want.Resting = int32(len(waiting))
	want.Free -= want.Resting
	if len(waiting) > 0 {
		want.NextFree = waiting[0].Until
	}
	if lacking := want.Wanted - want.Free; int(lacking) <= len(waiting) && lacking > 0 {
		want.EnoughFree = waiting[lacking-1].Until
	}
	if !reflect.DeepEqual(*got, want) || want.Wanted <= want.Free {
		return fmt.Errorf("got %+v, want %+v", *got, want)
	}
	return nil
}

// TestThereAndBack lets all variants of an experiment shrink, and grow again
// while their slots rest: everyone gets back what they had.
func TestThereAndBack(t *testing.T) {
	t.Parallel()
	for first, seed := firstSeed(), uint64(0); seed < uint64(*cases); seed++ {
		g := generator{rand.New(rand.NewPCG(first+seed, 1))}
		request := g.request()
		request.Resting = slices.DeleteFunc(request.Resting, func(r allocate.Resting) bool { return r.EID == request.EID })
		var back []allocate.Target
		before := paint(request.Ranges)
		have := count(before)
		request.Targets = nil
		for _, vid := range request.VIDs {
			n := have[vid]
			back = append(back, allocate.Target{VID: vid, Slots: n})
			request.Targets = append(request.Targets, allocate.Target{VID: vid, Slots: g.Int32N(n + 1)})
		}
		smaller, err := allocate.Allocate(request)
		if err != nil {
			t.Fatalf("seed %d: %v", first+seed, err)
		}
		request.Ranges, request.Resting, request.Targets = smaller.Ranges, smaller.Resting, back
		for _, f := range smaller.Freed {
			request.Resting = append(request.Resting, allocate.Resting{
				Start: f.GetStart(), End: f.GetEnd(), EID: request.EID, VID: f.GetVid(), Until: hour(9),
			})
		}
		larger, err := allocate.Allocate(request)
		if err != nil {
			t.Fatalf("seed %d: %v", first+seed, err)
		}
		if *paint(larger.Ranges) != *before {
			t.Fatalf("seed %d: got %s", first+seed, formatRanges(larger.Ranges))
		}
	}
}

// TestRampNeedsNoMoreRanges grows variants step by step, up to the whole layer:
// one or two have one range each all the way.
func TestRampNeedsNoMoreRanges(t *testing.T) {
	t.Parallel()
	for variants := 1; variants <= 2; variants++ {
		request := allocate.Request{EID: 1, VIDs: []int32{1, 2}[:variants]}
		for _, total := range []int32{10, 100, 500, 1000, 2500, 5000, 9000, 10_000} {
			shares, err := allocate.ByWeight(total, slices.Repeat([]int32{1}, variants))
			if err != nil {
				t.Fatal(err)
			}
			request.Targets = nil
			for i, n := range shares {
				request.Targets = append(request.Targets, allocate.Target{VID: request.VIDs[i], Slots: n})
			}
			result, err := allocate.Allocate(request)
			if err != nil {
				t.Fatal(err)
			}
			if err := verify(&request, result); err != nil {
				t.Error(err)
			}
			if len(result.Ranges) != variants {
				t.Errorf("%d variants at %d slots: %s", variants, total, formatRanges(result.Ranges))
			}
			request.Ranges = result.Ranges
		}
	}
}

// life is a layer in which experiments start, change, pause, resume and end.
type life struct {
	generator
	now         int // hours
	experiments []*experiment
	ranges      []*configv1.Range
	resting     []allocate.Resting
	nextEID     int32
	nextVID     int32
}

type experiment struct {
	eid     int32
	vids    []int32
	weights []int32
	total   int32
	held    []*configv1.Range // what it has while it is paused
}

// TestLongLife looks at every step of layers that live long. Their ranges must
// not become ever more.
func TestLongLife(t *testing.T) {
	t.Parallel()
	const lives, steps = 3, 300
	total, variants, most, mostOfOne, shortages := 0, 0, 0, 0, 0
	for seed := range uint64(lives) {
		l := &life{generator: generator{rand.New(rand.NewPCG(seed, 2))}}
		for step := range steps {
			err := l.step()
			if shortage := (*allocate.Shortage)(nil); errors.As(err, &shortage) {
				shortages++
			} else if err != nil {
				t.Fatalf("seed %d, step %d: %v", seed, step, err)
			}
			perVariant := map[int32]int{}
			for _, r := range l.ranges {
				perVariant[r.GetVid()]++
				mostOfOne = max(mostOfOne, perVariant[r.GetVid()])
			}
			total, variants, most = total+len(l.ranges), variants+len(perVariant), max(most, len(l.ranges))
		}
	}
	t.Logf("%.1f ranges of %.1f variants on average; at most %d ranges, and %d of one variant; %d of %d steps lacked slots",
		float64(total)/lives/steps, float64(variants)/lives/steps, most, mostOfOne, shortages, lives*steps)
	if total > 2*variants || most > 150 {
		t.Errorf("layers are in pieces")
	}
}

func (l *life) step() error {
	const cooling = 5
	l.now++
	l.resting = slices.DeleteFunc(l.resting, func(r allocate.Resting) bool { return !r.Until.After(hour(l.now)) })
	e, before := l.choose()
	if before == nil {
		return nil
	}
	request := allocate.Request{EID: e.eid, VIDs: e.vids, Ranges: l.ranges, Resting: l.resting, IgnoreResting: l.IntN(20) == 0}
	for _, x := range l.experiments {
		for _, r := range x.held {
			request.Held = append(request.Held, allocate.Held{Start: r.GetStart(), End: r.GetEnd(), EID: x.eid})
		}
	}
	shares, err := allocate.ByWeight(e.total, e.weights)
	if err != nil {
		return err
	}
	for i, n := range shares {
		request.Targets = append(request.Targets, allocate.Target{VID: e.vids[i], Slots: n})
	}
	result, err := allocate.Allocate(request)
	if err != nil {
		*e = *before
		return errors.Join(err, verifyShortage(&request, err))
	}
	if err := verify(&request, result); err != nil {
		return err
	}
	l.ranges, l.resting = result.Ranges, result.Resting
	for _, f := range result.Freed {
		l.resting = append(l.resting, allocate.Resting{
			Start: f.GetStart(), End: f.GetEnd(), EID: e.eid, VID: f.GetVid(), Until: hour(l.now + cooling),
		})
	}
	if e.total == 0 {
		l.experiments = slices.DeleteFunc(l.experiments, func(x *experiment) bool { return x == e })
	}
	return nil
}

// choose changes what one experiment wants, and returns what it wanted before;
// nil if it was paused or resumed.
func (l *life) choose() (e, before *experiment) {
	if n := len(l.experiments); n < 2 || n < 12 && l.IntN(6) == 0 {
		l.nextEID++
		e = &experiment{eid: l.nextEID}
		for range pick(l.generator, 2, 2, 2, 3, 4) {
			l.nextVID++
			e.vids, e.weights = append(e.vids, l.nextVID), append(e.weights, 1)
		}
		l.experiments = append(l.experiments, e)
		before = &experiment{eid: e.eid, vids: e.vids, weights: e.weights}
		e.total = pick[int32](l.generator, 20, 100, 200, 500, 1000)
		return e, before
	}
	e = pick(l.generator, l.experiments...)
	if len(e.held) > 0 {
		l.ranges = append(slices.Clone(l.ranges), e.held...)
		e.held = nil
		return e, nil
	}
	copied := *e
	copied.weights = slices.Clone(e.weights)
	switch l.IntN(9) {
	case 0, 1:
		e.total = min(engine.Slots, 2*e.total)
	case 2:
		e.total = pick[int32](l.generator, 100, 500, 1000, 2000, 3000, 5000)
	case 3:
		e.total /= 2
	case 4:
		e.weights[l.IntN(len(e.weights))] = 1 + l.Int32N(5)
	case 5:
		for i := range e.weights {
			e.weights[i] = 1
		}
	case 6:
		e.total = max(1, e.total/10)
	case 7:
		e.total = 0
	default:
		l.ranges = slices.Clone(l.ranges)
		l.ranges = slices.DeleteFunc(l.ranges, func(r *configv1.Range) bool {
			if !slices.Contains(e.vids, r.GetVid()) {
				return false
			}
			e.held = append(e.held, r)
			return true
		})
		return e, nil
	}
	return e, &copied
}
