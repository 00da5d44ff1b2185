package engine_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"testing"

	"github.com/cespare/xxhash/v2"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	"github.com/strata-exp/strata/sdk/go/engine"
)

// The benchmarks run the workloads of the mission's tables. Each names the
// mission's own figure, where it has one, in its last column; docs/performance.md
// says how they are taken and what they came to.

// reference reports the mission's figure beside ours.
func reference(b *testing.B, ns float64) {
	b.Helper()
	b.ReportMetric(ns, "mission-ns/op")
}

func mustCompile(b *testing.B, s *configv1.Snapshot) *engine.Ruleset {
	b.Helper()
	rules, err := engine.Compile(nil, s)
	if err != nil {
		b.Fatal(err)
	}
	return rules
}

func evaluate(b *testing.B, rules *engine.Ruleset, service string, ctx engine.Context) {
	b.Helper()
	b.ReportAllocs()
	for b.Loop() {
		rules.Evaluate(service, ctx, nil, nil)
	}
}

func BenchmarkLayerBucket(b *testing.B) {
	const key = "user_00000000000000000001" // 25 bytes
	b.Run("same-key", func(b *testing.B) {
		bucket := engine.NewBucket("click_exp_2024")
		bucket.SetKey(key)
		b.ReportAllocs()
		for b.Loop() {
			bucket.Slot()
		}
		reference(b, 98)
	})
	b.Run("new-key", func(b *testing.B) {
		bucket := engine.NewBucket("click_exp_2024")
		b.ReportAllocs()
		for b.Loop() {
			bucket.SetKey(key)
			bucket.Slot()
		}
		reference(b, 98)
	})
	// What is left to win: the library on bytes that are joined already.
	b.Run("xxhash-alone", func(b *testing.B) {
		joined := []byte("click_exp_2024\x00" + key)
		b.ReportAllocs()
		for b.Loop() {
			xxhash.Sum64(joined)
		}
	})
}

// layersOf makes the mission's layer filtering workload: n experiments, each of
// one of ten services, and n layers with one range each.
func layersOf(n, services int) *configv1.Snapshot {
	r := rand.New(rand.NewPCG(1, 2))
	s := &configv1.Snapshot{Revision: 1}
	for i := range n {
		vid := int32(i + 1)
		s.Experiments = append(s.Experiments, &configv1.Experiment{
			Eid: vid, Service: fmt.Sprintf("service_%d", r.IntN(services)),
			Variants: []*configv1.Variant{{Vid: vid, ParamsJson: fmt.Sprintf(`{"feature":%d}`, i)}},
		})
		start := r.Int32N(9000)
		s.Layers = append(s.Layers, &configv1.Layer{
			LayerId: fmt.Sprintf("layer_%d", i), Version: "v1", Priority: int32(1_000_000 - 10*i), HashKey: "user_id",
			Salt: fmt.Sprintf("salt_%d", r.IntN(1000)), Enabled: true,
			Ranges: []*configv1.Range{{Start: start, End: start + 100 + r.Int32N(900), Vid: vid}},
		})
	}
	return s
}

func BenchmarkLayerIndex(b *testing.B) {
	mission := map[int]float64{1_000: 3_000, 10_000: 35_000, 50_000: 230_000}
	for _, n := range []int{1_000, 10_000, 50_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			rules := mustCompile(b, layersOf(n, 10))
			b.ReportAllocs()
			for b.Loop() {
				rules.ServiceLayers("service_0")
			}
			reference(b, mission[n])
		})
	}
}

func BenchmarkLayerEvaluate(b *testing.B) {
	for _, n := range []int{1_000, 10_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			rules := mustCompile(b, layersOf(n, 10))
			evaluate(b, rules, "service_0", engine.Context{{Name: "user_id", Value: engine.StringValue("user_12345")}})
		})
	}
}

func BenchmarkLayerWithRule(b *testing.B) {
	s := &configv1.Snapshot{
		Layers: []*configv1.Layer{{
			LayerId: "l", HashKey: "user_id", Salt: "salt_2024", Enabled: true,
			Ranges: []*configv1.Range{{Start: 0, End: 5000, Vid: 1}, {Start: 5000, End: 10000, Vid: 2}},
		}},
		Experiments: []*configv1.Experiment{{Eid: 1, Service: "s", Rule: countryAndAge(), Variants: []*configv1.Variant{
			{Vid: 1, ParamsJson: `{"algorithm":"baseline","timeout":100}`},
			{Vid: 2, ParamsJson: `{"algorithm":"new_model","timeout":200}`},
		}}},
	}
	rules := mustCompile(b, s)
	b.ReportAllocs()
	contexts := make([]engine.Context, 1000)
	for i := range contexts {
		contexts[i] = engine.Context{
			{Name: "user_id", Value: engine.StringValue(fmt.Sprintf("user_%d", i))},
			{Name: "country", Value: engine.StringValue("US")},
			{Name: "age", Value: engine.NumberValue(25)},
		}
	}
	i := 0
	for b.Loop() {
		rules.Evaluate("s", contexts[i%len(contexts)], nil, nil)
		i++
	}
}

func countryAndAge() *configv1.Rule {
	return &configv1.Rule{Op: configv1.Operator_OPERATOR_AND, Children: []*configv1.Rule{
		{Op: configv1.Operator_OPERATOR_EQ, Field: "country", Values: texts("US")},
		{Op: configv1.Operator_OPERATOR_GTE, Field: "age", Values: numbers(18)},
	}}
}

func texts(all ...string) (values []*configv1.Value) {
	for _, s := range all {
		values = append(values, &configv1.Value{Kind: &configv1.Value_StringValue{StringValue: s}})
	}
	return values
}

func numbers(all ...float64) (values []*configv1.Value) {
	for _, f := range all {
		values = append(values, &configv1.Value{Kind: &configv1.Value_NumberValue{NumberValue: f}})
	}
	return values
}

// tree is the mission's merge workload: an object of the given depth and width,
// whose leaves are numbers, strings and bools.
func tree(r *rand.Rand, seed, depth, width int, prefix string) map[string]any {
	o := make(map[string]any, width)
	for i := range width {
		key := fmt.Sprintf("%sfield_%d_%d", prefix, depth, i)
		switch {
		case depth > 1:
			o[key] = tree(r, seed, depth-1, width, prefix)
		case r.IntN(3) == 0:
			o[key] = r.IntN(1000)
		case r.IntN(2) == 0:
			o[key] = fmt.Sprintf("value_%d_%d", seed, r.IntN(100))
		default:
			o[key] = r.IntN(2) == 0
		}
	}
	return o
}

const benchUser = "bench_user"

// mergeOf makes n layers that all match bench_user: one range of one slot, the
// one that the user falls into. With distinct, no two layers share a key.
func mergeOf(n, depth, width int, distinct bool) *configv1.Snapshot {
	r := rand.New(rand.NewPCG(3, 4))
	return matching(n, func(i int) any {
		prefix := ""
		if distinct {
			prefix = fmt.Sprintf("l%d_", i)
		}
		return tree(r, i, depth, width, prefix)
	})
}

func matching(n int, params func(i int) any) *configv1.Snapshot {
	s := &configv1.Snapshot{Revision: 1}
	for i := range n {
		vid := int32(i + 1)
		text, err := json.Marshal(params(i))
		if err != nil {
			panic(err)
		}
		s.Experiments = append(s.Experiments, &configv1.Experiment{
			Eid: vid, Service: "service", Variants: []*configv1.Variant{{Vid: vid, ParamsJson: string(text)}},
		})
		salt := fmt.Sprintf("salt_%d", i)
		slot := engine.Slot(salt, benchUser)
		s.Layers = append(s.Layers, &configv1.Layer{
			LayerId: fmt.Sprintf("layer_%d", i), Priority: int32(1_000_000 - 10*i), HashKey: "user_id", Salt: salt, Enabled: true,
			Ranges: []*configv1.Range{{Start: slot, End: slot + 1, Vid: vid}},
		})
	}
	return s
}

func benchMerge(b *testing.B, s *configv1.Snapshot, mission float64) {
	b.Helper()
	rules := mustCompile(b, s)
	ctx := engine.Context{{Name: "user_id", Value: engine.StringValue(benchUser)}}
	b.Run("seen", func(b *testing.B) {
		evaluate(b, rules, "service", ctx)
		if mission > 0 {
			reference(b, mission)
		}
	})
	b.Run("unseen", func(b *testing.B) {
		rules := mustCompile(b, s)
		rules.DisableCache()
		evaluate(b, rules, "service", ctx)
		if mission > 0 {
			reference(b, mission)
		}
	})
}

// benchNaive merges the same parameters as maps that are parsed already, and
// writes no JSON: the yardstick of the same run.
func benchNaive(b *testing.B, s *configv1.Snapshot) {
	b.Helper()
	var all []map[string]any
	for _, e := range s.Experiments {
		var params map[string]any
		if err := json.Unmarshal([]byte(e.Variants[0].ParamsJson), &params); err != nil {
			b.Fatal(err)
		}
		all = append(all, params)
	}
	b.Run("naive", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			result := map[string]any{}
			for _, params := range all {
				mergeCopies(result, params)
			}
		}
	})
}

// mergeCopies is naiveMerge for parameters that must stay as they are.
func mergeCopies(result, lower map[string]any) {
	for key, value := range lower {
		below, isObject := value.(map[string]any)
		present, ok := result[key]
		switch above, bothObjects := present.(map[string]any); {
		case !ok && isObject:
			fresh := make(map[string]any, len(below))
			mergeCopies(fresh, below)
			result[key] = fresh
		case !ok:
			result[key] = value
		case bothObjects && isObject:
			mergeCopies(above, below)
		}
	}
}

func BenchmarkMergeLayers(b *testing.B) {
	mission := map[int]float64{10: 820_000, 100: 6_800_000, 1000: 68_000_000, 5000: 331_000_000, 10000: 661_000_000}
	for _, n := range []int{10, 50, 100, 500, 1000, 5000, 10000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			s := mergeOf(n, 3, 5, false)
			benchMerge(b, s, mission[n])
			if n <= 1000 {
				benchNaive(b, s)
			}
		})
	}
}

func BenchmarkMergeDepth(b *testing.B) {
	mission := map[int]float64{1: 42_000, 3: 6_600_000, 5: 336_000_000}
	for _, depth := range []int{1, 2, 3, 5} {
		b.Run(strconv.Itoa(depth), func(b *testing.B) { benchMerge(b, mergeOf(100, depth, 5, false), mission[depth]) })
	}
}

func BenchmarkMergeWidth(b *testing.B) {
	for _, width := range []int{5, 10, 20} {
		b.Run(strconv.Itoa(width), func(b *testing.B) { benchMerge(b, mergeOf(100, 3, width, false), 0) })
	}
}

func BenchmarkMergeConflicts(b *testing.B) {
	for _, n := range []int{10, 50, 100, 500} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			benchMerge(b, matching(n, func(i int) any {
				return map[string]any{
					"common_field": i, "shared_config": map[string]any{"timeout": 100 + i, "retry": i % 5},
					"unique_field": fmt.Sprintf("value_%d", i),
				}
			}), 0)
		})
	}
}

func BenchmarkMergeDistinct(b *testing.B) {
	for _, n := range []int{10, 100, 1000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			s := mergeOf(n, 3, 5, true)
			benchMerge(b, s, 0)
			benchNaive(b, s)
		})
	}
}

// BenchmarkMergeOverlap merges layers that set 3 of 20 shared objects, each
// with keys of its own.
func BenchmarkMergeOverlap(b *testing.B) {
	for _, n := range []int{10, 100, 1000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			benchMerge(b, matching(n, func(i int) any {
				o := map[string]any{}
				for j := range 3 {
					o[fmt.Sprintf("shared_%d", (i+7*j)%20)] = map[string]any{fmt.Sprintf("own_%d", i): i, "timeout": j}
				}
				return o
			}), 0)
		})
	}
}

// compileOf makes n layers of three variants with five keys and a rule each.
func compileOf(n int) *configv1.Snapshot {
	s := &configv1.Snapshot{Revision: 1}
	for i := range n {
		e := &configv1.Experiment{Eid: int32(i + 1), Service: fmt.Sprintf("service_%d", i%101), Rule: countryAndAge()}
		l := &configv1.Layer{
			LayerId: fmt.Sprintf("layer_%d", i), Version: "v1", Priority: int32(i), HashKey: "user_id",
			Salt: fmt.Sprintf("salt_%d", i), Enabled: true,
		}
		for j := range int32(3) {
			vid := int32(3*i) + j + 1
			e.Variants = append(e.Variants, &configv1.Variant{Vid: vid, ParamsJson: fmt.Sprintf(
				`{"algorithm":"model_%d","timeout_ms":%d,"enabled":true,"weight":0.5,"name_%d":"value"}`, j, i, i%50)})
			l.Ranges = append(l.Ranges, &configv1.Range{Start: 3000 * j, End: 3000 * (j + 1), Vid: vid})
		}
		s.Experiments, s.Layers = append(s.Experiments, e), append(s.Layers, l)
	}
	return s
}

func BenchmarkCompileAll(b *testing.B) {
	for _, n := range []int{1_000, 10_000, 50_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			s := compileOf(n)
			b.ReportAllocs()
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			var rules *engine.Ruleset
			for b.Loop() {
				rules = mustCompile(b, s)
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(n), "B/layer")
			runtime.KeepAlive(rules)
		})
	}
}

// BenchmarkCompileChange applies a change of one layer to n.
func BenchmarkCompileChange(b *testing.B) {
	for _, n := range []int{1_000, 10_000, 50_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			s := compileOf(n)
			rules := mustCompile(b, s)
			one, two := compileOf(n/2 + 1).Layers[n/2], compileOf(n/2 + 1).Layers[n/2]
			two.Ranges[0].End = 2000
			b.ReportAllocs()
			for b.Loop() {
				next, err := rules.Apply(engine.Change{Revision: rules.Revision() + 1, Layers: []*configv1.Layer{two}})
				if err != nil {
					b.Fatal(err)
				}
				rules, one, two = next, two, one
			}
		})
	}
}

func BenchmarkRule(b *testing.B) {
	age, us := numbers(18), texts("US")
	var many []string
	for i := range 100 {
		many = append(many, fmt.Sprintf("C%d", i))
	}
	nested := func(op configv1.Operator, children ...*configv1.Rule) *configv1.Rule {
		return &configv1.Rule{Op: op, Children: children}
	}
	and, or, not := configv1.Operator_OPERATOR_AND, configv1.Operator_OPERATOR_OR, configv1.Operator_OPERATOR_NOT
	eq := &configv1.Rule{Op: configv1.Operator_OPERATOR_EQ, Field: "country", Values: us}
	gte := &configv1.Rule{Op: configv1.Operator_OPERATOR_GTE, Field: "age", Values: age}
	chain := eq
	for range 9 {
		chain = nested(and, gte, chain)
	}
	full := func() *configv1.Rule {
		var build func(depth int) *configv1.Rule
		build = func(depth int) *configv1.Rule {
			if depth == 1 {
				return gte
			}
			return nested(and, build(depth-1), build(depth-1))
		}
		return build(10)
	}()
	wide := nested(and)
	ctx := engine.Context{
		{Name: "country", Value: engine.StringValue("US")},
		{Name: "age", Value: engine.NumberValue(25)},
		{Name: "premium", Value: engine.BoolValue(true)},
		{Name: "version", Value: engine.StringValue("2.10.0")},
	}
	for i := range 100 {
		name := fmt.Sprintf("field_%d", i)
		wide.Children = append(wide.Children, &configv1.Rule{Op: configv1.Operator_OPERATOR_EQ, Field: name, Values: numbers(float64(10 * i))})
		ctx = append(ctx, engine.Attribute{Name: name, Value: engine.NumberValue(float64(10 * i))})
	}
	for _, c := range []struct {
		name string
		rule *configv1.Rule
	}{
		{"eq", eq},
		{"gte", gte},
		{"in3", &configv1.Rule{Op: configv1.Operator_OPERATOR_IN, Field: "country", Values: texts("CA", "UK", "US")}},
		{"in100", &configv1.Rule{Op: configv1.Operator_OPERATOR_IN, Field: "country", Values: texts(append(many, "US")...)}},
		{"like", &configv1.Rule{Op: configv1.Operator_OPERATOR_LIKE, Field: "country", Values: texts("U*")}},
		{"semver", &configv1.Rule{Op: configv1.Operator_OPERATOR_GTE, Field: "version", Values: texts("2.9.1")}},
		{"absent", &configv1.Rule{Op: configv1.Operator_OPERATOR_EQ, Field: "absent", Values: us}},
		{"complex", nested(or, nested(and, eq, nested(not, nested(not, gte))), nested(not, eq))},
		{"depth10", chain},
		{"full10", full},
		{"width100", wide},
	} {
		b.Run(c.name, func(b *testing.B) {
			e, err := engine.NewRuleBench(c.rule, []*configv1.Field{{Name: "version", Type: configv1.FieldType_FIELD_TYPE_SEMVER}}, ctx)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				e.Eval()
			}
		})
	}
}
