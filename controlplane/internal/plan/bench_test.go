package plan_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/strata-exp/strata/controlplane/internal/plan"
	"github.com/strata-exp/strata/controlplane/internal/state"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
)

// fleet makes services with so many layers each. A layer has one experiment of
// two variants, with 3 to 5 leaves out of 40 of its service. Of 100 layers, so
// many have whole values where the others have objects.
func fleet(services, layers, wholes int) []state.Change {
	g := generator{rand.New(rand.NewPCG(1, 2))}
	var all []state.Change
	for service := range services {
		for l := range layers {
			eid := int32(service*layers + l + 1)
			x := &adminv1.Experiment{Eid: eid, Service: fmt.Sprintf("service_%d", service)}
			leaves, value := 3+g.IntN(3), `{"weight":%d}`
			if g.IntN(100) < wholes {
				value = "%d"
			}
			first := g.IntN(40 - leaves)
			for vid := 2*eid - 1; vid <= 2*eid; vid++ {
				var params []string
				for leaf := range leaves {
					params = append(params, fmt.Sprintf(`"param_%d":`+value, first+leaf, vid))
				}
				x.Variants = append(x.Variants, &configv1.Variant{Vid: vid, ParamsJson: "{" + strings.Join(params, ",") + "}"})
			}
			at := g.Int32N(5000)
			all = append(all, state.Change{Experiment: x}, state.Change{Layer: &adminv1.Layer{
				LayerId: fmt.Sprintf("layer_%d", eid), Version: "v1", Priority: g.Int32N(1000), HashKey: "user_id",
				Ranges: []*configv1.Range{slots(at, at+2000, 2*eid-1), slots(at+2000, at+4000, 2*eid)},
			}})
		}
	}
	return all
}

// common makes 10,000 layers of one service that have parameters for a few slots each.
func common(salt, params func(i int) string) []state.Change {
	var all []state.Change
	for i := range int32(10_000) {
		vid := i + 1
		at := 7 * i % 9000
		all = append(
			all,
			state.Change{Experiment: &adminv1.Experiment{Eid: vid, Service: "shop", Variants: []*configv1.Variant{
				{Vid: vid, ParamsJson: params(int(i))},
			}}},
			state.Change{Exact: true, Layer: &adminv1.Layer{
				LayerId: fmt.Sprintf("layer_%d", i), Priority: i, HashKey: "user_id", Salt: salt(int(i)),
				Ranges: []*configv1.Range{slots(at, at+10, vid)},
			}},
		)
	}
	return all
}

func benchmarkMake(b *testing.B, before, after *state.State) {
	b.Helper()
	b.ReportAllocs()
	p := plan.Make(before, after, plan.Options{})
	for b.Loop() {
		plan.Make(before, after, plan.Options{})
	}
	b.ReportMetric(float64(len(p.GetHiddenParameters())), "hidden")
	b.ReportMetric(float64(len(p.GetLayers())), "layers")
}

func BenchmarkCreateAll(b *testing.B) {
	own := func(i int) string { return fmt.Sprintf("salt_%d", i) }
	pairs := func(i int) string { return own(i / 2) }
	one := func(int) string { return "salt" }
	version := func(i int) string { return fmt.Sprintf(`{"model":{"version":%d}}`, i) }
	// All objects but one, for which users lose what is below it.
	contest := func(key func(i int) int) func(i int) string {
		return func(i int) string {
			if i == 5000 {
				return `{"model":null}`
			}
			return fmt.Sprintf(`{"model":{"key_%d":1}}`, key(i))
		}
	}
	for _, c := range []struct {
		name    string
		changes []state.Change
	}{
		{"100-services-of-100-layers", fleet(100, 100, 0)},
		{"100-services-of-100-layers-contested", fleet(100, 100, 10)},
		{"one-path-in-10000-layers", common(own, version)},
		{"one-path-in-10000-layers-two-of-each-salt", common(pairs, version)},
		{"one-path-in-10000-layers-of-one-salt", common(one, version)},
		{"one-contested-path-in-10000-layers", common(own, contest(func(int) int { return 1 }))},
		{"one-contested-object-in-10000-layers", common(own, contest(func(i int) int { return i }))},
		{"one-contested-object-in-10000-layers-by-two", common(own, contest(func(i int) int { return i / 2 }))},
	} {
		b.Run(c.name, func(b *testing.B) {
			benchmarkMake(b, empty(), apply(b, empty(), c.changes...))
		})
	}
}

func BenchmarkOneChange(b *testing.B) {
	for _, c := range []struct{ services, layers int }{{10, 100}, {100, 100}, {1, 1000}, {1, 10_000}} {
		b.Run(fmt.Sprintf("%d-services-of-%d-layers", c.services, c.layers), func(b *testing.B) {
			before := apply(b, empty(), fleet(c.services, c.layers, 0)...)
			ramp := state.Change{Mask: []string{"ranges"}, Layer: &adminv1.Layer{
				LayerId: "layer_1", Ranges: []*configv1.Range{slots(0, 3000, 1), slots(3000, 6000, 2)},
			}}
			notes := state.Change{Mask: []string{"description"}, Layer: &adminv1.Layer{LayerId: "layer_1", Description: "x"}}
			params := state.Change{Mask: []string{"variants"}, Experiment: &adminv1.Experiment{Eid: 1, Variants: []*configv1.Variant{
				{Vid: 1, ParamsJson: `{"param_1":{"weight":1}}`}, {Vid: 2, ParamsJson: `{"param_1":{"weight":2}}`},
			}}}
			b.Run("ramp", func(b *testing.B) { benchmarkMake(b, before, apply(b, before, ramp)) })
			b.Run("params", func(b *testing.B) { benchmarkMake(b, before, apply(b, before, params)) })
			b.Run("notes", func(b *testing.B) { benchmarkMake(b, before, apply(b, before, notes)) })
		})
	}
}
