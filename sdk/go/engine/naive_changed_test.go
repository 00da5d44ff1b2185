package engine_test

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	"github.com/strata-exp/strata/sdk/conformance/generate"
	"github.com/strata-exp/strata/sdk/go/engine"
)

// naiveChanged returns service.path of each leaf of each experiment that stands
// in a layer and not in the same one of the other configuration, or not as it is.
func naiveChanged(before, after naive) []string {
	keys := map[string]struct{}{}
	for _, side := range [][2]naive{{before, after}, {after, before}} {
		one, other := side[0], side[1]
		for _, e := range one.snapshot.GetExperiments() {
			home := one.home(e)
			if home == nil || other.hasSame(one, home, e) {
				continue
			}
			for _, leaf := range naiveLeaves(e) {
				if path := engine.JoinPath(leaf); path != "" {
					keys[e.GetService()+"."+path] = struct{}{}
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(keys))
}

// hasSame reports whether n has an experiment of other in the same layer, with
// nothing changed.
func (n naive) hasSame(other naive, home *configv1.Layer, e *configv1.Experiment) bool {
	for _, mine := range n.snapshot.GetExperiments() {
		if mine.GetEid() == e.GetEid() {
			return proto.Equal(mine, e) && proto.Equal(n.home(mine), home) && n.sameTypes(other, e.GetRule())
		}
	}
	return false
}

// home returns the layer of an experiment, nil if it stands in none.
func (n naive) home(e *configv1.Experiment) *configv1.Layer {
	for _, l := range n.snapshot.GetLayers() {
		for _, r := range l.GetRanges() {
			for _, v := range e.GetVariants() {
				if v.GetVid() == r.GetVid() {
					return l
				}
			}
		}
	}
	return nil
}

// sameTypes reports whether the fields of a rule are declared alike.
func (n naive) sameTypes(other naive, rule *configv1.Rule) bool {
	if n.declared(rule.GetField()) != other.declared(rule.GetField()) {
		return false
	}
	return !slices.ContainsFunc(rule.GetChildren(), func(child *configv1.Rule) bool { return !n.sameTypes(other, child) })
}

func (n naive) declared(field string) configv1.FieldType {
	for _, f := range n.snapshot.GetFields() {
		if f.GetName() == field {
			return f.GetType()
		}
	}
	return configv1.FieldType_FIELD_TYPE_UNSPECIFIED
}

// TestChangedAgreesWithNaive compares what a change may touch with the naive
// implementation.
func TestChangedAgreesWithNaive(t *testing.T) {
	t.Parallel()
	seed := *differentialSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	for done := 0; done < *readCases/10; seed++ {
		g := generate.New(seed, 2)
		snapshot := g.Snapshot()
		rules := compile(t, snapshot)
		for range 4 {
			next := g.Next(snapshot)
			changed, err := engine.Compile(rules, next)
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			if got, want := engine.Changed(rules, changed), naiveChanged(naive{snapshot}, naive{next}); !slices.Equal(got, want) {
				t.Fatalf("seed %d, revision %d: got %q, want %q", seed, next.GetRevision(), got, want)
			}
			snapshot, rules = next, changed
			done++
		}
	}
}
