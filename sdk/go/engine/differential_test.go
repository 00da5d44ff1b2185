package engine_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"google.golang.org/protobuf/proto"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
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
		g := generator{rand.New(rand.NewPCG(seed, 0))}
		snapshot := g.snapshot()
		rules, err := engine.Compile(nil, snapshot)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		for range 3 {
			for range contextsPerConfiguration {
				service, context, only := pick(g, someServices...), g.context(), []string(nil)
				if g.IntN(4) == 0 {
					only = []string{pick(g, snapshot.Layers...).LayerId, "no such layer"}
				}
				want := naive{snapshot}.evaluate(service, context, only)
				if err := compare(rules, service, context, only, want); err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
				matched += len(want.VIDs)
				done++
			}
			snapshot = g.mutate(snapshot)
			if rules, err = engine.Compile(rules, snapshot); err != nil {
				t.Fatalf("seed %d: after a change: %v", seed, err)
			}
		}
	}
	if matched < *differentialCases/4 {
		t.Errorf("only %d matches in %d cases: the cases say little", matched, *differentialCases)
	}
}

func compare(rules *engine.Ruleset, service string, context map[string]any, only []string, want naiveResult) error {
	text, err := json.Marshal(context)
	if err != nil {
		return err
	}
	ctx, err := engine.ParseContext(string(text))
	if err != nil {
		return err
	}
	got := rules.Evaluate(service, ctx, only, nil)
	if err := sameResult(got, want); err != nil {
		return fmt.Errorf("service %s, context %s, layers %q: %w", service, text, only, err)
	}
	explained := rules.Explain(service, ctx, only)
	if err := sameResult(explained.Result, want); err != nil {
		return fmt.Errorf("explained: service %s, context %s, layers %q: %w", service, text, only, err)
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
			collectLeaves(leaves, path+"/"+key, child)
		}
		return
	}
	text, _ := json.Marshal(value)
	leaves[path] = string(text)
}

// mutate returns a configuration that differs a little and is valid. Messages
// that do not change stay the same.
func (g generator) mutate(s *configv1.Snapshot) *configv1.Snapshot {
	next := &configv1.Snapshot{Revision: s.Revision + 1}
	next.Layers = append(next.Layers, s.Layers...)
	next.Experiments = append(next.Experiments, s.Experiments...)
	next.Fields = append(next.Fields, s.Fields...)
	for range 1 + g.IntN(3) {
		l, e := g.IntN(len(next.Layers)), g.IntN(len(next.Experiments))
		layer, experiment := proto.CloneOf(next.Layers[l]), proto.CloneOf(next.Experiments[e])
		switch g.IntN(6) {
		case 0:
			layer.Enabled = !layer.Enabled
		case 1:
			layer.Priority += int32(g.IntN(5)) - 2
		case 2:
			layer.Ranges = layer.Ranges[:g.IntN(len(layer.Ranges)+1)]
		case 3:
			experiment.Rule = g.rule(s, 3)
		case 4:
			experiment.Variants[0].ParamsJson = g.params(3)
		case 5:
			experiment.Service = pick(g, someServices...)
		}
		next.Layers[l], next.Experiments[e] = layer, experiment
	}
	return next
}
