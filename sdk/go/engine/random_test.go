package engine_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
)

// generator makes small configurations and contexts in which everything meets:
// few names, few values, many edges.
type generator struct{ *rand.Rand }

func pick[T any](g generator, from ...T) T { return from[g.IntN(len(from))] }

var (
	someStrings = []string{
		"", "a", "ab", "b", "A", "é", "e\u0301", "\uff5e", "\U0001f600", "a*b", `a\b`, "x\ny", "12", "US",
		"user_1", "user_2", strings.Repeat("k", 200),
	}
	someNumbers = []float64{
		0, 1, -1, 2, 12, 18, 18.5, 0.1, -0.1, 1e21, 9007199254740991, 9007199254740992, -9007199254740991, 1e300, 5e-324,
	}
	someVersions = []string{
		"1.2.3", "v1.2.3", "1.2", "1", "1.2.3-alpha", "1.2.3-alpha.1", "1.2.3-beta.2", "1.2.3-beta.11", "1.2.3+build",
		"1.2.3-rc.1+x", "01.2.3", "1.2.3-", "1.2.3.4", "v", "2.0.0", "1.10.0", "99999999999999999999.0.0", "1.2.3-0a",
	}
	somePatterns = []string{"", "*", "a*", "*b", "*a*b*", `a\*b`, `a\\b`, `\`, "U?", "*\n*", "user_*", "**", "x*y", "é"}
	someFields   = []string{"f1", "f2", "f3", "f4", "f5", "user_id"}
	someServices = []string{"s1", "s2"}
	someKeys     = []string{"a", "b", "c", "", "é", "__proto__", `"`}
)

func (g generator) snapshot() *configv1.Snapshot {
	s := &configv1.Snapshot{Revision: 1}
	for i, name := range someFields[:5] {
		if g.IntN(3) > 0 {
			s.Fields = append(s.Fields, &configv1.Field{Name: name, Type: configv1.FieldType(i + 1)})
		}
	}
	vid := int32(0)
	for i := range 1 + g.IntN(8) {
		layer := &configv1.Layer{
			LayerId: fmt.Sprintf("%s%d", pick(g, "l", "é", "\U0001f600", "\uff5e"), i), Priority: int32(g.IntN(3)),
			HashKey: pick(g, "user_id", "user_id", "user_id", "f2", "other"), Salt: pick(g, someStrings[1:]...) + strconv.Itoa(i),
			Enabled: g.IntN(8) > 0, Version: "v1",
		}
		s.Layers = append(s.Layers, layer)
		var vids []int32
		for range 1 + g.IntN(3) {
			experiment := &configv1.Experiment{Eid: int32(len(s.Experiments) + 1), Service: pick(g, someServices...)}
			if g.IntN(2) > 0 {
				experiment.Rule = g.rule(s, 1+g.IntN(4))
			}
			for range 1 + g.IntN(3) {
				vid++
				vids = append(vids, vid)
				experiment.Variants = append(experiment.Variants, &configv1.Variant{Vid: vid, ParamsJson: g.params(3)})
			}
			s.Experiments = append(s.Experiments, experiment)
		}
		for at := g.IntN(500); at < 10000; {
			end := min(at+1+g.IntN(pick(g, 100, 3000, 10000)), 10000)
			layer.Ranges = append(layer.Ranges, &configv1.Range{Start: int32(at), End: int32(end), Vid: pick(g, vids...)})
			at = end + g.IntN(2)*g.IntN(600)
		}
		g.Shuffle(len(layer.Ranges), func(i, j int) {
			layer.Ranges[i], layer.Ranges[j] = layer.Ranges[j], layer.Ranges[i]
		})
	}
	return s
}

func (g generator) rule(s *configv1.Snapshot, depth int) *configv1.Rule {
	if depth > 1 && g.IntN(3) > 0 {
		rule := &configv1.Rule{Op: configv1.Operator(1 + g.IntN(3))}
		children := 1
		if rule.Op != configv1.Operator_OPERATOR_NOT {
			children += g.IntN(3)
		}
		for range children {
			rule.Children = append(rule.Children, g.rule(s, depth-1))
		}
		return rule
	}
	rule := &configv1.Rule{Field: pick(g, someFields...)}
	typ := configv1.FieldType_FIELD_TYPE_UNSPECIFIED
	for _, f := range s.Fields {
		if f.Name == rule.Field {
			typ = f.Type
		}
	}
	if typ == 0 {
		typ = pick(g, configv1.FieldType_FIELD_TYPE_STRING, configv1.FieldType_FIELD_TYPE_INT,
			configv1.FieldType_FIELD_TYPE_FLOAT, configv1.FieldType_FIELD_TYPE_BOOL)
	}
	ops := []configv1.Operator{
		configv1.Operator_OPERATOR_EQ, configv1.Operator_OPERATOR_NEQ,
		configv1.Operator_OPERATOR_IN, configv1.Operator_OPERATOR_NOT_IN,
	}
	if typ != configv1.FieldType_FIELD_TYPE_BOOL {
		ops = append(ops, configv1.Operator_OPERATOR_GT, configv1.Operator_OPERATOR_GTE,
			configv1.Operator_OPERATOR_LT, configv1.Operator_OPERATOR_LTE)
	}
	if typ == configv1.FieldType_FIELD_TYPE_STRING {
		ops = append(ops, configv1.Operator_OPERATOR_LIKE, configv1.Operator_OPERATOR_NOT_LIKE)
	}
	rule.Op = pick(g, ops...)
	count := 1
	if rule.Op == configv1.Operator_OPERATOR_IN || rule.Op == configv1.Operator_OPERATOR_NOT_IN {
		count += g.IntN(12)
	}
	for range count {
		rule.Values = append(rule.Values, g.value(rule.Op, typ))
	}
	return rule
}

func (g generator) value(op configv1.Operator, typ configv1.FieldType) *configv1.Value {
	text := func(s string) *configv1.Value {
		return &configv1.Value{Kind: &configv1.Value_StringValue{StringValue: s}}
	}
	number := func(f float64) *configv1.Value {
		return &configv1.Value{Kind: &configv1.Value_NumberValue{NumberValue: f}}
	}
	switch {
	case op == configv1.Operator_OPERATOR_LIKE || op == configv1.Operator_OPERATOR_NOT_LIKE:
		return text(pick(g, somePatterns...))
	case typ == configv1.FieldType_FIELD_TYPE_STRING:
		return text(pick(g, someStrings...))
	case typ == configv1.FieldType_FIELD_TYPE_BOOL:
		return &configv1.Value{Kind: &configv1.Value_BoolValue{BoolValue: g.IntN(2) == 0}}
	case typ == configv1.FieldType_FIELD_TYPE_SEMVER:
		for {
			if v := pick(g, someVersions...); naiveSemver.MatchString(v) {
				return text(v)
			}
		}
	case typ == configv1.FieldType_FIELD_TYPE_INT:
		for {
			if f := pick(g, someNumbers...); naiveHasType(f, typ) {
				return number(f)
			}
		}
	default:
		return number(pick(g, someNumbers...))
	}
}

// params returns the text of a random object.
func (g generator) params(depth int) string {
	text, err := json.Marshal(g.object(depth))
	if err != nil {
		panic(err)
	}
	return string(text)
}

func (g generator) object(depth int) map[string]any {
	o := map[string]any{}
	for range g.IntN(4) {
		var value any
		switch n := g.IntN(8); {
		case n < 4 && depth > 1:
			value = g.object(depth - 1)
		case n == 4:
			value = nil
		case n == 5:
			value = []any{1.0, map[string]any{"a": 1.5}, "x"}
		case n == 6:
			value = pick(g, 0, 1, -1, 0.1, 1.5e-9, 123456789.0)
		default:
			value = pick(g, someStrings...)
		}
		o[pick(g, someKeys...)] = value
	}
	return o
}

// context returns a context as encoding/json would read it.
func (g generator) context() map[string]any {
	c := map[string]any{}
	for _, name := range append([]string{"unused", "other"}, someFields...) {
		switch g.IntN(9) {
		case 0:
		case 1:
			c[name] = nil
		case 2:
			c[name] = g.IntN(2) == 0
		case 3:
			c[name] = pick(g, someNumbers...)
		case 4:
			c[name] = pick(g, someVersions...)
		case 5:
			c[name] = []any{"a"}
		case 6:
			c[name] = map[string]any{"a": 1.0}
		default:
			c[name] = pick(g, someStrings...)
		}
	}
	if g.IntN(4) > 0 {
		c["user_id"] = fmt.Sprintf("user_%d", g.IntN(1000))
	}
	return c
}
