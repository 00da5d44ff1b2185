package allocate_test

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/strata-exp/strata/controlplane/internal/allocate"
	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	"github.com/strata-exp/strata/sdk/go/engine"
)

// generator makes requests in which everything meets.
type generator struct{ *rand.Rand }

func pick[T any](g generator, from ...T) T { return from[g.IntN(len(from))] }

// request returns a request that is in order, but may ask for more than is free.
// The experiment is 1 and its variants count from 1.
func (g generator) request() allocate.Request {
	r := allocate.Request{EID: 1, IgnoreResting: g.IntN(4) == 0}
	for i := range 1 + g.IntN(5) {
		r.VIDs = append(r.VIDs, int32(i)+1)
	}
	longest := pick(g, 3, 50, 1000, 5000)
	for at := int32(0); at < engine.Slots; {
		end := min(at+1+g.Int32N(int32(longest)), engine.Slots)
		rest := allocate.Resting{Start: at, End: end, Until: g.until()}
		switch g.IntN(7) {
		case 0, 1:
			r.Ranges = append(r.Ranges, &configv1.Range{Start: at, End: end, Vid: pick(g, r.VIDs...)})
		case 2:
			r.Ranges = append(r.Ranges, &configv1.Range{Start: at, End: end, Vid: 100 + g.Int32N(3)})
		case 3:
			r.Held = append(r.Held, allocate.Held{Start: at, End: end, EID: 2 + g.Int32N(3)})
		case 4:
			rest.EID, rest.VID = 1, g.Int32N(8)
			r.Resting = append(r.Resting, rest)
		case 5:
			rest.EID, rest.VID = g.Int32N(4), g.Int32N(8)
			r.Resting = append(r.Resting, rest)
		}
		at = end
	}
	for range g.IntN(3) { // of any kind, across everything
		start := g.Int32N(engine.Slots)
		r.Resting = append(r.Resting, allocate.Resting{
			Start: start, End: start + 1 + g.Int32N(engine.Slots-start), EID: g.Int32N(3), Until: g.until(),
		})
	}
	r.Targets = g.targets(&r)
	return r
}

func (g generator) until() time.Time { return pick(g, time.Time{}, hour(1), hour(2), hour(3)) }

// targets returns targets near what the variants have, or anywhere.
func (g generator) targets(r *allocate.Request) []allocate.Target {
	have := count(paint(r.Ranges))
	left := int32(engine.Slots)
	for _, vid := range r.VIDs {
		left -= have[vid]
	}
	var targets []allocate.Target
	for _, vid := range r.VIDs {
		left += have[vid]
		slots := have[vid]
		switch g.IntN(6) {
		case 0:
			left -= slots
			continue // it is not named
		case 1:
			slots = 0
		case 2:
			slots = g.Int32N(left + 1)
		case 3:
			slots = min(left, slots+g.Int32N(5))
		case 4:
			slots = min(left, slots+g.Int32N(1000))
		default:
			slots = g.Int32N(slots + 1)
		}
		left -= slots
		targets = append(targets, allocate.Target{VID: vid, Slots: slots})
	}
	return targets
}

// shuffled returns the same request in another order.
func (g generator) shuffled(r allocate.Request) allocate.Request {
	r.VIDs, r.Targets, r.Ranges = shuffle(g, r.VIDs), shuffle(g, r.Targets), shuffle(g, r.Ranges)
	r.Held, r.Resting = shuffle(g, r.Held), shuffle(g, r.Resting)
	return r
}

func shuffle[T any](g generator, all []T) []T {
	all = slices.Clone(all)
	g.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}
