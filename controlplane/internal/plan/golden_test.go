package plan_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/strata-exp/strata/controlplane/internal/plan"
	"github.com/strata-exp/strata/controlplane/internal/state"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestGolden compares a plan that has something of everything with one that was
// reviewed.
func TestGolden(t *testing.T) {
	t.Parallel()
	before := apply(
		t, empty(),
		layer("search", 200, slots(0, 3000, 11), slots(3000, 6000, 12)),
		layer("checkout", 100, slots(0, 5000, 21), slots(5000, 10000, 22)),
		layer("old", 50, slots(0, 100, 31)),
		layer("mail", 10, slots(0, 1000, 61)),
		experiment(1, `{"model":{"version":1,"name":"a"},"ui":{}}`, `{"model":{"version":2,"name":"b"},"ui":{}}`),
		experiment(2, `{"model":{"name":"c"},"price":1}`, `{"price":2}`),
		with(experiment(3, `{"x":1}`), func(x *adminv1.Experiment) { x.Service = "search" }),
		with(experiment(4, `{"price":9}`), func(x *adminv1.Experiment) { x.Rule = is("vip") }),
		experiment(5, `{"model":null}`),
		experiment(6, `{"mail":1}`),
		field("vip"), field("age"), field("gone"),
		service("shop", `{"properties":{"price":{"type":"integer"}}}`), service("old", `{}`),
	)
	after := apply(
		t, before,
		layer("search", 200, slots(0, 2000, 11), slots(2000, 6000, 12), slots(6000, 6500, 41)),
		state.Change{Mask: []string{"enabled", "tags", "description"}, Layer: &adminv1.Layer{
			LayerId: "checkout", Enabled: new(true), Tags: []string{"money"}, Description: "All of \"checkout\"",
		}},
		state.Change{Delete: state.LayerID("old")},
		salted(layer("mail", 10, slots(0, 1000, 61)), "other"),
		salted(layer("twin", 300, slots(0, 2500, 51)), "search_v1"),
		state.Change{Delete: state.ExperimentID(3)},
		with(experiment(1, `{"model":{"version":1,"name":"a"},"ui":{"dark":true}}`, `{"model":7,"ui":{}}`), func(x *adminv1.Experiment) {
			x.Rule = &configv1.Rule{Op: configv1.Operator_OPERATOR_NOT, Children: []*configv1.Rule{is("vip")}}
		}),
		with(experiment(4, `{"price":9}`, `{"price":8}`), func(x *adminv1.Experiment) { x.Rule, x.Hypothesis = is("vp"), "They pay" }),
		state.Change{Delete: state.FieldID("gone")},
		state.Change{Field: &configv1.Field{Name: "age", Type: configv1.FieldType_FIELD_TYPE_INT}},
		field("country"),
		service("shop", `{"properties":{"price":{"type":"number"},"mail":true}}`), service("search", `{}`),
		state.Change{Delete: state.ServiceID("old")},
	)
	rests := func(layerID string) []plan.Rest {
		if layerID != "search" {
			return nil
		}
		return []plan.Rest{{Start: 6400, End: 9000, EID: 9}, {Start: 6000, End: 6100, EID: 4}}
	}
	p := plan.Make(before, after, plan.Options{Resting: rests})
	raw, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer // protojson varies its white space on purpose
	if err := json.Indent(&got, raw, "", "  "); err != nil {
		t.Fatal(err)
	}
	got.WriteByte('\n')
	const golden = "testdata/plan.golden"
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("%s differs; see the difference after go test -update\ngot:\n%s", golden, got.String())
	}
}
