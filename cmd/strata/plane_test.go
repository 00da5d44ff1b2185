package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/gen/go/strata/admin/v1/adminv1connect"
	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
)

// plane is a control plane that has answers and no mind.
type plane struct {
	url string
	mux *http.ServeMux
	env map[string]string
}

// newPlane serves nothing but the names of environments, until it is told more.
func newPlane(t *testing.T, environments ...string) *plane {
	t.Helper()
	p := &plane{mux: http.NewServeMux()}
	server := httptest.NewServer(p.mux)
	t.Cleanup(server.Close)
	p.url = server.URL
	p.env = map[string]string{"STRATA_SERVER": p.url, "STRATA_AUTHOR": "ann"}
	all := &adminv1.EnvironmentServiceListResponse{TotalSize: int32(len(environments))}
	for _, name := range environments {
		e := production()
		e.Name = name
		all.Environments = append(all.Environments, e)
	}
	answer(p, adminv1connect.EnvironmentServiceListProcedure, all, (*adminv1.EnvironmentServiceListRequest)(nil))
	return p
}

// on serves a procedure.
func on[Request, Response any](p *plane, procedure string, f func(context.Context, *Request) (*Response, error)) {
	p.mux.Handle(procedure, connect.NewUnaryHandlerSimple(procedure, f))
}

// answer serves a procedure that answers the same each time. The request only
// tells its type.
func answer[Request, Response any](p *plane, procedure string, response *Response, _ *Request) {
	on(p, procedure, func(context.Context, *Request) (*Response, error) { return response, nil })
}

// run runs a command that asks the plane. The plane's URL reads http://PLANE.
func (p *plane) run(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err strings.Builder
	code = run(t.Context(), args, streams{strings.NewReader(stdin), &out, &err}, func(name string) (string, bool) {
		value, ok := p.env[name]
		return value, ok
	})
	return code, strings.ReplaceAll(out.String(), p.url, "http://PLANE"), strings.ReplaceAll(err.String(), p.url, "http://PLANE")
}

// golden compares a session with testdata/NAME.golden, and tables with the width
// of a terminal.
func (p *plane) golden(t *testing.T, name string, args ...string) (stdout string) {
	t.Helper()
	code, stdout, stderr := p.run(t, "", args...)
	compareSession(t, "plane/"+name, args, code, stdout, stderr)
	if strings.Contains(strings.Join(args, " "), "-o ") {
		return stdout
	}
	for line := range strings.Lines(stdout) {
		const columns = 100
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > columns {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	return stdout
}

// refusal is an error as a control plane makes it.
func refusal(code connect.Code, reason adminv1.ErrorReason, message string, violations ...*errdetails.BadRequest_FieldViolation) error {
	err := connect.NewError(code, plainError(message))
	details := []proto.Message{&errdetails.ErrorInfo{Reason: reason.String(), Domain: "strata"}}
	if len(violations) > 0 {
		details = append(details, &errdetails.BadRequest{FieldViolations: violations})
	}
	for _, d := range details {
		detail, failed := connect.NewErrorDetail(d)
		if failed != nil {
			panic(failed)
		}
		err.AddDetail(detail)
	}
	return err
}

type plainError string

func (e plainError) Error() string { return string(e) }

func at(minute int) *timestamppb.Timestamp {
	return timestamppb.New(time.Date(2026, 5, 1, 12, minute, 0, 0, time.UTC))
}

func production() *adminv1.Environment {
	return &adminv1.Environment{
		Name: "production", Description: "what users get", CoolingPeriod: durationpb.New(7 * 24 * time.Hour),
		Revision: 7, Floor: 1, Checksum: strings.Repeat("a1", 32), Etag: "e1", CreateTime: at(0), RevisionTime: at(30),
		LayerCount: 2, ExperimentCount: 3, FieldCount: 4,
	}
}

// samplePlan has something of everything.
func samplePlan() *adminv1.Plan {
	return &adminv1.Plan{
		BaseRevision: 7, BaseChecksum: strings.Repeat("a1", 32), Checksum: strings.Repeat("b2", 32),
		Resources: []*adminv1.ResourceDiff{
			{Kind: adminv1.ResourceKind_RESOURCE_KIND_LAYER, Id: "ranker_latency", Action: adminv1.ResourceDiff_ACTION_CREATE},
			{
				Kind: adminv1.ResourceKind_RESOURCE_KIND_LAYER, Id: "ranker_model", Action: adminv1.ResourceDiff_ACTION_UPDATE,
				Values: []*adminv1.ValueDiff{
					{Path: "owners", After: `["team-ranking"]`},
					{Path: "priority", Before: "100", After: "200"},
					{
						Path:   "ranges",
						Before: `[{"start":0,"end":4000,"vid":1001},{"start":4000,"end":8000,"vid":1002}]`,
						After:  `[{"end":5000,"vid":1001},{"start":5000,"end":8050,"vid":1002},{"start":9000,"end":9500,"vid":1101}]`,
					},
				},
			},
			{
				Kind: adminv1.ResourceKind_RESOURCE_KIND_EXPERIMENT, Id: "100", Action: adminv1.ResourceDiff_ACTION_UPDATE,
				Values: []*adminv1.ValueDiff{
					{Path: "description", Before: `"old"`},
					{Path: "variants[1002].params.model.version", Before: `"v2.1"`, After: `"v2.2"`},
					{
						Path:   "variants[1002].params.prompt",
						Before: `"You rank what people look for in a shop, and you rank it well."`,
						After:  `"You rank what people look for in a shop, and you rank it fast."`,
					},
				},
			},
			{Kind: adminv1.ResourceKind_RESOURCE_KIND_FIELD, Id: "age", Action: adminv1.ResourceDiff_ACTION_DELETE},
		},
		Layers: []*adminv1.LayerMoves{
			{LayerId: "ranker_latency", Moves: []*adminv1.Move{{ToVid: 2001, Slots: 5000}, {ToVid: 2002, Slots: 5000}}},
			{LayerId: "ranker_model", SlotsUnchanged: 8450, Moves: []*adminv1.Move{
				{ToVid: 1002, Slots: 50}, {ToVid: 1101, Slots: 500}, {FromVid: 1002, ToVid: 1001, Slots: 1000},
			}},
			{LayerId: "sessions", Rehashed: true},
		},
		Parameters: []*adminv1.ParameterChange{
			{Service: "ranker_svc", Eid: 100, Vid: 1002, Path: "/model/version", Before: `"v2.1"`, After: `"v2.2"`, Slots: 3050},
			{Service: "ranker_svc", Eid: 100, Vid: 1002, Path: "/seed", After: `7`, Slots: 3050},
		},
		SharedParameters: []*adminv1.SharedParameter{
			{Service: "ranker_svc", Path: "/model/features", LayerIds: []string{"ranker_model", "ranker_latency"}, LayerCount: 2},
			{Service: "ranker_svc", Path: "/timeout_ms", LayerIds: []string{"a", "b"}, LayerCount: 23},
		},
		HiddenParameters: []*adminv1.HiddenParameter{
			{Eid: 200, LayerId: "ranker_latency", Path: "/model/features", HiddenBy: []string{"ranker_model"}, Share: 0.855, AtMost: true},
			{Eid: 200, LayerId: "ranker_latency", Path: "/timeout_ms", HiddenBy: []string{"a", "b"}, Share: 0.00001},
		},
		Warnings: []*adminv1.Warning{
			{
				Code:    adminv1.WarningCode_WARNING_CODE_TAINTED_EXPERIMENT,
				Message: "experiment 100 is running and its users change: what was measured before and after can not be added up, so conclude it and start another one",
				Eid:     100, LayerId: "ranker_model",
			},
			{Code: adminv1.WarningCode_WARNING_CODE_UNDECLARED_FIELD, Message: "age is not declared", Eid: 110},
		},
		Omitted: &adminv1.PlanOmissions{Parameters: 12},
	}
}

func noChange() *adminv1.Plan {
	return &adminv1.Plan{BaseRevision: 7, BaseChecksum: strings.Repeat("a1", 32), Checksum: strings.Repeat("a1", 32)}
}

func sampleLayers() []*adminv1.Layer {
	return []*adminv1.Layer{
		{
			LayerId: "ranker_model", Version: "v1", Priority: 200, HashKey: "user_id", Salt: "ranker_model_v3", Enabled: new(true),
			Ranges:      []*configv1.Range{{Start: 0, End: 4000, Vid: 1001}, {Start: 4000, End: 8000, Vid: 1002}, {Start: 9000, End: 9100, Vid: 1101}},
			Description: "Which model ranks.", Owners: []string{"team-ranking", "ann@example.org"}, Tags: []string{"ranking"},
			CreateRevision: 2, Revision: 6,
			Usage: &adminv1.SlotUsage{Allocated: 8100, Held: 500, Resting: 400, Free: 1000, Reserved: []*adminv1.ReservedSlots{
				{Start: 8000, End: 8500, Eid: 110, Vid: 1102},
				{Start: 8500, End: 8900, Eid: 120, Vid: 1201, Until: at(45)},
			}},
		},
		{
			LayerId: "holiday_theme", Priority: 50, HashKey: "user_id", Salt: "holiday_theme_v1", Enabled: new(false),
			Service: "checkout_svc", CreateRevision: 3, Revision: 3, Usage: &adminv1.SlotUsage{Free: 10000},
		},
	}
}

func sampleExperiments() []*adminv1.Experiment {
	return []*adminv1.Experiment{
		{
			Eid: 100, Service: "ranker_svc", LayerId: "ranker_model", Name: "Gradient boosting against the baseline",
			Description: "The first model that learns.", Hypothesis: "More people find what they look for.",
			Owners: []string{"team-ranking", "ann@example.org"}, Tags: []string{"ranking", "q2"},
			State: adminv1.ExperimentState_EXPERIMENT_STATE_RUNNING, CreateRevision: 2, Revision: 6,
			Allocation: []*adminv1.VariantSlots{{Vid: 1001, Slots: 4000}, {Vid: 1002, Slots: 4000}},
			Rule: &configv1.Rule{Op: configv1.Operator_OPERATOR_AND, Children: []*configv1.Rule{
				{Op: configv1.Operator_OPERATOR_IN, Field: "country", Values: []*configv1.Value{textValue("US"), textValue("CA")}},
				{Op: configv1.Operator_OPERATOR_NOT, Children: []*configv1.Rule{
					{Op: configv1.Operator_OPERATOR_LT, Field: "age", Values: []*configv1.Value{{Kind: &configv1.Value_NumberValue{NumberValue: 18}}}},
				}},
				{Op: configv1.Operator_OPERATOR_EQ, Field: "member", Values: []*configv1.Value{{Kind: &configv1.Value_BoolValue{BoolValue: true}}}},
			}},
			Variants: []*configv1.Variant{
				{Vid: 1001, ParamsJson: `{"algorithm":"baseline"}`},
				{Vid: 1002, ParamsJson: `{"algorithm":"gbdt","model":{"version":"v2.1"}}`},
			},
		},
		{
			Eid: 110, Service: "ranker_svc", LayerId: "ranker_model", Name: "Transformer",
			State: adminv1.ExperimentState_EXPERIMENT_STATE_PAUSED, Allocation: []*adminv1.VariantSlots{{Vid: 1102, Slots: 500}},
			Variants: []*configv1.Variant{{Vid: 1102, ParamsJson: `{"algorithm":"transformer"}`}},
		},
		{
			Eid: 400, Service: "checkout_svc", State: adminv1.ExperimentState_EXPERIMENT_STATE_CONCLUDED, WinnerVid: 4001,
			Variants: []*configv1.Variant{{Vid: 4001, ParamsJson: `{}`}},
		},
	}
}

func textValue(text string) *configv1.Value {
	return &configv1.Value{Kind: &configv1.Value_StringValue{StringValue: text}}
}

func sampleRevisions() []*adminv1.Revision {
	return []*adminv1.Revision{
		{
			Revision: 7, Author: "ann", Message: "A model that is faster, as agreed with everybody who has anything to say about it\n\nMore.",
			CreateTime: at(30), Origin: adminv1.RevisionOrigin_REVISION_ORIGIN_APPLY, ChangeCount: 4,
			Checksum: strings.Repeat("b2", 32), Hash: strings.Repeat("c3", 32), ParentHash: strings.Repeat("d4", 32),
		},
		{
			Revision: 6, Author: "bob", Message: "Promote from staging, revision 12", CreateTime: at(20), ChangeCount: 1,
			Origin: adminv1.RevisionOrigin_REVISION_ORIGIN_PROMOTE, OriginEnvironment: "staging", OriginRevision: 12,
		},
		{
			Revision: 5, Author: "bob", CreateTime: at(10), ChangeCount: 2,
			Origin: adminv1.RevisionOrigin_REVISION_ORIGIN_ROLLBACK, OriginRevision: 3,
		},
		{Revision: 1, CreateTime: at(0), Origin: adminv1.RevisionOrigin_REVISION_ORIGIN_CREATE},
	}
}

func decimal(n int32) string { return strconv.Itoa(int(n)) }

func sampleServices() []*adminv1.Service {
	return []*adminv1.Service{
		{Service: "mail", SchemaJson: `{}`, Etag: "2-00", CreateRevision: 2, Revision: 2},
		{
			Service: "ranker_svc", Description: "Ranks search results", Owners: []string{"ana"}, Tags: []string{"search"},
			SchemaJson: `{"type":"object","properties":{"algorithm":{"enum":["baseline","gbdt","transformer"]}}}`, Etag: "7-00", CreateRevision: 2, Revision: 7,
		},
	}
}
