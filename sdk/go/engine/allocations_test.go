//go:build !race

package engine_test

import (
	"testing"

	"github.com/strata-exp/strata/sdk/go/engine"
)

// TestEvaluateSeenAllocatesNothing holds the promise of Evaluate's comment. The
// race detector makes sync.Pool forget at random, so it runs without.
func TestEvaluateSeenAllocatesNothing(t *testing.T) {
	s := mergeOf(10, 3, 5, true)
	for _, e := range s.Experiments {
		e.Rule = countryAndAge()
	}
	rules := compile(t, s)
	ctx := append(userContext(benchUser),
		engine.Attribute{Name: "country", Value: engine.StringValue("US")},
		engine.Attribute{Name: "age", Value: engine.NumberValue(30)})
	meter := &engine.Meter{}
	if n := len(rules.Evaluate("service", ctx, nil, meter).VIDs); n != 10 || meter.Rules != 10 || meter.Merges != 1 {
		t.Fatalf("matched %d layers by %d rules and %d merges, want 10, 10 and 1", n, meter.Rules, meter.Merges)
	}
	if allocs := testing.AllocsPerRun(1000, func() { rules.Evaluate("service", ctx, nil, meter) }); allocs != 0 {
		t.Errorf("%v allocations, want none", allocs)
	}
	if meter.Merges != 1 {
		t.Errorf("%d merges, want the first one only", meter.Merges)
	}
}
