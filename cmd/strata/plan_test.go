package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/gen/go/strata/admin/v1/adminv1connect"
	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
)

// planner is a plane that answers every Apply with a plan, and tells of it.
func planner(t *testing.T, plan *adminv1.Plan) (p *plane, applied *[]*adminv1.RevisionServiceApplyRequest) {
	t.Helper()
	p, applied = newPlane(t, "production"), new([]*adminv1.RevisionServiceApplyRequest)
	on(p, adminv1connect.RevisionServiceApplyProcedure, func(_ context.Context, r *adminv1.RevisionServiceApplyRequest) (*adminv1.RevisionServiceApplyResponse, error) {
		*applied = append(*applied, r)
		revision := plan.GetBaseRevision()
		if !r.GetValidateOnly() {
			revision++
		}
		return &adminv1.RevisionServiceApplyResponse{Revision: revision, Plan: plan}, nil
	})
	answer(p, adminv1connect.EnvironmentServiceGetProcedure,
		&adminv1.EnvironmentServiceGetResponse{Environment: production()}, (*adminv1.EnvironmentServiceGetRequest)(nil))
	return p, applied
}

func TestPlanSessions(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		plan *adminv1.Plan
		args string
	}{
		"plan":              {samplePlan(), "plan -f " + examples},
		"plan_json":         {samplePlan(), "plan -f " + examples + " -o json"},
		"plan_yaml":         {samplePlan(), "plan -f " + examples + " -o yaml"},
		"plan_nothing":      {noChange(), "plan -f " + examples},
		"plan_nothing_json": {noChange(), "plan -f " + examples + " -o json"},
		"plan_by_diff":      {noChange(), "diff -f " + examples},
		"plan_misread":      {noChange(), "plan -f testdata/misread"},
		"plan_absent":       {noChange(), "plan -f testdata/absent -f testdata/nowhere.yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, _ := planner(t, test.plan)
			p.golden(t, name, strings.Fields(test.args)...)
		})
	}
}

func TestPlanJSONIsAPlan(t *testing.T) {
	t.Parallel()
	p, applied := planner(t, samplePlan())
	code, stdout, stderr := p.run(t, "", "plan", "-f", examples, "-o", "json")
	got := new(adminv1.Plan)
	if err := protojson.Unmarshal([]byte(stdout), got); err != nil || code != 2 || stderr != "" {
		t.Fatalf("exit code %d, %v, %s", code, err, stderr)
	}
	if want := samplePlan(); !proto.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	r := (*applied)[0]
	if !r.GetValidateOnly() || r.ExpectedRevision != nil || r.GetIdempotencyKey() != "" || r.GetEnvironment() != "production" {
		t.Errorf("asked %v", r)
	}
}

func writeFile(t *testing.T, dir, name, text string) string {
	t.Helper()
	name = filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestChangesAreWhatFilesSay(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	layer := writeFile(t, dir, "search.yaml", "{layer_id: search, version: v1, priority: 5, hash_key: user_id, ranges: [], tags: [], enabled: false}")
	bundle := `{"experiments": [{"eid": 7, "service": "s", "name": "", "owners": ["ann"], "variants": [{"vid": 71, "params": {"a": 1.0}}]}], "fields": {"age": "int"}}`
	p, applied := planner(t, samplePlan())
	if code, _, stderr := p.run(t, bundle, "plan", "-f", layer, "-f", "-"); code != 2 {
		t.Fatal(stderr)
	}
	upsertLayer := &adminv1.Layer{
		LayerId: "search", Version: "v1", Priority: 5, HashKey: "user_id", Salt: "search_v1", Enabled: new(false),
	}
	upsertExperiment := &adminv1.Experiment{
		Eid: 7, Service: "s", Owners: []string{"ann"}, Variants: []*configv1.Variant{{Vid: 71, ParamsJson: `{"a":1}`}},
	}
	want := []*adminv1.Change{
		{
			Change:     &adminv1.Change_UpsertLayer{UpsertLayer: upsertLayer},
			UpdateMask: mask("version", "priority", "hash_key", "salt", "enabled", "ranges", "service", "tags"),
		},
		{Change: &adminv1.Change_UpsertField{UpsertField: &configv1.Field{Name: "age", Type: configv1.FieldType_FIELD_TYPE_INT}}},
		{
			Change:     &adminv1.Change_UpsertExperiment{UpsertExperiment: upsertExperiment},
			UpdateMask: mask("service", "rule", "variants", "name", "owners"),
		},
	}
	if got := (*applied)[0].GetChanges(); !slices.EqualFunc(got, want, func(a, b *adminv1.Change) bool { return proto.Equal(a, b) }) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestPruneRemovesWhatTheFilesDoNotHave(t *testing.T) {
	t.Parallel()
	p, applied := planner(t, samplePlan())
	answer(p, adminv1connect.RevisionServiceGetProcedure, &adminv1.RevisionServiceGetResponse{
		Revision: &adminv1.Revision{Revision: 7},
		Contents: &adminv1.Contents{
			Layers: sampleLayers(), Experiments: sampleExperiments(),
			Fields:   []*configv1.Field{{Name: "age", Type: configv1.FieldType_FIELD_TYPE_INT}, {Name: "city", Type: configv1.FieldType_FIELD_TYPE_STRING}},
			Services: sampleServices(),
		},
	}, (*adminv1.RevisionServiceGetRequest)(nil))
	bundle := `{"layers": [{"layer_id": "holiday_theme", "priority": 1, "hash_key": "k", "salt": "s", "ranges": []}],
		"experiments": [{"eid": 110, "service": "s", "variants": [{"vid": 1, "params": {}}]}], "fields": {"age": "int"},
		"services": [{"service": "mail", "schema": {}}]}`
	if code, _, stderr := p.run(t, bundle, "plan", "-f", "-", "--prune"); code != 2 {
		t.Fatal(stderr)
	}
	r := (*applied)[0]
	var removed []string
	for _, c := range r.GetChanges() {
		switch change := c.GetChange().(type) {
		case *adminv1.Change_DeleteLayer:
			removed = append(removed, change.DeleteLayer)
		case *adminv1.Change_DeleteExperiment:
			removed = append(removed, decimal(change.DeleteExperiment))
		case *adminv1.Change_DeleteField:
			removed = append(removed, change.DeleteField)
		case *adminv1.Change_DeleteService:
			removed = append(removed, change.DeleteService)
		}
	}
	if want := "ranker_model 100 400 city ranker_svc"; strings.Join(removed, " ") != want || r.GetExpectedRevision() != 7 {
		t.Errorf("removed %v at revision %v, want %s at revision 7", removed, r.ExpectedRevision, want)
	}

	code, _, stderr := p.run(t, `{"layers": []}`, "plan", "-f", "-", "--prune")
	if code != 1 || !strings.Contains(stderr, "all would be removed") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
}

func TestNothingToApplyIsNoChange(t *testing.T) {
	t.Parallel()
	p, applied := planner(t, samplePlan())
	code, stdout, stderr := p.run(t, `{"layers": [], "experiments": []}`, "apply", "-f", "-")
	if code != 0 || stdout != "production at revision 7: no changes\n" || stderr != "" || len(*applied) != 0 {
		t.Errorf("exit code %d, %s%s", code, stdout, stderr)
	}
}

// TestViolationsOfSchemasHaveLines refuses parameters as a control plane does.
func TestViolationsOfSchemasHaveLines(t *testing.T) {
	t.Parallel()
	p := newPlane(t, "production")
	on(p, adminv1connect.RevisionServiceApplyProcedure, func(_ context.Context, r *adminv1.RevisionServiceApplyRequest) (*adminv1.RevisionServiceApplyResponse, error) {
		i := slices.IndexFunc(r.GetChanges(), func(c *adminv1.Change) bool { return c.GetUpsertExperiment() != nil })
		reason := adminv1.ErrorReason_ERROR_REASON_SCHEMA_VIOLATED
		return nil, refusal(connect.CodeInvalidArgument, reason, "the parameters are refused", &errdetails.BadRequest_FieldViolation{
			Field: "changes[" + decimal(int32(i)) + "].upsert_experiment.variants[1].params.model.features", Reason: reason.String(),
			Description: "breaks the schema of service ranker_svc in variant 102: got number, want integer",
		})
	})
	p.golden(t, "plan_schemas", "plan", "-f", "testdata/schemas")
}

// TestViolationsAreNamedAsInFiles maps places in the request back to files, with
// lines where the files alone are at fault.
func TestViolationsAreNamedAsInFiles(t *testing.T) {
	t.Parallel()
	p := newPlane(t, "production")
	on(p, adminv1connect.RevisionServiceApplyProcedure, func(_ context.Context, r *adminv1.RevisionServiceApplyRequest) (*adminv1.RevisionServiceApplyResponse, error) {
		layer := slices.IndexFunc(r.GetChanges(), func(c *adminv1.Change) bool { return c.GetUpsertLayer() != nil })
		experiment := slices.IndexFunc(r.GetChanges(), func(c *adminv1.Change) bool { return c.GetUpsertExperiment() != nil })
		within := func(i int, path string) string { return "changes[" + decimal(int32(i)) + "]" + path }
		overlap, taken := adminv1.ErrorReason_ERROR_REASON_RANGES_OVERLAP.String(), adminv1.ErrorReason_ERROR_REASON_ID_TAKEN.String()
		return nil, refusal(connect.CodeInvalidArgument, adminv1.ErrorReason_ERROR_REASON_INVALID_CONFIGURATION,
			"the configuration that would result has 4 faults",
			&errdetails.BadRequest_FieldViolation{
				Field: within(layer, ".upsert_layer.ranges[1]"), Reason: overlap,
				Description: "slots [4000, 10000) overlap ranges[0], which has [0, 5000)",
			},
			&errdetails.BadRequest_FieldViolation{
				Field: within(experiment, ".upsert_experiment.variants[0].vid"), Reason: taken,
				Description: "101 is a variant of experiment 7 in staging",
			},
			&errdetails.BadRequest_FieldViolation{Field: within(experiment, ""), Reason: taken, Description: "100 was used before"},
			&errdetails.BadRequest_FieldViolation{Field: "layer other: ranges[0].vid", Description: "9 is no variant of any experiment"},
		)
	})
	p.golden(t, "plan_refused", "plan", "-f", "testdata/refused")
}

func TestFilesAreReadFirst(t *testing.T) {
	t.Parallel()
	p := newPlane(t) // which has no environment
	for args, want := range map[string]string{
		"plan":                         "want a file or folder: -f PATH, or -f - for standard input",
		"apply":                        "want a file or folder: -f PATH, or -f - for standard input",
		"plan -f a.yaml b.yaml":        `what to do with "b.yaml"? Each file has its own -f, or name the folder`,
		"plan -f - -f -":               "standard input can be read only once",
		"plan -f testdata/misread":     "testdata/misread/layers/search.json",
		"diff -f testdata/shop 3":      "want either files or revisions to compare with, not both",
		"diff --prune":                 "--prune goes with -f",
		"apply -f testdata/absent":     "what -f names has 1 fault:\ntestdata/absent: does not exist",
		"apply -f testdata/shop -o no": "want table or json or yaml",
	} {
		code, stdout, stderr := p.run(t, "", strings.Fields(args)...)
		if code != 1 || stdout != "" || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit code %d, %q, %s\nwant %s", args, code, stdout, stderr, want)
		}
	}
}
