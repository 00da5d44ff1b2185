package generate

import (
	"math"
	"strings"

	"google.golang.org/protobuf/proto"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
)

// Invalid returns a configuration with one thing in it that is, but for rare
// luck, wrong. It shares no message with the valid one that it is made from.
func (g Generator) Invalid(valid *configv1.Snapshot) *configv1.Snapshot {
	s := proto.CloneOf(valid)
	Pick(g, g.breakLayer, g.breakExperiment, g.breakRule, g.breakParams, g.breakField)(s)
	return s
}

// long is a name of one byte too many.
var long = strings.Repeat("\u00e9", 128) + "x"

func (g Generator) breakLayer(s *configv1.Snapshot) {
	l := Pick(g, s.Layers...)
	if len(l.GetRanges()) == 0 {
		l.Ranges = []*configv1.Range{{Start: 1, End: 2, Vid: s.Experiments[0].Variants[0].Vid}}
	}
	whole := []*configv1.Range{{End: slots, Vid: s.Experiments[0].Variants[0].Vid}}
	Pick(g,
		func() { l.LayerId = Pick(g, "", long) },
		func() { l.HashKey = Pick(g, "", long) },
		func() { l.Salt = Pick(g, "", long) },
		func() { l.Service = Pick(g, long, "s3") },
		func() { s.Layers = append(s.Layers, l) },
		func() {
			s.Layers = append(s.Layers, &configv1.Layer{LayerId: "b", HashKey: "k", Salt: "s", Ranges: whole})
		},
		func() { l.Ranges = append(l.Ranges, &configv1.Range{Start: 9999, End: 9999, Vid: 1}) },
		func() { l.Ranges = append(l.Ranges, &configv1.Range{Start: 5, End: 4, Vid: 1}) },
		func() { l.Ranges = append(l.Ranges, &configv1.Range{Start: -1, End: 1, Vid: 1}) },
		func() { l.Ranges = []*configv1.Range{whole[0], {Start: slots - 1, End: slots, Vid: 1}} },
		func() { l.Ranges = []*configv1.Range{{Start: 9999, End: slots + 1, Vid: l.GetRanges()[0].GetVid()}} },
		func() { l.Ranges = []*configv1.Range{{End: 1, Vid: Pick[int32](g, 0, -1, math.MaxInt32)}} },
		func() { l.Ranges = append(l.Ranges, proto.CloneOf(l.GetRanges()[0])) },
	)()
}

func (g Generator) breakExperiment(s *configv1.Snapshot) {
	e := Pick(g, s.Experiments...)
	Pick(g,
		func() { e.Eid = Pick[int32](g, 0, -1) },
		func() { e.Service = Pick(g, "", long) },
		func() { e.Variants = nil },
		func() { s.Experiments = append(s.Experiments, e) },
		func() { Pick(g, e.GetVariants()...).Vid = Pick[int32](g, 0, -7) },
		func() { e.Variants = append(e.Variants, proto.CloneOf(e.GetVariants()[0])) },
		func() {
			s.Experiments = append(s.Experiments, &configv1.Experiment{Eid: 1e6, Service: "s1", Variants: e.GetVariants()[:1]})
		},
	)()
}

func (g Generator) breakField(s *configv1.Snapshot) {
	f := &configv1.Field{Name: "f9", Type: configv1.FieldType_FIELD_TYPE_INT}
	Pick(g,
		func() { f.Name = Pick(g, "", long) },
		func() { f.Type = Pick[configv1.FieldType](g, 0, 6, -1) },
		func() { s.Fields = append(s.Fields, f) }, // twice
	)()
	s.Fields = append(s.Fields, f)
}

func (g Generator) breakRule(s *configv1.Snapshot) {
	const and, not = configv1.Operator_OPERATOR_AND, configv1.Operator_OPERATOR_NOT
	const eq, in = configv1.Operator_OPERATOR_EQ, configv1.Operator_OPERATOR_IN
	s.Fields = nil
	for i, name := range fields {
		s.Fields = append(s.Fields, &configv1.Field{Name: name, Type: configv1.FieldType(i + 1)})
	}
	for _, e := range s.Experiments {
		e.Rule = nil // one that fitted the fields before may not fit these
	}
	one, yes := numberValue(1), &configv1.Rule{Op: eq, Field: "f4", Values: []*configv1.Value{boolValue(true)}}
	condition := func(op configv1.Operator, field string, values ...*configv1.Value) *configv1.Rule {
		return &configv1.Rule{Op: op, Field: field, Values: values}
	}
	nest := func(rule *configv1.Rule, levels int) *configv1.Rule {
		for range levels {
			rule = &configv1.Rule{Op: not, Children: []*configv1.Rule{rule}}
		}
		return rule
	}
	wrong := Pick(g,
		&configv1.Rule{},
		&configv1.Rule{Op: Pick[configv1.Operator](g, 14, -1), Field: "f2", Values: []*configv1.Value{one}},
		&configv1.Rule{Op: Pick(g, and, not, configv1.Operator_OPERATOR_OR)},
		&configv1.Rule{Op: not, Children: []*configv1.Rule{yes, yes}},
		&configv1.Rule{Op: and, Children: []*configv1.Rule{yes}, Field: "f2"},
		&configv1.Rule{Op: and, Children: []*configv1.Rule{yes}, Values: []*configv1.Value{one}},
		&configv1.Rule{Op: eq, Field: "f2", Values: []*configv1.Value{one}, Children: []*configv1.Rule{yes}},
		nest(yes, 80),
		condition(eq, "f2"),
		condition(eq, "", one),
		condition(eq, long, one),
		condition(eq, "f2", one, one),
		condition(in, "f2", one, textValue("1")),
		condition(in, "undeclared", one, textValue("1")),
		condition(in, "undeclared", boolValue(true), textValue("1")),
		condition(in, "undeclared", &configv1.Value{}),
		condition(eq, "f2", &configv1.Value{}),
		condition(eq, "f2", numberValue(Pick(g, 1.5, 1<<53, -(1<<53), 1e300))),
		condition(eq, "f3", numberValue(Pick(g, math.NaN(), math.Inf(1), math.Inf(-1)))),
		condition(eq, "undeclared", numberValue(Pick(g, math.NaN(), math.Inf(1)))),
		condition(eq, Pick(g, "f1", "f4", "f5"), one),
		condition(eq, Pick(g, "f2", "f3", "f4"), textValue("1.2.3")),
		condition(eq, Pick(g, "f1", "f2", "f3", "f5"), boolValue(true)),
		condition(Pick(g, configv1.Operator_OPERATOR_GT, configv1.Operator_OPERATOR_LTE), "f4", boolValue(true)),
		condition(configv1.Operator_OPERATOR_LIKE, Pick(g, "f2", "f5"), textValue("1.2.3")),
		condition(configv1.Operator_OPERATOR_NOT_LIKE, "undeclared", one),
		condition(eq, "f5", textValue(Pick(g, noVersions...))),
		condition(eq, "f1", textValue(strings.Repeat("\u00e9", 2048)+"x")),
		&configv1.Rule{Op: and, Children: repeat(yes, 10_000)},
		condition(in, "f2", repeat(one, 10_001)...),
	)
	if wrong.GetOp() <= not || g.oneIn(2) {
		Pick(g, s.Experiments...).Rule = wrong
		return
	}
	Pick(g, s.Experiments...).Rule = &configv1.Rule{Op: and, Children: []*configv1.Rule{yes, wrong}}
}

func repeat[T any](item T, times int) []T {
	items := make([]T, times)
	for i := range items {
		items[i] = item
	}
	return items
}

func (g Generator) breakParams(s *configv1.Snapshot) {
	digits := Pick(g, "9007199254740992", "-9007199254740992", "18446744073709551616", "1"+strings.Repeat("0", 400))
	wrong := Pick(g,
		"", "x", "[]", "1", "null", `"a"`, "{", "{}}", "{} x", `{"a":1,}`, `{,}`, `{"a"}`, `{"a":}`, `{a:1}`, `{'a':1}`, `{"a":1 "b":2}`,
		`{"a":1,"a":2}`, `{"a":{"b":1,"\u0062":2}}`, `{"a":1,"b":2,"\u0061":{}}`, `{"a":[{"x":1,"x":1}]}`,
		`{"a":01}`, `{"a":+1}`, `{"a":.5}`, `{"a":1.}`, `{"a":1e}`, `{"a":--1}`, `{"a":-}`, `{"a":0x1}`, `{"a":1_0}`, `{"a":1e400}`, `{"a":[-1e309]}`,
		`{"a":NaN}`, `{"a":Infinity}`, `{"a":-Infinity}`, `{"a":undefined}`, `{"a":True}`, `{"a":nul}`, `{"a":truefalse}`,
		`{"a":[1,]}`, `{"a":[,1]}`, `{"a":[1 2]}`, `{"a":[1}`, `{"a":]}`,
		`{"a":"\x"}`, `{"a":"\u12"}`, `{"a":"\u12G4"}`, `{"a":"\ud800"}`, `{"a":"\udc00"}`, `{"a":"\ud800\ud800"}`, `{"\ud83d":1}`, `{"a":"\ud83dx"}`, `{"a":"x}`,
		"{\"a\":\"\n\"}", "{\"a\":\"\t\"}", "{\"\x00\":1}", "\ufeff{}", "{}\x00", "{\u00a0}", "{\x0b}", "{\u2028}", "{}//", "/**/{}",
		`{"a":`+digits+`}`, `{"a":[[`+digits+`]]}`,
		`{"`+long+`":1}`, `{"a":{"`+strings.Repeat("k", 257)+`":1}}`, `{"`+strings.Repeat(`\u00e9`, 129)+`":1}`,
		strings.Repeat(`{"a":`, maxParamsDepth)+"{}"+strings.Repeat("}", maxParamsDepth),
		`{"a":`+strings.Repeat("[", maxParamsDepth)+strings.Repeat("]", maxParamsDepth)+`}`,
		strings.Repeat(`{"a":`, 5000), `{"a":`+strings.Repeat("[", 5000),
	)
	Pick(g, Pick(g, s.Experiments...).GetVariants()...).ParamsJson = wrong
}
