package state_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/strata-exp/strata/controlplane/internal/state"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
)

func service(name, schema string) state.Change {
	return state.Change{Service: &adminv1.Service{Service: name, SchemaJson: schema}}
}

// setting is an experiment of the service shop whose variants have these
// parameters.
func setting(eid int32, params ...string) state.Change {
	x := &adminv1.Experiment{Eid: eid, Service: "shop"}
	for i, text := range params {
		x.Variants = append(x.Variants, &configv1.Variant{Vid: 10*eid + int32(i), ParamsJson: text})
	}
	return state.Change{Experiment: x}
}

const (
	texts   = `{"properties":{"model":{"properties":{"name":{"type":"string"}},"required":["name","version"]}}}`
	numbers = `{"properties":{"model":{"properties":{"name":{"type":"number"}}}}}`
)

func TestSchemas(t *testing.T) {
	t.Parallel()
	free := apply(t, state.Empty(version(1)), setting(1, `{"model":{"name":"a"}}`, `{}`), field("f"))
	bound := apply(t, free, service("shop", texts))
	const violated, invalid = adminv1.ErrorReason_ERROR_REASON_SCHEMA_VIOLATED, adminv1.ErrorReason_ERROR_REASON_INVALID_SCHEMA
	for _, test := range []struct {
		name    string
		state   *state.State
		changes []state.Change
		reason  adminv1.ErrorReason // none where it passes
		problem string
		change  int
	}{
		{"a schema that all satisfy", free, []state.Change{service("shop", texts)}, 0, "", 0},
		{
			"another schema", bound,
			[]state.Change{service("shop", numbers)},
			violated,
			"experiment 1: variants[0].params.model.name: breaks the schema of service shop in variant 10: got string, want number", -1,
		},
		{"another schema for new parameters", bound, []state.Change{service("shop", numbers), setting(1, `{"model":{"name":3}}`)}, 0, "", 0},
		{
			"a variant", bound,
			[]state.Change{setting(1, `{"model":{"name":"a"}}`, `{"model":{"name":[]}}`)},
			violated,
			"experiment 1: variants[1].params.model.name: breaks the schema of service shop in variant 11: got array, want string", 0,
		},
		{"a new experiment", bound, []state.Change{field("g"), setting(2, `{"model":{"name":null}}`)}, violated, "experiment 2: variants[0].params.model.name", 1},
		{"another service", bound, []state.Change{{Experiment: &adminv1.Experiment{Eid: 2, Service: "mail", Variants: []*configv1.Variant{
			{Vid: 20, ParamsJson: `{"model":{"name":1}}`},
		}}}}, 0, "", 0},
		{"a note", bound, []state.Change{{Service: &adminv1.Service{Service: "shop", Description: "d"}, Mask: []string{"description"}}}, 0, "", 0},
		{"no schema any more", bound, []state.Change{{Delete: state.ServiceID("shop")}, setting(1, `{"model":{"name":3}}`)}, 0, "", 0},
		{"a deletion alone", bound, []state.Change{{Delete: state.ServiceID("shop")}}, 0, "", 0},
		{"a deletion of nothing", bound, []state.Change{{Delete: state.ServiceID("mail")}}, adminv1.ErrorReason_ERROR_REASON_RESOURCE_NOT_FOUND, "service mail: does not exist", 0},
		{"no schema", free, []state.Change{service("shop", `{"properties":{"a":{"type":"text"}}}`)}, invalid, "service shop: schema_json.properties.a.type: ", 0},
		{"no JSON", free, []state.Change{service("shop", `{`)}, invalid, "service shop: schema_json: want a JSON object", 0},
		{"another document", free, []state.Change{service("shop", `{"$ref":"https://example.com"}`)}, invalid, "schema_json.$ref", 0},
		{"no name", free, []state.Change{service("", `{}`)}, adminv1.ErrorReason_ERROR_REASON_INVALID_VALUE, "want 1 to 256", 0},
		{"a mask", bound, []state.Change{{Service: &adminv1.Service{Service: "shop"}, Mask: []string{"etag"}}}, adminv1.ErrorReason_ERROR_REASON_INVALID_VALUE, "want some of schema_json", 0},
		{"an etag", bound, []state.Change{{Service: &adminv1.Service{Service: "shop", SchemaJson: `{}`, Etag: "1"}}}, adminv1.ErrorReason_ERROR_REASON_STALE_ETAG, "revision 3", 0},
		{"parameters that are none", bound, []state.Change{setting(2, `[]`)}, adminv1.ErrorReason_ERROR_REASON_INVALID_PARAMS, "want an object", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			result, err := test.state.Apply(version(9), test.changes)
			if test.reason == 0 {
				if err != nil {
					t.Fatal(err)
				}
				check(t, result.State)
				return
			}
			refused, ok := errors.AsType[state.Refused](err)
			if !ok || len(refused) != 1 || refused.Reason() != test.reason || !strings.Contains(err.Error(), test.problem) || refused[0].Change != test.change {
				t.Errorf("got %#v", err)
			}
		})
	}
}

// TestSchemasAreKept stores one in normal form, and goes back to where there was
// another.
func TestSchemasAreKept(t *testing.T) {
	t.Parallel()
	one := apply(t, state.Empty(version(1)), service("shop", ` { "minProperties" : 1.0 } `), setting(1, `{"model":{"name":1}}`))
	if got := one.Resource(state.ServiceID("shop")).Service().GetSchemaJson(); got != `{"minProperties":1}` {
		t.Errorf("stored %s", got)
	}
	two := apply(t, one, service("shop", texts), setting(1, `{"model":{"name":"a"}}`))
	back := apply(t, two, two.Restore(one, nil)...)
	if back.Checksum() != one.Checksum() || len(back.Services()) != 1 {
		t.Errorf("went back to %v", back.Services())
	}
	// The experiment alone can not go back: its parameters have to satisfy the
	// schema of now.
	_, err := two.Apply(version(9), two.Restore(one, func(id state.ID) bool { return id.Kind == state.KindExperiment }))
	if refused, ok := errors.AsType[state.Refused](err); !ok || refused.Reason() != adminv1.ErrorReason_ERROR_REASON_SCHEMA_VIOLATED {
		t.Errorf("got %v", err)
	}
	if same, err := two.Apply(version(9), []state.Change{service("shop", texts+" ")}); err != nil || same.State != two {
		t.Errorf("the same schema changes something: %v, %v", same, err)
	}
}

func TestViolationsAreCut(t *testing.T) {
	t.Parallel()
	params := slices.Repeat([]string{`{"a":{"x":1}}`}, 9)
	var changes []state.Change
	for eid := range int32(200) {
		changes = append(changes, setting(eid+1, params...))
	}
	s := apply(t, state.Empty(version(1)), changes...)
	_, err := s.Apply(version(9), []state.Change{service("shop", `{"properties":{"a":{"properties":{"x":false}}}}`)})
	if refused, ok := errors.AsType[state.Refused](err); !ok || len(refused) != 1000 {
		t.Errorf("told of %d problems", len(refused))
	}
}
