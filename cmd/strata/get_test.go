package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/gen/go/strata/admin/v1/adminv1connect"
	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
)

// stocked is a plane with something of everything.
func stocked(t *testing.T) *plane {
	t.Helper()
	p := newPlane(t, "production")
	answer(p, adminv1connect.EnvironmentServiceGetProcedure,
		&adminv1.EnvironmentServiceGetResponse{Environment: production()}, (*adminv1.EnvironmentServiceGetRequest)(nil))
	answer(p, adminv1connect.LayerServiceListProcedure,
		&adminv1.LayerServiceListResponse{Layers: sampleLayers(), TotalSize: 2, Revision: 7}, (*adminv1.LayerServiceListRequest)(nil))
	answer(p, adminv1connect.LayerServiceGetProcedure,
		&adminv1.LayerServiceGetResponse{Layer: sampleLayers()[0]}, (*adminv1.LayerServiceGetRequest)(nil))
	answer(p, adminv1connect.ExperimentServiceListProcedure,
		&adminv1.ExperimentServiceListResponse{Experiments: sampleExperiments(), TotalSize: 3, Revision: 7}, (*adminv1.ExperimentServiceListRequest)(nil))
	answer(p, adminv1connect.ExperimentServiceGetProcedure,
		&adminv1.ExperimentServiceGetResponse{Experiment: sampleExperiments()[0]}, (*adminv1.ExperimentServiceGetRequest)(nil))
	answer(p, adminv1connect.FieldServiceListProcedure, &adminv1.FieldServiceListResponse{TotalSize: 2, Revision: 7, Fields: []*configv1.Field{
		{Name: "age", Type: configv1.FieldType_FIELD_TYPE_INT}, {Name: "app_version", Type: configv1.FieldType_FIELD_TYPE_SEMVER},
	}}, (*adminv1.FieldServiceListRequest)(nil))
	answer(p, adminv1connect.ServiceServiceListProcedure,
		&adminv1.ServiceServiceListResponse{Services: sampleServices(), TotalSize: 2, Revision: 7}, (*adminv1.ServiceServiceListRequest)(nil))
	answer(p, adminv1connect.ServiceServiceGetProcedure,
		&adminv1.ServiceServiceGetResponse{Service: sampleServices()[1]}, (*adminv1.ServiceServiceGetRequest)(nil))
	answer(p, adminv1connect.RevisionServiceListProcedure,
		&adminv1.RevisionServiceListResponse{Revisions: sampleRevisions()}, (*adminv1.RevisionServiceListRequest)(nil))
	answer(p, adminv1connect.RevisionServiceGetProcedure, &adminv1.RevisionServiceGetResponse{
		Revision: sampleRevisions()[0], Plan: samplePlan(),
		Contents: &adminv1.Contents{Layers: sampleLayers(), Experiments: sampleExperiments(), Services: sampleServices()},
	}, (*adminv1.RevisionServiceGetRequest)(nil))
	return p
}

func TestGetSessions(t *testing.T) {
	t.Parallel()
	p := stocked(t)
	for name, args := range map[string]string{
		"get_environments":     "get environments",
		"get_environment":      "get env production",
		"get_layers":           "get layers",
		"get_layer":            "get layer ranker_model",
		"get_layer_yaml":       "get layer ranker_model -o yaml",
		"get_experiments":      "get experiments",
		"get_experiments_json": "get exp -o json",
		"get_experiment":       "get experiment 100",
		"get_fields":           "get fields",
		"get_field":            "get field age",
		"get_field_absent":     "get field agge",
		"get_services":         "get services",
		"get_service":          "get service ranker_svc",
		"get_service_json":     "get service ranker_svc -o json",
		"get_revisions":        "get revisions --limit 3",
		"get_revision":         "get revision 7",
		"history":              "history",
		"export":               "export",
		"export_json":          "export -o json --revision 7",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p.golden(t, name, strings.Fields(args)...)
		})
	}
}

func TestGetSendsFilters(t *testing.T) {
	t.Parallel()
	p := newPlane(t, "production")
	requests := make(chan proto.Message, 3)
	on(p, adminv1connect.LayerServiceListProcedure, func(_ context.Context, r *adminv1.LayerServiceListRequest) (*adminv1.LayerServiceListResponse, error) {
		requests <- r
		return &adminv1.LayerServiceListResponse{}, nil
	})
	on(p, adminv1connect.ExperimentServiceListProcedure, func(_ context.Context, r *adminv1.ExperimentServiceListRequest) (*adminv1.ExperimentServiceListResponse, error) {
		requests <- r
		return &adminv1.ExperimentServiceListResponse{}, nil
	})
	on(p, adminv1connect.RevisionServiceListProcedure, func(_ context.Context, r *adminv1.RevisionServiceListRequest) (*adminv1.RevisionServiceListResponse, error) {
		requests <- r
		return &adminv1.RevisionServiceListResponse{}, nil
	})
	for args, want := range map[string]proto.Message{
		"get layers --env e --service s --owner o --tag t --query q --revision 3 --limit 5": &adminv1.LayerServiceListRequest{
			Environment: "e", Service: "s", Owner: "o", Tag: "t", Query: "q", Revision: 3, PageSize: 5,
		},
		"get experiments --env e -s s -l l --owner o --tag t -q q --state running --state draft,PAUSED": &adminv1.ExperimentServiceListRequest{
			Environment: "e", Service: "s", LayerId: "l", Owner: "o", Tag: "t", Query: "q", PageSize: pageSize,
			States: []adminv1.ExperimentState{
				adminv1.ExperimentState_EXPERIMENT_STATE_RUNNING, adminv1.ExperimentState_EXPERIMENT_STATE_DRAFT, adminv1.ExperimentState_EXPERIMENT_STATE_PAUSED,
			},
		},
		"history --env e --author ann --limit 0": &adminv1.RevisionServiceListRequest{Environment: "e", Author: "ann", PageSize: pageSize},
	} {
		if code, _, stderr := p.run(t, "", strings.Fields(args)...); code != 0 {
			t.Fatalf("%s: %s", args, stderr)
		}
		if got := <-requests; !proto.Equal(got, want) {
			t.Errorf("%s:\ngot  %v\nwant %v", args, got, want)
		}
	}
}

func TestGetFollowsPages(t *testing.T) {
	t.Parallel()
	const total = 450
	p := newPlane(t, "production")
	on(p, adminv1connect.FieldServiceListProcedure, func(_ context.Context, r *adminv1.FieldServiceListRequest) (*adminv1.FieldServiceListResponse, error) {
		page := &adminv1.FieldServiceListResponse{TotalSize: total}
		start := 0
		if r.GetPageToken() != "" {
			if _, err := fmt.Sscan(r.GetPageToken(), &start); err != nil {
				return nil, connect.NewError(connect.CodeInvalidArgument, err)
			}
		}
		end := min(start+int(r.GetPageSize()), total)
		for i := start; i < end; i++ {
			page.Fields = append(page.Fields, &configv1.Field{Name: fmt.Sprintf("f%03d", i), Type: configv1.FieldType_FIELD_TYPE_INT})
		}
		if end < total {
			page.NextPageToken = strconv.Itoa(end)
		}
		return page, nil
	})
	for _, test := range []struct {
		limit string
		want  int
		more  bool
	}{
		{"0", total, false},
		{"1", 1, true},
		{"200", 200, true},
		{"201", 201, true},
		{"450", 450, false},
		{"9999", total, false},
	} {
		code, stdout, stderr := p.run(t, "", "get", "fields", "--limit", test.limit, "-o", "json")
		all := new(adminv1.FieldServiceListResponse)
		if err := protojson.Unmarshal([]byte(stdout), all); err != nil || code != 0 {
			t.Fatal(err, stderr)
		}
		if len(all.GetFields()) != test.want || all.GetTotalSize() != total || strings.Contains(stderr, "there are more") != test.more {
			t.Errorf("--limit %s: %d fields, total size %d, standard error %q", test.limit, len(all.GetFields()), all.GetTotalSize(), stderr)
		}
	}
}

func TestGetRefusesWhatMakesNoSense(t *testing.T) {
	t.Parallel()
	p := stocked(t)
	for args, want := range map[string]string{
		"get experiments --state walking": `--state "walking": want some of draft, running, paused, concluded, archived`,
		"get experiment hundred":          `eid "hundred": want a whole number from 1 on`,
		"get revision 0":                  `revision "0": want a whole number from 1 on`,
		"get layers --revision -1":        `revision "-1": want a whole number from 1 on`,
		"get layers --limit -1":           "--limit -1: want no less than 0",
		"get layers a b":                  "want the id of a layer or nothing, got 2 arguments: strata get layers [ID]",
		"get layers -o xml":               "want table or json or yaml",
		"get layers --server ftp://x":     `--server "ftp://x": want a URL, such as http://127.0.0.1:8082`,
		"export x -o json":                "--output goes with a bundle",
		"export --prune":                  "--prune goes with a folder",
	} {
		code, stdout, stderr := p.run(t, "", strings.Fields(args)...)
		if code != 1 || stdout != "" || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit code %d, %q, %s\nwant %s", args, code, stdout, stderr, want)
		}
	}
}

func TestEnvironmentIsTheOnlyOneOrNamed(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		there []string
		env   string
		args  []string
		want  string // in standard error; "" for success with asked
		asked string
	}{
		{name: "the only one", there: []string{"a"}, asked: "a"},
		{name: "named", there: []string{"a", "b"}, args: []string{"--env", "b"}, asked: "b"},
		{name: "from the environment", there: []string{"a", "b"}, env: "b", asked: "b"},
		{name: "flag over environment", there: []string{"a", "b"}, env: "b", args: []string{"--env", "c"}, asked: "c"},
		{name: "none", want: "http://PLANE has no environment yet: \"strata create environment NAME\" makes one"},
		{name: "two", there: []string{"a", "b"}, want: "want an environment: --env NAME, or STRATA_ENV; http://PLANE has a, b"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := newPlane(t, test.there...)
			p.env["STRATA_ENV"] = test.env
			asked := ""
			on(p, adminv1connect.FieldServiceListProcedure, func(_ context.Context, r *adminv1.FieldServiceListRequest) (*adminv1.FieldServiceListResponse, error) {
				asked = r.GetEnvironment()
				return &adminv1.FieldServiceListResponse{}, nil
			})
			code, _, stderr := p.run(t, "", append([]string{"get", "fields"}, test.args...)...)
			if (code == 0) != (test.want == "") || !strings.Contains(stderr, test.want) || asked != test.asked {
				t.Errorf("exit code %d, asked %q, %s", code, asked, stderr)
			}
		})
	}
}
