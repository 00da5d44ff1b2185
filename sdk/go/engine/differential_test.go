package engine_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/strata-exp/strata/sdk/conformance/generate"
	"github.com/strata-exp/strata/sdk/go/engine"
)

var (
	differentialCases = flag.Int("differential.cases", 10_000, "random cases to compare with the naive implementation")
	differentialSeed  = flag.Uint64("differential.seed", 0, "seed of the first case; 0 picks one")
)

// TestAgreesWithNaive compares the engine with the naive implementation on
// random configurations, each asked many times and then changed, so that caches
// and shared parts take part.
func TestAgreesWithNaive(t *testing.T) {
	t.Parallel()
	const contextsPerConfiguration = 20
	seed := *differentialSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	matched := 0
	for done := 0; done < *differentialCases; seed++ {
		g := generate.New(seed, 0)
		snapshot := g.Snapshot()
		rules, err := engine.Compile(nil, snapshot)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		for range 3 {
			for range contextsPerConfiguration {
				service, context, only := g.Service(), g.Context(), g.Layers(snapshot)
				want := naive{snapshot}.evaluate(service, parsed(t, context), only)
				if err := compare(rules, service, context, only, want); err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
				matched += len(want.VIDs)
				done++
			}
			snapshot = g.Next(snapshot)
			if rules, err = engine.Compile(rules, snapshot); err != nil {
				t.Fatalf("seed %d: after a change: %v", seed, err)
			}
		}
	}
	if matched < *differentialCases/4 {
		t.Errorf("only %d matches in %d cases: the cases say little", matched, *differentialCases)
	}
}

// parsed is a context as encoding/json reads it.
func parsed(t *testing.T, context string) map[string]any {
	t.Helper()
	var values map[string]any
	if err := json.Unmarshal([]byte(context), &values); err != nil {
		t.Fatal(err)
	}
	return values
}

func compare(rules *engine.Ruleset, service, context string, only []string, want naiveResult) error {
	ctx, err := engine.ParseContext(context)
	if err != nil {
		return err
	}
	got := rules.Evaluate(service, ctx, only, nil)
	if err := sameResult(got, want); err != nil {
		return fmt.Errorf("service %s, context %s, layers %q: %w", service, context, only, err)
	}
	explained := rules.Explain(service, ctx, only)
	if err := sameResult(explained.Result, want); err != nil {
		return fmt.Errorf("explained: service %s, context %s, layers %q: %w", service, context, only, err)
	}
	return explanationAgrees(explained)
}

func sameResult(got *engine.Result, want naiveResult) error {
	var parameters map[string]any
	if err := json.Unmarshal([]byte(got.Parameters), &parameters); err != nil {
		return fmt.Errorf("parameters %s: %w", got.Parameters, err)
	}
	if r := (naiveResult{parameters, got.VIDs, got.MatchedLayers}); !reflect.DeepEqual(r, want) {
		return fmt.Errorf("got %v, want %v", r, want)
	}
	return nil
}

// explanationAgrees checks that the layers and parameters of an explanation add
// up to its result.
func explanationAgrees(e *engine.Explanation) error {
	var vids []int32
	for _, l := range e.Layers {
		if l.Outcome == engine.Matched {
			vids = append(vids, l.VID)
		}
	}
	if fmt.Sprint(vids) != fmt.Sprint(e.Result.VIDs) {
		return fmt.Errorf("explained layers match %v, the result has %v", vids, e.Result.VIDs)
	}
	var parameters any
	if err := json.Unmarshal([]byte(e.Result.Parameters), &parameters); err != nil {
		return err
	}
	leaves := map[string]string{}
	collectLeaves(leaves, "", parameters)
	for _, p := range e.Parameters {
		want, ok := leaves[p.Path]
		if !ok {
			if len(p.Hidden) == 0 {
				return fmt.Errorf("explained path %q is no leaf and hides nothing", p.Path)
			}
			continue
		}
		var value any
		if err := json.Unmarshal([]byte(p.Winner.Value), &value); err != nil {
			return err
		}
		if got, _ := json.Marshal(value); string(got) != want {
			return fmt.Errorf("at %q the winner has %s, the result %s", p.Path, got, want)
		}
		delete(leaves, p.Path)
	}
	if len(leaves) > 0 {
		return fmt.Errorf("unexplained: %v", leaves)
	}
	return nil
}

func collectLeaves(leaves map[string]string, path string, value any) {
	if object, ok := value.(map[string]any); ok && (len(object) > 0 || path == "") {
		for key, child := range object {
			collectLeaves(leaves, path+"/"+escapePointer.Replace(key), child)
		}
		return
	}
	text, _ := json.Marshal(value)
	leaves[path] = string(text)
}

var escapePointer = strings.NewReplacer("~", "~0", "/", "~1")
