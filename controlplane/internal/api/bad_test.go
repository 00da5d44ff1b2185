package api

import (
	"fmt"
	"strings"
	"testing"

	"connectrpc.com/connect"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/gen/go/strata/admin/v1/adminv1connect"
)

// TestBadRequests calls procedures with what is wrong in all ways.
func TestBadRequests(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.world()
	const (
		apply = "RevisionService/Apply"
		start = "ExperimentService/Start"
	)
	rule := func(levels int) string {
		return strings.Repeat(`{"op":"OPERATOR_NOT","children":[`, levels) + `{"op":77}` + strings.Repeat(`]}`, levels)
	}
	for _, test := range []struct {
		name, procedure, body string
		code, reason, fields  string
	}{
		// Requests that can not be read.
		{"no JSON", apply, `{"environment":`, "invalid_argument", "INVALID_REQUEST", "body"},
		{"another kind of JSON", apply, `[]`, "invalid_argument", "INVALID_REQUEST", "body"},
		{"an unknown field", apply, `{"environment":"dev","validateonly":true}`, "invalid_argument", "INVALID_REQUEST", "validateonly"},
		{
			"an unknown field inside", apply, `{"environment":"dev","changes":[{"delete_layer":"a"},{"upsert_layer":{"layer_id":"b","salty":""}}]}`,
			"invalid_argument", "INVALID_REQUEST", "changes[1].upsert_layer.salty",
		},
		{
			"a value of another type", "LayerService/Create", `{"environment":"dev","layer":{"layer_id":"b","ranges":[{},{"start":"zero"}]}}`,
			"invalid_argument", "INVALID_REQUEST", "layer.ranges[1].start",
		},
		{"a field twice", "LayerService/Get", `{"environment":"dev","environment":"dev"}`, "invalid_argument", "INVALID_REQUEST", "environment"},
		{
			"two of one", apply, `{"environment":"dev","changes":[{"delete_layer":"a","delete_field":"b"}]}`,
			"invalid_argument", "INVALID_REQUEST", "changes[0].delete_field",
		},
		{"a mask of nothing", "LayerService/Update", `{"environment":"dev","update_mask":"a-b"}`, "invalid_argument", "INVALID_REQUEST", "update_mask"},
		{
			"a time", "RevisionService/Get", `{"environment":"dev","time":"noon"}`, "invalid_argument", "INVALID_REQUEST", "time",
		},

		// Requests that break a rule of their schema.
		{"no environment", "LayerService/List", `{}`, "invalid_argument", "INVALID_REQUEST", "environment"},
		{"no layer", "LayerService/Create", `{"environment":"dev"}`, "invalid_argument", "INVALID_REQUEST", "layer"},
		{"no changes", apply, `{"environment":"dev"}`, "invalid_argument", "INVALID_REQUEST", "changes"},
		{"an empty change", apply, `{"environment":"dev","changes":[{}]}`, "invalid_argument", "INVALID_REQUEST", "changes[0]"},
		{
			"everything wrong", "LayerService/List", `{"revision":-1,"page_size":1001}`,
			"invalid_argument", "INVALID_REQUEST", "environment, revision, page_size",
		},
		{"a name", "EnvironmentService/Create", `{"environment":{"name":"Dev"}}`, "invalid_argument", "INVALID_REQUEST", "environment.name"},
		{
			"a long rest", "EnvironmentService/Create", `{"environment":{"name":"x","cooling_period":"31622401s"}}`,
			"invalid_argument", "INVALID_REQUEST", "environment.cooling_period",
		},
		{
			"a range", apply, `{"environment":"dev","changes":[{"upsert_layer":{"layer_id":"b","ranges":[{"start":0,"end":10001,"vid":1}]}}]}`,
			"invalid_argument", "INVALID_REQUEST", "changes[0].upsert_layer.ranges[0].end",
		},
		{
			"a rule", "ExperimentService/Create",
			`{"environment":"dev","experiment":{"service":"web","variants":[{"params_json":"{}"}],"rule":` + rule(2) + `}}`,
			"invalid_argument", "INVALID_REQUEST", "experiment.rule.children[0].children[0].op",
		},
		{"no experiment", "ExperimentService/Get", `{"environment":"dev"}`, "invalid_argument", "INVALID_REQUEST", "eid"},
		{"no outcome", "ExperimentService/Conclude", `{"environment":"dev","eid":100}`, "invalid_argument", "INVALID_REQUEST", "body"},
		{"no kind of allocation", start, `{"environment":"dev","eid":200,"allocation":{}}`, "invalid_argument", "INVALID_REQUEST", "allocation"},
		{
			"half of one", "ExperimentService/Conclude", `{"environment":"dev","eid":100,"revert":false}`,
			"invalid_argument", "INVALID_REQUEST", "revert",
		},
		{
			"a negative weight", start, `{"environment":"dev","eid":200,"allocation":{"weights":{"total_slots":5,"variants":[{"vid":201,"weight":-1}]}}}`,
			"invalid_argument", "INVALID_REQUEST", "allocation.weights.variants[0].weight",
		},
		{"no field type", "FieldService/Set", `{"environment":"dev","field":{"name":"a"}}`, "invalid_argument", "INVALID_REQUEST", "field.type"},
		{"no service", "PreviewService/Evaluate", `{"environment":"dev"}`, "invalid_argument", "INVALID_REQUEST", "services"},
		{
			"two revisions", "PreviewService/Evaluate", `{"environment":"dev","services":["web"],"revision":"1","time":"2026-01-01T00:00:00Z"}`,
			"invalid_argument", "INVALID_REQUEST", "time",
		},
		{"no experiment to update", "ExperimentService/Update", `{"environment":"dev","experiment":{"service":"web","variants":[{}]}}`, "invalid_argument", "INVALID_REQUEST", "experiment.eid"},
		{
			"what the mask names", "ExperimentService/Update", `{"environment":"dev","experiment":{"eid":100},"update_mask":"variants,service"}`,
			"invalid_argument", "INVALID_REQUEST", "experiment.service, experiment.variants",
		},
		{
			"what no mask names", "ExperimentService/Update", `{"environment":"dev","experiment":{"eid":100}}`,
			"invalid_argument", "INVALID_REQUEST", "experiment.service, experiment.variants",
		},
		{
			"what a mask needs not name", apply, `{"environment":"dev","changes":[{"upsert_layer":{"hash_key":"u"},"update_mask":"hash_key"}]}`,
			"invalid_argument", "INVALID_REQUEST", "changes[0].upsert_layer.layer_id",
		},
		{
			"what is there all the same", apply,
			`{"environment":"dev","changes":[{"upsert_experiment":{"eid":500,"tags":["a","a"]},"update_mask":"name"}]}`,
			"invalid_argument", "INVALID_REQUEST", "changes[0].upsert_experiment.tags",
		},
		{
			"what a new resource lacks", apply, `{"environment":"dev","changes":[{"upsert_experiment":{"eid":500},"update_mask":"name"}]}`,
			"invalid_argument", "INVALID_VALUE", "changes[0].upsert_experiment.service, changes[0].upsert_experiment.variants",
		},
		{
			"a mask of a change beside", apply,
			`{"environment":"dev","changes":[{"upsert_experiment":{"eid":100},"update_mask":"name"},{"upsert_experiment":{"eid":200}}]}`,
			"invalid_argument", "INVALID_REQUEST", "changes[1].upsert_experiment.service, changes[1].upsert_experiment.variants",
		},
		{"no token", "LayerService/List", `{"environment":"dev","page_token":"!"}`, "invalid_argument", "INVALID_REQUEST", "page_token"},
		{
			"itself", "RevisionService/Promote", `{"environment":"dev","from_environment":"dev"}`,
			"invalid_argument", "INVALID_REQUEST", "from_environment",
		},

		// What does not exist.
		{"environment", "LayerService/List", `{"environment":"prod"}`, "not_found", "ENVIRONMENT_NOT_FOUND", ""},
		{"environment of a write", apply, `{"environment":"prod","changes":[{"delete_layer":"a"}]}`, "not_found", "ENVIRONMENT_NOT_FOUND", ""},
		{"revision", "LayerService/List", `{"environment":"dev","revision":"9"}`, "not_found", "REVISION_NOT_FOUND", ""},
		{"time", "PreviewService/Evaluate", `{"environment":"dev","services":["web"],"time":"2020-01-01T00:00:00Z"}`, "not_found", "REVISION_NOT_FOUND", ""},
		{"layer", "LayerService/Get", `{"environment":"dev","layer_id":"none"}`, "not_found", "RESOURCE_NOT_FOUND", ""},
		{"experiment", "ExperimentService/Get", `{"environment":"dev","eid":7}`, "not_found", "RESOURCE_NOT_FOUND", ""},
		{"layer to delete", "LayerService/Delete", `{"environment":"dev","layer_id":"none"}`, "not_found", "RESOURCE_NOT_FOUND", "layer_id"},
		{"field to delete", "FieldService/Delete", `{"environment":"dev","name":"none"}`, "not_found", "RESOURCE_NOT_FOUND", "name"},
		{"experiment to pause", "ExperimentService/Pause", `{"environment":"dev","eid":7}`, "not_found", "RESOURCE_NOT_FOUND", ""},
		{
			"layer to update", "LayerService/Update", `{"environment":"dev","layer":{"layer_id":"none"},"update_mask":"priority"}`,
			"not_found", "RESOURCE_NOT_FOUND", "layer",
		},
		{
			"layer to roll back", "RevisionService/Rollback", `{"environment":"dev","revision":"1","layer_ids":["ads","none"]}`,
			"not_found", "RESOURCE_NOT_FOUND", "layer_ids[1]",
		},

		// What is as it should not be.
		{
			"layer that exists", "LayerService/Create", `{"environment":"dev","layer":{"layer_id":"ads","version":"v2","hash_key":"user_id"}}`,
			"already_exists", "ALREADY_EXISTS", "layer",
		},
		{
			"a stale layer", "LayerService/Update", `{"environment":"dev","layer":{"layer_id":"ads","etag":"1"},"update_mask":"priority"}`,
			"aborted", "STALE_ETAG", "layer.etag",
		},
		{"a stale layer to delete", "LayerService/Delete", `{"environment":"dev","layer_id":"free","etag":"1"}`, "aborted", "STALE_ETAG", "etag"},
		{"a stale experiment", "ExperimentService/Pause", `{"environment":"dev","eid":100,"etag":"1"}`, "aborted", "STALE_ETAG", "etag"},
		{"a stale revision", "LayerService/Delete", `{"environment":"dev","layer_id":"ads","expected_revision":"1"}`, "aborted", "STALE_REVISION", ""},
		{"a revision of 0", "LayerService/Delete", `{"environment":"dev","layer_id":"ads","expected_revision":"0"}`, "aborted", "STALE_REVISION", ""},
		{
			"another plan", apply, `{"environment":"dev","expected_checksum":"00","changes":[{"delete_field":"country"}]}`,
			"aborted", "PLAN_MISMATCH", "",
		},
		{"a stale environment", "EnvironmentService/Delete", `{"environment":"dev","etag":"0"}`, "aborted", "STALE_ETAG", ""},

		// Changes that can not be made, in the places of the request.
		{
			"a range of nobody", apply,
			`{"environment":"dev","changes":[{"delete_field":"country"},{"upsert_layer":{"layer_id":"b","version":"1","hash_key":"u","ranges":[{"start":0,"end":5,"vid":9}]}}]}`,
			"invalid_argument", "UNKNOWN_VARIANT", "changes[1].upsert_layer.ranges[0].vid",
		},
		{
			"ranges that overlap", "LayerService/Update",
			`{"environment":"dev","layer":{"layer_id":"ads","ranges":[{"start":0,"end":9,"vid":101},{"start":8,"end":12,"vid":102}]},"update_mask":"ranges"}`,
			"invalid_argument", "RANGES_OVERLAP", "layer.ranges[1]",
		},
		{
			"a mask", "LayerService/Update", `{"environment":"dev","layer":{"layer_id":"ads"},"update_mask":"salt,usage"}`,
			"invalid_argument", "INVALID_VALUE", "update_mask",
		},
		{
			"a mask of a change", apply, `{"environment":"dev","changes":[{"upsert_layer":{"layer_id":"ads"},"update_mask":"layerId"}]}`,
			"invalid_argument", "INVALID_VALUE", "changes[0].update_mask",
		},
		{
			"a salt", "LayerService/Update", `{"environment":"dev","layer":{"layer_id":"ads","salt":"new"},"update_mask":"salt"}`,
			"failed_precondition", "SALT_IMMUTABLE", "layer.salt",
		},
		{
			"a stale etag of a change", apply, `{"environment":"dev","changes":[{"delete_layer":"free","etag":"1"}]}`,
			"aborted", "STALE_ETAG", "changes[0].etag",
		},
		{
			"a stale etag in a resource", apply, `{"environment":"dev","changes":[{"upsert_layer":{"layer_id":"ads","etag":"1"}}]}`,
			"aborted", "STALE_ETAG", "changes[0].upsert_layer.etag",
		},
		{
			"a resource twice", apply, `{"environment":"dev","changes":[{"delete_field":"country"},{"delete_field":"country"}]}`,
			"invalid_argument", "ID_TAKEN", "changes[1].delete_field",
		},
		{
			"a field in use", apply,
			`{"environment":"dev","changes":[{"delete_field":"country"},{"upsert_experiment":{"eid":200,"service":"web","layer_id":"ads",
				"rule":{"op":"OPERATOR_EQ","field":"country","values":[{"string_value":"US"}]},"variants":[{"vid":201,"params_json":"{}"}]}}]}`,
			"failed_precondition", "STILL_REFERENCED", "changes[0].delete_field",
		},
		{
			"slots left behind", apply, `{"environment":"dev","changes":[{"delete_experiment":100}]}`,
			"failed_precondition", "STILL_REFERENCED", "changes[0].delete_experiment",
		},
		{
			"params", "ExperimentService/Create", `{"environment":"dev","experiment":{"service":"web","variants":[{"params_json":"{}"},{"params_json":"[]"}]}}`,
			"invalid_argument", "INVALID_PARAMS", "experiment.variants[1].params",
		},
		{
			"a schema", "ServiceService/Set", `{"environment":"dev","service":{"service":"web","schema_json":"{\"items\":3}"}}`,
			"invalid_argument", "INVALID_SCHEMA", "service.schema_json.items",
		},
		{"no schema", "ServiceService/Set", `{"environment":"dev","service":{"service":"web"}}`, "invalid_argument", "INVALID_REQUEST", "service.schema_json"},
		{
			"a schema that a variant breaks", apply, `{"environment":"dev","changes":[{"upsert_service":{"service":"web","schema_json":"{\"properties\":{\"size\":false}}"}}]}`,
			"invalid_argument", "SCHEMA_VIOLATED", "experiment 100: variants[0].params.size, experiment 100: variants[1].params.size",
		},
		{
			"no service of an experiment", "ExperimentService/Create", `{"environment":"dev","experiment":{"variants":[{"params_json":"{}"}]}}`,
			"invalid_argument", "INVALID_REQUEST", "experiment.service",
		},
		{
			"several kinds", apply,
			`{"environment":"dev","changes":[{"delete_layer":"none"},{"upsert_layer":{"layer_id":"ads","hash_key":"x","salt":"y"}}]}`,
			"invalid_argument", "INVALID_CONFIGURATION", "changes[0].delete_layer, changes[1].upsert_layer.salt, changes[1].upsert_layer.hash_key",
		},
		{
			"a preview", "PreviewService/Evaluate", `{"environment":"dev","services":["web"],"changes":[{"delete_experiment":100}]}`,
			"failed_precondition", "STILL_REFERENCED", "changes[0].delete_experiment",
		},

		// Lives.
		{"a draft to pause", "ExperimentService/Pause", `{"environment":"dev","eid":200}`, "failed_precondition", "INVALID_STATE", ""},
		{"no allocation", start, `{"environment":"dev","eid":200}`, "invalid_argument", "INVALID_ALLOCATION", "allocation"},
		{
			"half a slot", start, `{"environment":"dev","eid":200,"allocation":{"percent":{"variants":[{"vid":201,"percent":0.001}]}}}`,
			"invalid_argument", "INVALID_ALLOCATION", "allocation.percent.variants[0].percent",
		},
		{
			"too much", start, `{"environment":"dev","eid":200,"allocation":{"slots":{"variants":[{"vid":201,"slots":7001}]}}}`,
			"failed_precondition", "NOT_ENOUGH_SLOTS", "",
		},
		{"a stranger as winner", "ExperimentService/Conclude", `{"environment":"dev","eid":100,"winner_vid":201}`, "invalid_argument", "UNKNOWN_VARIANT", "winner_vid"},

		// Previews.
		{
			"too many attributes", "PreviewService/Evaluate",
			`{"environment":"dev","services":["web"],"context":{` + attributesOf(1001) + `}}`,
			"invalid_argument", "INVALID_REQUEST", "context",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			f := (&bundle{t: t, url: b.url}).fails(test.procedure, test.body)
			if f.code != test.code || f.reason != test.reason || f.fields() != test.fields {
				t.Errorf("got %s %s %q: %s", f.code, f.reason, f.fields(), f.message)
			}
			if len(f.message) > 2000 {
				t.Errorf("the message has %d bytes", len(f.message))
			}
		})
	}
}

func attributesOf(n int) string {
	parts := make([]string, n)
	for i := range parts {
		parts[i] = fmt.Sprintf(`"a%d":1`, i)
	}
	return strings.Join(parts, ",")
}

// TestRefusalsTellEverything looks at the texts of a refusal with many problems.
func TestRefusalsTellEverything(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.world()
	changes := make([]string, 1500)
	for i := range changes {
		changes[i] = fmt.Sprintf(`{"delete_layer":"none_%d"}`, i)
	}
	f := b.fails("RevisionService/Apply", `{"environment":"dev","changes":[`+strings.Join(changes, ",")+`]}`)
	if f.reason != "RESOURCE_NOT_FOUND" || len(f.violations) != maxViolations {
		t.Fatalf("got %s with %d violations", f.reason, len(f.violations))
	}
	want := "layer none_0: does not exist at revision 2; layer none_1: does not exist at revision 2; layer none_2: does not exist at revision 2; " +
		"layer none_3: does not exist at revision 2; layer none_4: does not exist at revision 2; and 1495 more"
	if f.message != want {
		t.Errorf("got %s", f.message)
	}
	if got := f.violations[7]; got != "changes[7].delete_layer | does not exist at revision 2 | RESOURCE_NOT_FOUND" {
		t.Errorf("got %s", got)
	}
}

// TestBrokenRulesAreTold looks at the texts of a malformed request.
func TestBrokenRulesAreTold(t *testing.T) {
	t.Parallel()
	b := setup(t)
	f := b.fails("LayerService/List", `{"page_size":-1}`)
	want := []string{
		"environment | must be at least 1 bytes | ",
		"page_size | must be greater than or equal to 0 and less than or equal to 1000 | ",
	}
	if fmt.Sprint(f.violations) != fmt.Sprint(want) {
		t.Errorf("got %q", f.violations)
	}
	f = b.fails("ExperimentService/Conclude", `{"environment":"dev","eid":100}`)
	if want := "body | want one of winner_vid, revert | "; f.violations[0] != want {
		t.Errorf("got %q", f.violations)
	}
	many := strings.TrimSuffix(strings.Repeat(`{},`, 500), ",")
	f = b.fails("RevisionService/Apply", `{"environment":"dev","changes":[`+many+`]}`)
	if n := len(f.violations); n != maxBroken+1 || f.violations[n-1] != "body | there is more that is wrong, which is not told | " {
		t.Errorf("got %d: %s", n, f.violations[n-1])
	}
}

// TestProblemsOfOtherResources have no place in the request.
func TestProblemsOfOtherResources(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.world()
	// Experiment 200 names the layer, and is not in the request.
	f := b.fails("RevisionService/Rollback", `{"environment":"dev","revision":"1","layer_ids":["free"],"expected_revision":"1"}`)
	if f.reason != "STALE_REVISION" {
		t.Errorf("got %+v", f)
	}
	b.ok("ExperimentService/Pause", `{"environment":"dev","eid":100}`)
	f = b.fails("RevisionService/Apply", `{"environment":"dev","changes":[{"upsert_layer":{"layer_id":"ads",
		"ranges":[{"start":0,"end":10,"vid":201}]},"update_mask":"ranges"}]}`)
	if f.reason != "SLOTS_HELD" || f.fields() != "changes[0].upsert_layer.ranges" {
		t.Errorf("got %+v", f)
	}
	// Its service is not the layer's, which the layer is told of.
	b.ok("LayerService/Update", `{"environment":"dev","layer":{"layer_id":"free","service":"mail"},"update_mask":"service"}`)
	b.ok("ExperimentService/Create", `{"environment":"dev","experiment":{"eid":300,"service":"web","variants":[{"vid":301,"params_json":"{}"}]}}`)
	f = b.fails("ExperimentService/Start", `{"environment":"dev","eid":300,"layer_id":"free","allocation":{"slots":{"variants":[{"vid":301,"slots":5}]}}}`)
	if f.code != "invalid_argument" || f.reason != "SERVICE_MISMATCH" || f.fields() != "layer free: ranges[0].vid" {
		t.Errorf("got %+v", f)
	}
}

// TestBinaryRequestsAreRefusedAlike sends what JSON can not.
func TestBinaryRequestsAreRefusedAlike(t *testing.T) {
	t.Parallel()
	b := setup(t)
	client := adminv1connect.NewLayerServiceClient(httpClient(t), b.url, connect.WithGRPCWeb())
	_, err := client.Get(t.Context(), &adminv1.LayerServiceGetRequest{Environment: "dev", LayerId: "a\xff"})
	if err == nil {
		t.Error("the client sends text that is not UTF-8")
	}
	_, err = client.Get(t.Context(), &adminv1.LayerServiceGetRequest{LayerId: "a"})
	if connect.CodeOf(err) != connect.CodeInvalidArgument || !strings.Contains(err.Error(), "environment: must be at least 1 bytes") {
		t.Errorf("got %v", err)
	}
	status, data := b.binary("LayerService/Get", "\x0a\x05a")
	if f := faultOf(t, data); status != 400 || f.reason != "INVALID_REQUEST" || f.fields() != "body" {
		t.Errorf("status %d: %+v", status, f)
	}
}
