package engine_test

import (
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	"github.com/strata-exp/strata/sdk/go/engine"
)

func compile(t *testing.T, s *configv1.Snapshot) *engine.Ruleset {
	t.Helper()
	rules, err := engine.Compile(nil, s)
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

func userContext(id string) engine.Context {
	return engine.Context{{Name: "user_id", Value: engine.StringValue(id)}}
}

func TestNilRulesetIsEmpty(t *testing.T) {
	t.Parallel()
	var rules *engine.Ruleset
	result := rules.Evaluate("s", userContext("u"), nil, nil)
	if result.Parameters != "{}" || result.VIDs == nil || result.MatchedLayers == nil {
		t.Errorf("got %+v, want empty parameters and lists", result)
	}
	if e := rules.Explain("s", userContext("u"), nil); len(e.Layers) != 0 || e.Result.Parameters != "{}" {
		t.Errorf("got %+v, want an empty explanation", e)
	}
	if rules.Revision() != 0 || rules.Layers() != 0 || rules.Experiments() != 0 || rules.LayerIDs() != nil {
		t.Error("an empty configuration has something in it")
	}
}

func TestMeterMeasures(t *testing.T) {
	t.Parallel()
	s := mergeOf(2, 1, 1, true)
	s.Experiments[0].Rule = countryAndAge()
	clock := int64(0)
	meter := &engine.Meter{Now: func() int64 { clock += 5; return clock }}
	compile(t, s).Evaluate("service", userContext(benchUser), nil, meter)
	if meter.Rules != 1 || meter.RuleNanos != 5 || meter.Merges != 1 || meter.MergeNanos != 5 {
		t.Errorf("got %+v, want one rule and one merge of 5 ns each", meter)
	}
}

// TestResultsSurviveRevisions shows that a change keeps the results that it
// does not touch at hand, and that it never serves an old one.
func TestResultsSurviveRevisions(t *testing.T) {
	t.Parallel()
	before := mergeOf(2, 1, 2, true)
	old := compile(t, before)
	first := old.Evaluate("service", userContext(benchUser), nil, nil)

	after := &configv1.Snapshot{Revision: 2, Layers: before.Layers, Experiments: before.Experiments}
	after.Fields = []*configv1.Field{{Name: "unused", Type: configv1.FieldType_FIELD_TYPE_INT}}
	next, err := engine.Compile(old, after)
	if err != nil {
		t.Fatal(err)
	}
	if next.Evaluate("service", userContext(benchUser), nil, nil) != first {
		t.Error("an untouched combination was merged again")
	}

	changed := &configv1.Experiment{Eid: 1, Service: "service", Variants: []*configv1.Variant{{Vid: 1, ParamsJson: `{"new":1}`}}}
	next, err = next.Apply(engine.Change{Revision: 3, Experiments: []*configv1.Experiment{changed}})
	if err != nil {
		t.Fatal(err)
	}
	if got := next.Evaluate("service", userContext(benchUser), nil, nil).Parameters; !strings.Contains(got, `"new":1`) {
		t.Errorf("got %s, want the new parameters", got)
	}
	if got := old.Evaluate("service", userContext(benchUser), nil, nil); got.Parameters != first.Parameters {
		t.Errorf("the old revision now answers %s", got.Parameters)
	}
	if next.Revision() != 3 || old.Revision() != 1 {
		t.Errorf("got revisions %d and %d, want 3 and 1", next.Revision(), old.Revision())
	}
}

// TestManyGoroutines evaluates and replaces at once; the race detector watches.
func TestManyGoroutines(t *testing.T) {
	t.Parallel()
	const goroutines, rounds = 4, 300
	s := compileOf(20)
	rules := compile(t, s)
	var wait sync.WaitGroup
	for g := range goroutines {
		wait.Go(func() {
			mine := rules
			for i := range rounds {
				ctx := append(userContext(fmt.Sprintf("user_%d_%d", g, i)),
					engine.Attribute{Name: "country", Value: engine.StringValue("US")},
					engine.Attribute{Name: "age", Value: engine.NumberValue(float64(i % 40))})
				service := fmt.Sprintf("service_%d", i%20)
				if got, want := mine.Evaluate(service, ctx, nil, nil), mine.Explain(service, ctx, nil).Result; got.Parameters != want.Parameters {
					t.Errorf("evaluated %s, explained %s", got.Parameters, want.Parameters)
				}
				changed := compileOf(20).Layers[i%20]
				changed.Ranges = changed.Ranges[:1+i%3]
				next, err := mine.Apply(engine.Change{Revision: int64(i), Layers: []*configv1.Layer{changed}})
				if err != nil {
					t.Error(err)
					return
				}
				mine = next
			}
		})
	}
	wait.Wait()
}

// TestCacheStaysBounded merges far more combinations than fit.
func TestCacheStaysBounded(t *testing.T) {
	t.Parallel()
	big := strings.Repeat("x", 100_000)
	s := &configv1.Snapshot{}
	for i := range 16 {
		e := &configv1.Experiment{Eid: int32(i + 1), Service: "service"}
		l := &configv1.Layer{LayerId: strconv.Itoa(i), HashKey: "user_id", Salt: fmt.Sprint("salt", i), Enabled: true}
		for j := range int32(2) {
			vid := int32(2*i) + j + 1
			e.Variants = append(e.Variants, &configv1.Variant{Vid: vid, ParamsJson: fmt.Sprintf(`{"k%d":"%d%s"}`, i, j, big[:len(big)/16])})
			l.Ranges = append(l.Ranges, &configv1.Range{Start: 5000 * j, End: 5000 * (j + 1), Vid: vid})
		}
		s.Experiments, s.Layers = append(s.Experiments, e), append(s.Layers, l)
	}
	rules := compile(t, s)
	for i := range 3000 {
		rules.Evaluate("service", userContext(strconv.Itoa(i)), nil, nil)
	}
	if used, most := rules.CacheBytes(); used > most || used < most/2 {
		t.Errorf("the cache holds %d bytes, want it filled up to %d", used, most)
	}
	// A combination that is asked for now gets in though the cache is full.
	for i := range 100 {
		ctx, meter := userContext(fmt.Sprintf("late_%d", i)), &engine.Meter{}
		rules.Evaluate("service", ctx, nil, nil)
		if rules.Evaluate("service", ctx, nil, meter); meter.Merges > 0 {
			t.Fatalf("late_%d was merged twice in a row", i)
		}
	}
}

// TestCacheKeepsNoRevisionAlive looks at the heap, since the cache can only
// count what it knows of.
func TestCacheKeepsNoRevisionAlive(t *testing.T) { // not parallel: it measures the heap
	const revisions, bytes = 50, 1 << 20
	big := func(i int) *configv1.Experiment {
		e := &configv1.Experiment{Eid: 1, Service: "s"}
		for vid := range int32(10) {
			text := fmt.Sprintf(`{"i":%d,"text":"%s"}`, i, strings.Repeat("x", bytes/10))
			if vid == 0 {
				text = fmt.Sprintf(`{"i":%d}`, i) // the one that is asked for, and so cached
			}
			e.Variants = append(e.Variants, &configv1.Variant{Vid: vid + 1, ParamsJson: text})
		}
		return e
	}
	s := oneVariant("{}")
	s.Experiments = []*configv1.Experiment{big(0)}
	rules := compile(t, s)
	before := heap()
	for i := range revisions {
		rules.Evaluate("s", userContext("u"), nil, nil)
		var err error
		if rules, err = rules.Apply(engine.Change{Revision: int64(i), Experiments: []*configv1.Experiment{big(i + 1)}}); err != nil {
			t.Fatal(err)
		}
	}
	if grown := int64(heap()) - int64(before); grown > 5*bytes {
		t.Errorf("%d revisions of %d bytes left %d bytes behind", revisions, bytes, grown)
	}
	runtime.KeepAlive(rules)
}

func heap() uint64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.GC() // what pools held is freed at the second one
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// TestExplainClipsWholeCharacters shows a long value whose cut falls into the
// middle of a character.
func TestExplainClipsWholeCharacters(t *testing.T) {
	t.Parallel()
	rules := compile(t, oneVariant("{}"))
	for pad := range 4 {
		ctx, err := engine.ParseContext(`{"user_id":["` + strings.Repeat("a", pad) + strings.Repeat("é", 40) + `"]}`)
		if err != nil {
			t.Fatal(err)
		}
		if detail := rules.Explain("s", ctx, nil).Layers[0].Detail; !utf8.ValidString(detail) {
			t.Errorf("the detail is not valid UTF-8: %q", detail)
		}
	}
}

func TestExplainSaysWhyNotHashed(t *testing.T) {
	t.Parallel()
	rules := compile(t, oneVariant("{}"))
	for json, want := range map[string]string{
		`{}`:                "the context has no user_id",
		`{"user_id":1.5}`:   "numbers with a fraction are not hashed",
		`{"user_id":1e300}`: "whole numbers beyond 2^53 - 1 are not hashed",
		`{"user_id":""}`:    "the empty string is not hashed",
		`{"user_id":null}`:  "only strings and whole numbers can be hashed",
	} {
		ctx, err := engine.ParseContext(json)
		if err != nil {
			t.Fatal(err)
		}
		if l := rules.Explain("s", ctx, nil).Layers[0]; l.Outcome != engine.NoKey || !strings.Contains(l.Detail, want) {
			t.Errorf("%s: got %v, %s; want %s", json, l.Outcome, l.Detail, want)
		}
	}
}

// TestExplainIsBounded explains parameters whose paths are together thousands
// of times as long as they are.
func TestExplainIsBounded(t *testing.T) {
	t.Parallel()
	const depth = engine.MaxParamsDepth - 1
	var leaves strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&leaves, `"%d":1,`, i)
	}
	key := strings.Repeat("k", engine.MaxKeyBytes)
	text := strings.Repeat(`{"`+key+`":`, depth) + `{` + leaves.String() + `"last":1}` + strings.Repeat(`}`, depth)
	e := compile(t, oneVariant(text)).Explain("s", userContext("u"), nil)
	paths := 0
	for _, p := range e.Parameters {
		paths += len(p.Path)
	}
	if !e.Truncated || paths > engine.MaxPathBytes || len(e.Result.Parameters) != len(text) {
		t.Errorf("truncated %t, with %d bytes of paths and %d of %d bytes of parameters",
			e.Truncated, paths, len(e.Result.Parameters), len(text))
	}
}

// TestManyNamesAreForgotten churns through field names.
func TestManyNamesAreForgotten(t *testing.T) {
	t.Parallel()
	rules := compile(t, oneVariant("{}"))
	for i := range 20_000 {
		var err error
		rules, err = rules.Apply(engine.Change{Layers: []*configv1.Layer{{
			LayerId: "l", HashKey: fmt.Sprintf("key_%d", i), Salt: "s", Enabled: true, Ranges: []*configv1.Range{{End: 10000, Vid: 1}},
		}}})
		if err != nil {
			t.Fatal(err)
		}
	}
	if n := rules.Symbols(); n > 10_000 {
		t.Errorf("%d names are known, though 3 are in use", n)
	}
	ctx := engine.Context{{Name: "key_19999", Value: engine.StringValue("u")}}
	if got := rules.Evaluate("s", ctx, nil, nil); len(got.VIDs) != 1 {
		t.Errorf("got %v, want a match", got)
	}
}
