package main

import (
	"context"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/gen/go/strata/admin/v1/adminv1connect"
)

// protoText is text for tests, whose white space varies.
func protoText(m proto.Message) string { return prototext.MarshalOptions{}.Format(m) }

// living serves the life of experiments, and tells what it was asked.
func living(t *testing.T) (p *plane, asked *[]proto.Message) {
	t.Helper()
	p, asked = newPlane(t, "production"), new([]proto.Message)
	experiment := func() *adminv1.Experiment { return sampleExperiments()[0] }
	plan := samplePlan()
	plan.Resources, plan.Layers, plan.Parameters = plan.Resources[2:3], nil, nil
	plan.SharedParameters, plan.HiddenParameters, plan.Warnings = nil, nil, nil
	on(p, adminv1connect.ExperimentServiceStartProcedure, func(_ context.Context, r *adminv1.ExperimentServiceStartRequest) (*adminv1.ExperimentServiceStartResponse, error) {
		*asked = append(*asked, r)
		return &adminv1.ExperimentServiceStartResponse{Experiment: experiment(), Revision: 8, Plan: plan}, nil
	})
	on(p, adminv1connect.ExperimentServicePauseProcedure, func(_ context.Context, r *adminv1.ExperimentServicePauseRequest) (*adminv1.ExperimentServicePauseResponse, error) {
		*asked = append(*asked, r)
		return &adminv1.ExperimentServicePauseResponse{Experiment: experiment(), Revision: 8, Plan: plan}, nil
	})
	on(p, adminv1connect.ExperimentServiceResumeProcedure, func(_ context.Context, r *adminv1.ExperimentServiceResumeRequest) (*adminv1.ExperimentServiceResumeResponse, error) {
		*asked = append(*asked, r)
		return &adminv1.ExperimentServiceResumeResponse{Experiment: experiment(), Revision: 8, Plan: plan}, nil
	})
	on(p, adminv1connect.ExperimentServiceConcludeProcedure, func(_ context.Context, r *adminv1.ExperimentServiceConcludeRequest) (*adminv1.ExperimentServiceConcludeResponse, error) {
		*asked = append(*asked, r)
		return &adminv1.ExperimentServiceConcludeResponse{Experiment: experiment(), Revision: 8, Plan: plan}, nil
	})
	on(p, adminv1connect.ExperimentServiceArchiveProcedure, func(_ context.Context, r *adminv1.ExperimentServiceArchiveRequest) (*adminv1.ExperimentServiceArchiveResponse, error) {
		*asked = append(*asked, r)
		return &adminv1.ExperimentServiceArchiveResponse{Experiment: experiment(), Revision: 8, Plan: plan}, nil
	})
	on(p, adminv1connect.ExperimentServiceSetAllocationProcedure, func(_ context.Context, r *adminv1.ExperimentServiceSetAllocationRequest) (*adminv1.ExperimentServiceSetAllocationResponse, error) {
		*asked = append(*asked, r)
		return &adminv1.ExperimentServiceSetAllocationResponse{Experiment: experiment(), Revision: 8, Plan: plan}, nil
	})
	return p, asked
}

func TestLifeSessions(t *testing.T) {
	t.Parallel()
	for name, args := range map[string]string{
		"start":          "start 100",
		"start_dry_run":  "start 100 --dry-run",
		"allocate_json":  "allocate 100 --percent 1001=40 -o json",
		"conclude_twice": "conclude 100 --winner 1002 --revert",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, _ := living(t)
			p.golden(t, name, strings.Fields(args)...)
		})
	}
}

func TestLifeRequests(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"start 100": `environment:"production" eid:100`,
		"start 100 --layer l --percent 1=40 --percent 2=12.5% --ignore-cooling": `environment:"production" eid:100 ` +
			`allocation:{percent:{variants:{vid:1 percent:40} variants:{vid:2 percent:12.5}}} ignore_cooling:true layer_id:"l"`,
		"pause 100":                   `environment:"production" eid:100`,
		"resume 100 --ignore-cooling": `environment:"production" eid:100 ignore_cooling:true`,
		"conclude 100 --winner 1002":  `environment:"production" eid:100 winner_vid:1002`,
		"conclude 100 --revert":       `environment:"production" eid:100 revert:true`,
		"archive 100":                 `environment:"production" eid:100`,
		"allocate 100 --slots 1=4000,2=0": `environment:"production" eid:100 ` +
			`allocation:{slots:{variants:{vid:1 slots:4000} variants:{vid:2}}}`,
		"allocate 100 --weights 1=1,2=3 --total 0": `environment:"production" eid:100 ` +
			`allocation:{weights:{variants:{vid:1 weight:1} variants:{vid:2 weight:3}}}`,
	} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			p, asked := living(t)
			code, _, stderr := p.run(t, "", append(strings.Fields(args), "-m", "why")...)
			if code != 0 || len(*asked) != 2 {
				t.Fatalf("%d calls, %s", len(*asked), stderr)
			}
			planned, made := (*asked)[0].ProtoReflect(), (*asked)[1].ProtoReflect()
			fields := made.Descriptor().Fields()
			for _, name := range []string{"validate_only", "message"} {
				planned.Clear(fields.ByTextName(name))
			}
			if got := strings.Join(strings.Fields(protoText(planned.Interface())), " "); got != want {
				t.Errorf("planned %s\nwant    %s", got, want)
			}
			if made.Get(fields.ByTextName("expected_revision")).Int() != 7 || made.Get(fields.ByTextName("message")).String() != "why" ||
				made.Get(fields.ByTextName("idempotency_key")).String() == "" || made.Get(fields.ByTextName("validate_only")).Bool() {
				t.Errorf("made %v", made)
			}
		})
	}
}

func TestAllocationMustMakeSense(t *testing.T) {
	t.Parallel()
	p, asked := living(t)
	for args, want := range map[string]string{
		"allocate 100":                           "want how much traffic each variant gets: --percent, --slots or --weights",
		"allocate 100 --percent 1=1 --slots 1=1": "want one of --percent, --slots and --weights",
		"allocate 100 --weights 1=1":             "--weights and --total go together",
		"allocate 100 --slots 1=1 --total 5":     "--weights and --total go together",
		"allocate 100 --percent 40":              `--percent "40": want VID=NUMBER`,
		"allocate 100 --percent 1=half":          `--percent "1=half": want a number, such as 12.5`,
		"allocate 100 --percent 1=NaN":           `want a number, such as 12.5`,
		"allocate 100 --slots x=1":               `--slots "x=1": vid "x": want a whole number from 1 on`,
		"allocate 100 --slots 1=1.5":             `--slots "1=1.5": want a whole number of slots, such as 1250`,
		"allocate 100 --weights 1=x --total 5":   `--weights "1=x": want a whole number, such as 1`,
		"allocate":                               "want an eid, got 0 arguments: strata allocate EID",
		"start abc":                              `eid "abc": want a whole number from 1 on`,
		"conclude 100":                           "want either the variant that won, --winner VID, or --revert",
	} {
		code, stdout, stderr := p.run(t, "", strings.Fields(args)...)
		if code != 1 || stdout != "" || !strings.Contains(stderr, want) || len(*asked) > 0 {
			t.Errorf("%s: exit code %d, %q, %s\nwant %s", args, code, stdout, stderr, want)
		}
	}
}

func TestRollbackAndPromote(t *testing.T) {
	t.Parallel()
	p := newPlane(t, "production")
	var asked []string
	ask := func(m proto.Message) { asked = append(asked, strings.Join(strings.Fields(protoText(m)), " ")) }
	on(p, adminv1connect.RevisionServiceRollbackProcedure, func(_ context.Context, r *adminv1.RevisionServiceRollbackRequest) (*adminv1.RevisionServiceRollbackResponse, error) {
		r.IdempotencyKey = strings.Repeat("k", min(len(r.GetIdempotencyKey()), 1))
		ask(r)
		return &adminv1.RevisionServiceRollbackResponse{Revision: 8, Plan: samplePlan()}, nil
	})
	on(p, adminv1connect.RevisionServicePromoteProcedure, func(_ context.Context, r *adminv1.RevisionServicePromoteRequest) (*adminv1.RevisionServicePromoteResponse, error) {
		r.IdempotencyKey = strings.Repeat("k", min(len(r.GetIdempotencyKey()), 1))
		ask(r)
		return &adminv1.RevisionServicePromoteResponse{Revision: 8, Plan: samplePlan()}, nil
	})
	answer(p, adminv1connect.EnvironmentServiceGetProcedure,
		&adminv1.EnvironmentServiceGetResponse{Environment: &adminv1.Environment{Name: "staging", Revision: 12}}, (*adminv1.EnvironmentServiceGetRequest)(nil))
	for _, args := range []string{
		"rollback 3 --layer a --layer b", "rollback 3 --dry-run", "promote --from staging -l a -m why", "promote --from staging --revision 5 --dry-run",
	} {
		if code, stdout, stderr := p.run(t, "", strings.Fields(args)...); code != 0 {
			t.Fatalf("%s: %s%s", args, stdout, stderr)
		}
	}
	checksum := samplePlan().GetChecksum()
	want := []string{
		`environment:"production" revision:3 layer_ids:"a" layer_ids:"b" validate_only:true`,
		`environment:"production" revision:3 layer_ids:"a" layer_ids:"b" expected_revision:7 idempotency_key:"k" expected_checksum:"` + checksum + `"`,
		`environment:"production" revision:3 validate_only:true`,
		`environment:"production" from_environment:"staging" from_revision:12 layer_ids:"a" message:"why" validate_only:true`,
		`environment:"production" from_environment:"staging" from_revision:12 layer_ids:"a" expected_revision:7 message:"why" idempotency_key:"k" expected_checksum:"` + checksum + `"`,
		`environment:"production" from_environment:"staging" from_revision:5 validate_only:true`,
	}
	if !slices.Equal(asked, want) {
		t.Errorf("got:\n%s\nwant:\n%s", strings.Join(asked, "\n"), strings.Join(want, "\n"))
	}
	if code, _, stderr := p.run(t, "", "promote"); code != 1 || !strings.Contains(stderr, "--from NAME") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
}
