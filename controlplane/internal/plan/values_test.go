package plan_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/strata-exp/strata/controlplane/internal/plan"
	"github.com/strata-exp/strata/controlplane/internal/state"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
)

// TestValues names each value of a resource that can change.
func TestValues(t *testing.T) {
	t.Parallel()
	s := apply(t, empty(), layer("a", 1), experiment(1, `{"b":1,"a":{"x":1}}`, `{}`), field("f"), layer("held", 0, slots(0, 10, 21)), experiment(2, "{}"),
		state.Change{Service: &adminv1.Service{Service: "s", SchemaJson: `{"properties":{"a":{"maximum":5}}}`}})
	for _, test := range []struct {
		name    string
		changes []state.Change
		want    []string // of the last resource
	}{
		{"layer", []state.Change{{Layer: &adminv1.Layer{
			LayerId: "a", Version: "v2", Priority: -1, HashKey: "k", Salt: "s", Enabled: new(false),
			Service: "shop", Description: "<d>", Owners: []string{"o"}, Tags: []string{"t", "u"},
		}}}, []string{
			`description: "" -> "\"<d>\""`, `enabled: "true" -> "false"`, `hash_key: "\"user_id\"" -> "\"k\""`,
			`owners: "" -> "[\"o\"]"`, `priority: "1" -> "-1"`, `salt: "\"a_v1\"" -> "\"s\""`, `service: "" -> "\"shop\""`,
			`tags: "" -> "[\"t\",\"u\"]"`, `version: "\"v1\"" -> "\"v2\""`,
		}},
		{"experiment", []state.Change{exactly(s, 1, func(x *adminv1.Experiment) {
			x.Name, x.Description, x.Hypothesis, x.Owners, x.Tags = "n", "d", "h", []string{"o"}, []string{"t"}
			x.LayerId, x.Allocation = "a", []*adminv1.VariantSlots{{Vid: 11, Slots: 5}}
		})}, []string{
			`allocation: "" -> "[{\"vid\":11,\"slots\":5}]"`, `description: "" -> "\"d\""`, `hypothesis: "" -> "\"h\""`,
			`layer_id: "" -> "\"a\""`, `name: "" -> "\"n\""`, `owners: "" -> "[\"o\"]"`, `tags: "" -> "[\"t\"]"`,
		}},
		{"life", []state.Change{layer("held", 0), exactly(s, 2, func(x *adminv1.Experiment) {
			x.State, x.Held = adminv1.ExperimentState_EXPERIMENT_STATE_PAUSED, []*configv1.Range{slots(0, 10, 21)}
		})}, []string{
			`held: "" -> "[{\"start\":0,\"end\":10,\"vid\":21}]"`,
			`state: "\"EXPERIMENT_STATE_RUNNING\"" -> "\"EXPERIMENT_STATE_PAUSED\""`,
		}},
		{"end", []state.Change{exactly(s, 1, conclude)}, []string{
			`state: "\"EXPERIMENT_STATE_DRAFT\"" -> "\"EXPERIMENT_STATE_CONCLUDED\""`, `winner_vid: "" -> "11"`,
		}},
		{"variants", []state.Change{{Experiment: &adminv1.Experiment{Eid: 1, Service: "shop", Variants: []*configv1.Variant{
			{Vid: 13, ParamsJson: `{"c":[1, 2]}`}, {Vid: 11, ParamsJson: `{"b":2,"a":{"x":1,"y":null}}`},
		}}}}, []string{
			`variants[11].params.a.y: "" -> "null"`, `variants[11].params.b: "1" -> "2"`,
			`variants[12]: "{\"vid\":12,\"params\":{}}" -> ""`, `variants[13]: "" -> "{\"vid\":13,\"params\":{\"c\":[1,2]}}"`,
		}},
		{"order of variants", []state.Change{with(experiment(1, `{"b":1,"a":{"x":1}}`, `{}`), func(x *adminv1.Experiment) {
			slices.Reverse(x.GetVariants())
		})}, []string{`variants: "[11,12]" -> "[12,11]"`}},
		{"order of keys", []state.Change{experiment(1, `{"a":{"x":1},"b":1}`, `{}`)}, []string{
			`variants[11].params: "{\"b\":1,\"a\":{\"x\":1}}" -> "{\"a\":{\"x\":1},\"b\":1}"`,
		}},
		{"service", []state.Change{{Service: &adminv1.Service{
			Service: "s", SchemaJson: `{"properties":{"a":{"maximum":7},"b":true}}`, Description: "d", Owners: []string{"o"}, Tags: []string{"t"},
		}}}, []string{
			`description: "" -> "\"d\""`, `owners: "" -> "[\"o\"]"`, `schema.properties.a.maximum: "5" -> "7"`,
			`schema.properties.b: "" -> "true"`, `tags: "" -> "[\"t\"]"`,
		}},
		{"field", []state.Change{{Field: &configv1.Field{Name: "f", Type: configv1.FieldType_FIELD_TYPE_SEMVER}}}, []string{
			`type: "\"bool\"" -> "\"semver\""`,
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			all := plan.Make(s, apply(t, s, test.changes...), plan.Options{}).GetResources()
			var got []string
			for _, v := range all[len(all)-1].GetValues() {
				got = append(got, fmt.Sprintf("%s: %q -> %q", v.GetPath(), v.GetBefore(), v.GetAfter()))
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}

// TestRules writes rules as files have them.
func TestRules(t *testing.T) {
	t.Parallel()
	condition := func(op configv1.Operator, values ...*configv1.Value) *configv1.Rule {
		return &configv1.Rule{Op: op, Field: "f", Values: values}
	}
	number := func(f float64) *configv1.Value {
		return &configv1.Value{Kind: &configv1.Value_NumberValue{NumberValue: f}}
	}
	text := func(s string) *configv1.Value {
		return &configv1.Value{Kind: &configv1.Value_StringValue{StringValue: s}}
	}
	rule := &configv1.Rule{Op: configv1.Operator_OPERATOR_OR, Children: []*configv1.Rule{
		condition(configv1.Operator_OPERATOR_IN, number(1), number(0.5)),
		{Op: configv1.Operator_OPERATOR_AND, Children: []*configv1.Rule{
			condition(configv1.Operator_OPERATOR_NOT_LIKE, text("\"*\u2028")),
			{Op: configv1.Operator_OPERATOR_NOT, Children: []*configv1.Rule{is("vip")}},
		}},
	}}
	const want = `{"type":"or","children":[{"type":"field","field":"f","op":"in","values":[1,0.5]},` +
		`{"type":"and","children":[{"type":"field","field":"f","op":"not_like","values":["\"*` + "\u2028" + `"]},` +
		`{"type":"not","child":{"type":"field","field":"vip","op":"eq","values":[true]}}]}]}`
	before := apply(t, empty(), experiment(1, "{}"))
	after := apply(t, before, withRule(experiment(1, "{}"), rule))
	values := plan.Make(before, after, plan.Options{}).GetResources()[0].GetValues()
	if len(values) != 1 || values[0].GetPath() != "rule" || values[0].GetAfter() != want {
		t.Errorf("got  %v\nwant %s", values, want)
	}
}
