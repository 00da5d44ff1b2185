package engine_test

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	"github.com/strata-exp/strata/sdk/go/engine"
)

// validSnapshot has two layers and two experiments.
func validSnapshot() *configv1.Snapshot {
	return &configv1.Snapshot{
		Revision: 1,
		Layers: []*configv1.Layer{
			{
				LayerId: "ranking", HashKey: "user_id", Salt: "ranking_v1", Enabled: true,
				Ranges: []*configv1.Range{{Start: 0, End: 100, Vid: 11}, {Start: 100, End: 200, Vid: 12}},
			},
			{
				LayerId: "search", HashKey: "user_id", Salt: "search_v1", Enabled: true,
				Ranges: []*configv1.Range{{Start: 0, End: 10000, Vid: 21}},
			},
		},
		Experiments: []*configv1.Experiment{
			{Eid: 1, Service: "ranker", Variants: []*configv1.Variant{{Vid: 11, ParamsJson: "{}"}, {Vid: 12, ParamsJson: `{"a":1}`}}},
			{Eid: 2, Service: "searcher", Rule: countryAndAge(), Variants: []*configv1.Variant{{Vid: 21, ParamsJson: "{}"}}},
		},
		Fields: []*configv1.Field{
			{Name: "country", Type: configv1.FieldType_FIELD_TYPE_STRING},
			{Name: "age", Type: configv1.FieldType_FIELD_TYPE_INT},
			{Name: "premium", Type: configv1.FieldType_FIELD_TYPE_BOOL},
			{Name: "app", Type: configv1.FieldType_FIELD_TYPE_SEMVER},
		},
	}
}

func TestCompileRefuses(t *testing.T) {
	t.Parallel()
	condition := func(field string, op configv1.Operator, values ...*configv1.Value) *configv1.Rule {
		return &configv1.Rule{Op: op, Field: field, Values: values}
	}
	rule := func(r *configv1.Rule) func(*configv1.Snapshot) {
		return func(s *configv1.Snapshot) { s.Experiments[1].Rule = r }
	}
	params := func(text string) func(*configv1.Snapshot) {
		return func(s *configv1.Snapshot) { s.Experiments[0].Variants[1].ParamsJson = text }
	}
	nested := func(depth int) *configv1.Rule {
		r := condition("age", configv1.Operator_OPERATOR_EQ, numbers(1)...)
		for range depth - 1 {
			r = &configv1.Rule{Op: configv1.Operator_OPERATOR_NOT, Children: []*configv1.Rule{r}}
		}
		return r
	}
	wide := func(n int) *configv1.Rule {
		r := &configv1.Rule{Op: configv1.Operator_OPERATOR_OR}
		for range n {
			r.Children = append(r.Children, condition("age", configv1.Operator_OPERATOR_EQ, numbers(1)...))
		}
		return r
	}
	for name, c := range map[string]struct {
		change func(*configv1.Snapshot)
		want   []string
	}{
		"overlap": {
			func(s *configv1.Snapshot) { s.Layers[0].Ranges[1].Start = 50 },
			[]string{"layer ranking: ranges[1]: slots [50, 200) overlap ranges[0], which has [0, 100)"},
		},
		"overlap with one that is not the neighbour": {
			func(s *configv1.Snapshot) {
				s.Layers[1].Ranges = []*configv1.Range{
					{Start: 0, End: 100, Vid: 21}, {Start: 10, End: 20, Vid: 21}, {Start: 30, End: 40, Vid: 21}, {Start: 100, End: 200, Vid: 21},
				}
			},
			[]string{
				"layer search: ranges[1]: slots [10, 20) overlap ranges[0], which has [0, 100)",
				"layer search: ranges[2]: slots [30, 40) overlap ranges[0], which has [0, 100)",
			},
		},
		"overlap in any order": {
			func(s *configv1.Snapshot) { s.Layers[0].Ranges[0].Start, s.Layers[0].Ranges[0].End = 150, 160 },
			[]string{"layer ranking: ranges[0]: slots [150, 160) overlap ranges[1], which has [100, 200)"},
		},
		"slots out of range": {
			func(s *configv1.Snapshot) { s.Layers[0].Ranges[0].Start, s.Layers[0].Ranges[1].End = -1, 10001 },
			[]string{
				"layer ranking: ranges[0].start: is -1, want 0 to 9999",
				"layer ranking: ranges[1].end: is 10001, want 101 to 10000: start is included, end is not",
			},
		},
		"empty range": {
			func(s *configv1.Snapshot) { s.Layers[0].Ranges[0].End = 0 },
			[]string{"layer ranking: ranges[0].end: is 0, want 1 to 10000: start is included, end is not"},
		},
		"unknown vid": {
			func(s *configv1.Snapshot) { s.Layers[0].Ranges[0].Vid = 99 },
			[]string{"layer ranking: ranges[0].vid: 99 is no variant of any experiment"},
		},
		"repeated vid": {
			func(s *configv1.Snapshot) { s.Experiments[1].Variants[0].Vid = 11 },
			[]string{
				"experiment 2: variants[0].vid: 11 is taken by experiment 1",
				"layer search: ranges[0].vid: 21 is no variant of any experiment",
			},
		},
		"repeated vid in one experiment": {
			func(s *configv1.Snapshot) {
				s.Experiments[1].Variants = append(s.Experiments[1].Variants, &configv1.Variant{Vid: 21, ParamsJson: "{}"})
			},
			[]string{"experiment 2: variants[1].vid: 21 is taken by experiment 2"},
		},
		"repeated layer": {
			func(s *configv1.Snapshot) { s.Layers = append(s.Layers, s.Layers[0]) },
			[]string{"layer ranking: stands twice: the id must be unique"},
		},
		"repeated experiment": {
			func(s *configv1.Snapshot) { s.Experiments = append(s.Experiments, s.Experiments[1]) },
			[]string{"experiment 2: stands twice: the id must be unique"},
		},
		"repeated field": {
			func(s *configv1.Snapshot) { s.Fields = append(s.Fields, s.Fields[0]) },
			[]string{"field country: stands twice: the id must be unique"},
		},
		"experiment in two layers": {
			func(s *configv1.Snapshot) {
				s.Layers[1].Ranges[0].Vid = 12
				s.Layers[0].Ranges = s.Layers[0].Ranges[:1]
			},
			[]string{"layer search: ranges[0].vid: 12 belongs to experiment 1, which lives in layer ranking already"},
		},
		"service of a layer": {
			func(s *configv1.Snapshot) {
				s.Layers[0].Service = "searcher"
				s.Layers[0].Ranges = s.Layers[0].Ranges[:1]
			},
			[]string{"layer ranking: ranges[0].vid: 11 belongs to service ranker, and the layer to service searcher"},
		},
		"missing names": {
			func(s *configv1.Snapshot) {
				s.Layers[0].HashKey, s.Layers[1].Salt, s.Experiments[0].Service = "", "", ""
			},
			[]string{
				"layer ranking: hash_key: is missing", "layer search: salt: is missing", "experiment 1: service: is missing",
			},
		},
		"long name": {
			func(s *configv1.Snapshot) { s.Layers[0].Salt = strings.Repeat("s", 257) },
			[]string{"layer ranking: salt: is 257 bytes long, at most 256 are allowed"},
		},
		"name that is no text": {
			func(s *configv1.Snapshot) { s.Layers[0].Salt = "\xff" },
			[]string{"layer ranking: salt: is not valid UTF-8"},
		},
		"no ids": {
			func(s *configv1.Snapshot) {
				s.Layers[0].LayerId, s.Experiments[1].Eid, s.Fields[0].Name = "", 0, ""
				s.Experiments[1].Rule = nil
			},
			[]string{"layer at index 0: layer_id: is missing", "experiment at index 1: eid: is 0, want at least 1", "field at index 0: name: is missing"},
		},
		"no variants": {
			func(s *configv1.Snapshot) { s.Experiments[0].Variants = nil; s.Layers[0].Ranges = nil },
			[]string{"experiment 1: variants: are missing: want at least one"},
		},
		"type of field": {
			func(s *configv1.Snapshot) { s.Fields[0].Type = 9 },
			[]string{"field country: type: is unknown, want string, int, float, bool or semver"},
		},

		"params that are a list":  {params(`[1]`), []string{"experiment 1: variants[1].params: want an object, got a list"}},
		"params that are nothing": {params(``), []string{"experiment 1: variants[1].params: not valid JSON at byte 0: the text ends too early: want an object"}},
		"params with a tail":      {params(`{} x`), []string{"experiment 1: variants[1].params: not valid JSON at byte 3: text after the end of the value"}},
		"params with unsafe integers": {
			params(`{"a":[{"b":9007199254740992}],"c":-9007199254740993}`),
			[]string{
				"experiment 1: variants[1].params.a[0].b: 9007199254740992 is an integer beyond 2^53 - 1, which readers round differently: write it as a string",
				"experiment 1: variants[1].params.c: -9007199254740993 is an integer beyond 2^53 - 1, which readers round differently: write it as a string",
			},
		},
		"params with an infinite number": {params(`{"a":1e400}`), []string{"experiment 1: variants[1].params.a: 1e400 is larger than a double can be"}},
		"params with a repeated key":     {params(`{"a":{"b":1,"\u0062":2}}`), []string{"experiment 1: variants[1].params.a.b: stands twice"}},
		"params with half a character":   {params(`{"a":"\ud800"}`), []string{"experiment 1: variants[1].params: not valid JSON at byte 6: half of a surrogate pair"}},
		"params with a long key": {
			params(`{"a":{"` + strings.Repeat("k", 257) + `":1}}`),
			[]string{"experiment 1: variants[1].params.a." + strings.Repeat("k", 40) + "...: has a key of 257 bytes, at most 256 are allowed"},
		},
		"params too deep": {
			params(strings.Repeat(`{"a":`, 65) + "1" + strings.Repeat("}", 65)),
			[]string{"experiment 1: variants[1].params" + strings.Repeat(".a", 64) + ": is nested deeper than 64 levels"},
		},
		"params too long": {
			params(`{"a":"` + strings.Repeat("x", engine.MaxParamsBytes) + `"}`),
			[]string{"experiment 1: variants[1].params: is 1048584 bytes long, at most 1048576 are allowed"},
		},

		"rule too deep":     {rule(nested(81)), []string{"experiment 2: rule" + strings.Repeat(".child", 80) + ": is nested deeper than 80 levels"}},
		"rule too wide":     {rule(wide(10000)), []string{"experiment 2: rule: has more than 10000 nodes"}},
		"unknown operator":  {rule(&configv1.Rule{}), []string{"experiment 2: rule: has an unknown operator"}},
		"and without child": {rule(&configv1.Rule{Op: configv1.Operator_OPERATOR_AND}), []string{"experiment 2: rule: is and and has no children, want at least one"}},
		"not with two children": {
			rule(&configv1.Rule{Op: configv1.Operator_OPERATOR_NOT, Children: []*configv1.Rule{nested(1), nested(1)}}),
			[]string{"experiment 2: rule: is not and has 2 children, want exactly one"},
		},
		"condition with child": {
			rule(&configv1.Rule{Op: configv1.Operator_OPERATOR_EQ, Field: "age", Values: numbers(1), Children: []*configv1.Rule{nested(1)}}),
			[]string{"experiment 2: rule: is a condition and can have no children"},
		},
		"and with field": {
			rule(&configv1.Rule{Op: configv1.Operator_OPERATOR_AND, Field: "age", Children: []*configv1.Rule{nested(1)}}),
			[]string{"experiment 2: rule: is and and can have no field and no values"},
		},
		"no field":  {rule(condition("", configv1.Operator_OPERATOR_EQ, numbers(1)...)), []string{"experiment 2: rule.field: is missing"}},
		"no values": {rule(condition("age", configv1.Operator_OPERATOR_EQ)), []string{"experiment 2: rule.values: are missing"}},
		"two values": {
			rule(condition("age", configv1.Operator_OPERATOR_GT, numbers(1, 2)...)),
			[]string{"experiment 2: rule.values: are 2, gt takes exactly one"},
		},
		"mixed values": {
			rule(condition("other", configv1.Operator_OPERATOR_IN, append(numbers(1), texts("a")...)...)),
			[]string{"experiment 2: rule.values: are of different types, and the field is not declared"},
		},
		"mixed values of other kinds": {
			rule(condition("other", configv1.Operator_OPERATOR_IN, append(texts("a"), &configv1.Value{Kind: &configv1.Value_BoolValue{}})...)),
			[]string{"experiment 2: rule.values: are of different types, and the field is not declared"},
		},
		"values of another type": {
			rule(condition("age", configv1.Operator_OPERATOR_IN, append(numbers(1.5, 2), texts("a")...)...)),
			[]string{"experiment 2: rule.values[0]: is 1.5, which is no int", `experiment 2: rule.values[2]: is "a", which is no int`},
		},
		"value that is no version": {
			rule(condition("app", configv1.Operator_OPERATOR_GTE, texts("1.x")...)),
			[]string{`experiment 2: rule.values[0]: is "1.x", which is no semver`},
		},
		"value that is no number": {
			rule(condition("other", configv1.Operator_OPERATOR_EQ, numbers(math.NaN())...)),
			[]string{"experiment 2: rule.values[0]: is null, which is no float"},
		},
		"order of bools": {
			rule(condition("premium", configv1.Operator_OPERATOR_GT, &configv1.Value{Kind: &configv1.Value_BoolValue{}})),
			[]string{"experiment 2: rule.op: is gt, which a bool field can not be compared by"},
		},
		"pattern of versions": {
			rule(condition("app", configv1.Operator_OPERATOR_LIKE, texts("1.*")...)),
			[]string{"experiment 2: rule.op: is like, which a semver field can not be compared by"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := validSnapshot()
			c.change(s)
			_, err := engine.Compile(nil, s)
			if _, ok := errors.AsType[engine.Faults](err); !ok {
				t.Fatalf("got error %v, want faults", err)
			}
			if got, want := err.Error(), strings.Join(c.want, "\n"); !sameLines(got, want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			// A change to a running configuration is checked in the same way.
			running, err := engine.Compile(nil, validSnapshot())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := engine.Compile(running, s); err == nil || !sameLines(err.Error(), strings.Join(c.want, "\n")) {
				t.Errorf("as a change: got\n%v\nwant\n%s", err, strings.Join(c.want, "\n"))
			}
		})
	}
}

// TestFaultsAreBounded breaks a configuration in more places than anyone reads.
func TestFaultsAreBounded(t *testing.T) {
	t.Parallel()
	s := validSnapshot()
	for i := range int32(5000) {
		s.Layers = append(s.Layers, &configv1.Layer{LayerId: strconv.Itoa(int(i)), HashKey: "k", Salt: "s", Ranges: []*configv1.Range{{End: 1, Vid: 999}}})
	}
	_, err := engine.Compile(nil, s)
	faults, _ := errors.AsType[engine.Faults](err)
	if n := len(faults); n != 1001 || !strings.Contains(faults[n-1].Problem, "only the first 1000 are") {
		t.Errorf("got %d faults, the last one %v", n, faults[n-1])
	}
}

func TestApplyRefusesAnIDThatStandsTwice(t *testing.T) {
	t.Parallel()
	s := validSnapshot()
	_, err := compile(t, s).Apply(engine.Change{
		Layers:      []*configv1.Layer{s.Layers[0], s.Layers[0]},
		Experiments: []*configv1.Experiment{s.Experiments[1], s.Experiments[0], s.Experiments[1]},
		Fields:      []*configv1.Field{s.Fields[0], s.Fields[0]},
	})
	want := "layer ranking: stands twice: the id must be unique\nexperiment 2: stands twice: the id must be unique\n" +
		"field country: stands twice: the id must be unique"
	if err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
}

func sameLines(a, b string) bool {
	lines := map[string]int{}
	for line := range strings.SplitSeq(a, "\n") {
		lines[line]++
	}
	for line := range strings.SplitSeq(b, "\n") {
		lines[line]--
	}
	for _, n := range lines {
		if n != 0 {
			return false
		}
	}
	return true
}

func TestCompileTakesTheLimits(t *testing.T) {
	t.Parallel()
	s := validSnapshot()
	deep := &configv1.Rule{Op: configv1.Operator_OPERATOR_EQ, Field: "age", Values: numbers(1)}
	for range engine.MaxRuleDepth - 1 {
		deep = &configv1.Rule{Op: configv1.Operator_OPERATOR_AND, Children: []*configv1.Rule{deep}}
	}
	s.Experiments[1].Rule = deep
	s.Experiments[0].Variants[0].ParamsJson = strings.Repeat(`{"a":`, 64) + "9007199254740991" + strings.Repeat("}", 64)
	s.Experiments[0].Variants[1].ParamsJson = `{"a":"` + strings.Repeat("x", engine.MaxParamsBytes-8) + `"}`
	s.Layers[0].Ranges = nil
	for i := range int32(engine.MaxRanges) {
		s.Layers[0].Ranges = append(s.Layers[0].Ranges, &configv1.Range{Start: i, End: i + 1, Vid: 11 + i%2})
	}
	if _, err := engine.Compile(nil, s); err != nil {
		t.Error(err)
	}
}

// TestDeepestRulePassesParsers holds the promise of Rule's comment: with the
// messages around it, the deepest rule stays under the 100 levels at which
// common protobuf parsers stop.
func TestDeepestRulePassesParsers(t *testing.T) {
	t.Parallel()
	const around = 10 // more than Snapshot, Experiment, Value and an envelope need
	if engine.MaxRuleDepth+around > 100 {
		t.Errorf("a rule of depth %d does not fit", engine.MaxRuleDepth)
	}
	r := (&configv1.Rule{}).ProtoReflect().Descriptor()
	if child := r.Fields().ByName("children").Message(); child != r {
		t.Errorf("a level of a rule is %s and more: want one message a level", child.FullName())
	}
}

func TestParamsNormalForm(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`{}`:                                 `{}`,
		"{\n\"b\" : [ 1 , 2 ] , \"a\":{}\n}": `{"b":[1,2],"a":{}}`,
		`{"n":[12.0,-0,1e3,-0.0,1E-7,0.1]}`:  `{"n":[12,0,1000,0,1e-7,0.1]}`,
		`{"n":[1e300,1e21,9007199254740991,9007199254740992.0]}`: `{"n":[1e+300,1e+21,9007199254740991,9.007199254740992e+15]}`,
		`{"s":"\u0041\/\n\u0001\ud83d\ude00"}`:                   `{"s":"A/\n\u0001😀"}`,
		`{"\u006b":null,"t":true,"f":false}`:                     `{"k":null,"t":true,"f":false}`,
	} {
		rules := compile(t, oneVariant(in))
		if got := rules.Evaluate("s", userContext("u"), nil, nil).Parameters; got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

// TestApplyEqualsCompile makes one configuration in two ways.
func TestApplyEqualsCompile(t *testing.T) {
	t.Parallel()
	whole := validSnapshot()
	rules, err := (*engine.Ruleset)(nil).Apply(engine.Change{Revision: 1, Experiments: whole.Experiments})
	if err != nil {
		t.Fatal(err)
	}
	if rules, err = rules.Apply(engine.Change{Revision: 2, Layers: whole.Layers, Fields: whole.Fields}); err != nil {
		t.Fatal(err)
	}
	if got, want := rules.LayerIDs(), compile(t, whole).LayerIDs(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got layers %v, want %v", got, want)
	}
	_, err = rules.Apply(engine.Change{Revision: 3, DeletedExperiments: []int32{1}})
	if err == nil || !strings.Contains(err.Error(), "layer ranking: ranges[0].vid: 11 is no variant of any experiment") {
		t.Errorf("got %v, want a fault for the range that is left over", err)
	}
	if rules, err = rules.Apply(engine.Change{Revision: 3, DeletedExperiments: []int32{1}, DeletedLayers: []string{"ranking"}}); err != nil {
		t.Fatal(err)
	}
	if rules.Layers() != 1 || rules.Experiments() != 1 {
		t.Errorf("got %d layers and %d experiments, want one of each", rules.Layers(), rules.Experiments())
	}
	back := rules.Snapshot()
	if !proto.Equal(back.Layers[0], whole.Layers[1]) || !proto.Equal(back.Experiments[0], whole.Experiments[1]) || len(back.Fields) != 4 {
		t.Errorf("got %v back", back)
	}
}

// TestRetypedFieldRecompilesRules changes the meaning of a rule from afar.
func TestRetypedFieldRecompilesRules(t *testing.T) {
	t.Parallel()
	s := oneVariant("{}")
	s.Experiments[0].Rule = &configv1.Rule{Op: configv1.Operator_OPERATOR_GT, Field: "app", Values: texts("1.9")}
	rules := compile(t, s)
	ctx := append(userContext("u"), engine.Attribute{Name: "app", Value: engine.StringValue("1.10")})
	if n := len(rules.Evaluate("s", ctx, nil, nil).VIDs); n != 0 {
		t.Fatal("as a string 1.10 is less than 1.9")
	}
	rules, err := rules.Apply(engine.Change{Fields: []*configv1.Field{{Name: "app", Type: configv1.FieldType_FIELD_TYPE_SEMVER}}})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(rules.Evaluate("s", ctx, nil, nil).VIDs); n != 1 {
		t.Error("as a version 1.10 is greater than 1.9")
	}
	if _, err = rules.Apply(engine.Change{Fields: []*configv1.Field{{Name: "app", Type: configv1.FieldType_FIELD_TYPE_INT}}}); err == nil {
		t.Error("a type that a rule's value does not have was taken")
	}
	if rules, err = rules.Apply(engine.Change{DeletedFields: []string{"app"}}); err != nil {
		t.Fatal(err)
	}
	if n := len(rules.Evaluate("s", ctx, nil, nil).VIDs); n != 0 {
		t.Error("undeclared again, 1.10 is a string")
	}
}
