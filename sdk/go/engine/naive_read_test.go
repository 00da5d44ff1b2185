package engine_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	"github.com/strata-exp/strata/sdk/conformance/generate"
	"github.com/strata-exp/strata/sdk/go/engine"
)

var readCases = flag.Int("differential.reads", 10_000, "random readings to compare with the naive implementation, and a tenth as many changes")

// naiveReading is what docs/semantics.md, Reading parameters, says of a path.
// Matches are indexes into the VIDs of the result.
type naiveReading struct {
	Value           any
	Found, Known    bool
	Winner          int
	Exposed, Hidden []int
}

// read reads a path in a result of n, with nothing kept from one path to the
// next.
func (n naive) read(service string, result naiveResult, path string) naiveReading {
	keys := naivePath(path)
	r := naiveReading{Winner: -1, Known: n.knows(service, keys)}
	r.Value, r.Found = naiveAt(result.Parameters, keys)
	for i, vid := range result.VIDs {
		above := n.merged(result.VIDs[:i])
		if _, found := naiveAt(n.merged(result.VIDs[:i+1]), keys); found && r.Winner < 0 {
			r.Winner = i
		}
		var met [][]string
		for _, leaf := range naiveLeaves(n.experimentOf(vid)) {
			if naiveBegins(leaf, keys) || naiveBegins(keys, leaf) {
				met = append(met, leaf)
			}
		}
		hidden := len(met) > 0 && !slices.ContainsFunc(met, func(leaf []string) bool { return !naiveCovered(above, leaf) })
		switch {
		case hidden:
			r.Hidden = append(r.Hidden, i)
		case len(met) > 0 || len(keys) == 0:
			r.Exposed = append(r.Exposed, i)
		}
	}
	return r
}

// knows reports whether an experiment that has a variant in a layer has a value
// at a path, or a layer names the service, for the empty one.
func (n naive) knows(service string, keys []string) bool {
	for _, l := range n.snapshot.GetLayers() {
		if l.GetService() == service && len(keys) == 0 {
			return true
		}
	}
	for _, e := range n.snapshot.GetExperiments() {
		if e.GetService() != service || n.home(e) == nil {
			continue
		}
		for _, v := range e.GetVariants() {
			if _, found := naiveAt(naiveParams(v), keys); found {
				return true
			}
		}
	}
	return false
}

func (n naive) experimentOf(vid int32) *configv1.Experiment {
	for _, e := range n.snapshot.GetExperiments() {
		for _, v := range e.GetVariants() {
			if v.GetVid() == vid {
				return e
			}
		}
	}
	return nil
}

// merged merges the parameters of some variants, highest priority first.
func (n naive) merged(vids []int32) map[string]any {
	all := map[string]any{}
	for _, vid := range vids {
		for _, v := range n.experimentOf(vid).GetVariants() {
			if v.GetVid() == vid {
				naiveMerge(all, naiveParams(v))
			}
		}
	}
	return all
}

func naiveParams(v *configv1.Variant) map[string]any {
	var params map[string]any
	if err := json.Unmarshal([]byte(v.GetParamsJson()), &params); err != nil {
		panic(err)
	}
	return params
}

// naivePath hides what is escaped, splits, and brings it back.
func naivePath(path string) []string {
	if path == "" {
		return nil
	}
	const backslash, dot = "\ue001backslash", "\ue001dot"
	path = strings.NewReplacer(`\\`, backslash, `\.`, dot).Replace(path)
	keys := strings.Split(path, ".")
	for i := range keys {
		keys[i] = strings.NewReplacer(backslash, `\`, dot, ".").Replace(keys[i])
	}
	return keys
}

func naiveAt(value any, keys []string) (any, bool) {
	for _, key := range keys {
		object, ok := value.(map[string]any)
		if !ok {
			return nil, false
		}
		if value, ok = object[key]; !ok {
			return nil, false
		}
	}
	return value, true
}

// naiveLeaves returns the keys to each value of each variant that is no object.
func naiveLeaves(e *configv1.Experiment) [][]string {
	var leaves [][]string
	var walk func(keys []string, value any)
	walk = func(keys []string, value any) {
		object, ok := value.(map[string]any)
		if !ok {
			leaves = append(leaves, keys)
		}
		for key, child := range object {
			walk(append(slices.Clone(keys), key), child)
		}
	}
	for _, v := range e.GetVariants() {
		walk(nil, naiveParams(v))
	}
	return leaves
}

// naiveBegins reports whether keys begin with start, or are it.
func naiveBegins(keys, start []string) bool {
	return len(start) <= len(keys) && slices.Equal(keys[:len(start)], start)
}

// naiveCovered reports whether there is a value at a leaf, or one that is no
// object at the beginning of the path to it.
func naiveCovered(merged map[string]any, leaf []string) bool {
	if _, found := naiveAt(merged, leaf); found {
		return true
	}
	for i := range leaf {
		if value, found := naiveAt(merged, leaf[:i]); found {
			if _, object := value.(map[string]any); !object {
				return true
			}
		}
	}
	return false
}

// TestReadAgreesWithNaive compares readings, and which leaves there are, with the
// naive implementation, on random configurations that change.
func TestReadAgreesWithNaive(t *testing.T) {
	t.Parallel()
	seed := *differentialSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	found, hidden := 0, 0
	for done := 0; done < *readCases; seed++ {
		g := generate.New(seed, 1)
		snapshot := g.Snapshot()
		var rules *engine.Ruleset
		for range 3 {
			var err error
			if rules, err = engine.Compile(rules, snapshot); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			n, paths := naive{snapshot}, generate.PathsOf(snapshot)
			for range 10 {
				service, context := g.Service(), g.Context()
				want := n.evaluate(service, parsed(t, context), nil)
				ctx, err := engine.ParseContext(context)
				if err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
				result := rules.Evaluate(service, ctx, nil, nil)
				for range 3 {
					path := g.Path(paths, service)
					reading := n.read(service, want, path)
					if err := sameReading(rules, service, result, path, reading); err != nil {
						t.Fatalf("seed %d: service %s, context %s, path %q: %v", seed, service, context, path, err)
					}
					done++
					if reading.Found {
						found++
					}
					hidden += len(reading.Hidden)
				}
				if err := sameLeaves(n, rules, result); err != nil {
					t.Fatalf("seed %d: service %s, context %s: %v", seed, service, context, err)
				}
			}
			snapshot = g.Next(snapshot)
		}
	}
	if found < *readCases/10 || hidden < *readCases/50 {
		t.Errorf("%d found and %d hidden in %d readings: they say little", found, hidden, *readCases)
	}
}

func sameReading(rules *engine.Ruleset, service string, result *engine.Result, path string, want naiveReading) error {
	reading := rules.Read(result, path)
	got := naiveReading{Found: reading.Value != "", Known: rules.Knows(service, path), Winner: int(reading.Winner)}
	if got.Found {
		if err := json.Unmarshal([]byte(reading.Value), &got.Value); err != nil {
			return fmt.Errorf("the value %s: %w", reading.Value, err)
		}
	}
	for _, i := range reading.Exposed {
		got.Exposed = append(got.Exposed, int(i))
	}
	for _, i := range reading.Hidden {
		got.Hidden = append(got.Hidden, int(i))
	}
	if !reflect.DeepEqual(got, want) {
		return fmt.Errorf("got %+v, want %+v", got, want)
	}
	return nil
}

// sameLeaves checks that the leaves of a result are those of the experiments in
// it, each with what is read there.
func sameLeaves(n naive, rules *engine.Ruleset, result *engine.Result) error {
	var want []string
	for _, vid := range result.VIDs {
		for _, keys := range naiveLeaves(n.experimentOf(vid)) {
			if path := engine.JoinPath(keys); path != "" {
				want = append(want, path)
			}
		}
	}
	slices.Sort(want)
	want = slices.Compact(want)
	var got []string
	for _, leaf := range rules.Leaves(result) {
		got = append(got, leaf.Path)
		if reading := rules.Read(result, leaf.Path); !reflect.DeepEqual(reading, leaf.Reading) {
			return fmt.Errorf("at the leaf %q: %+v, read: %+v", leaf.Path, leaf.Reading, reading)
		}
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("leaves: got %q, want %q", got, want)
	}
	return nil
}
