package api

import (
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/gen/go/strata/admin/v1/adminv1connect"
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/internal/auth"
	"github.com/strata-exp/strata/internal/rpc"
)

var update = flag.Bool("update", false, "write the table of testdata/access.txt anew")

// callers are all kinds of callers, each by where its key may be used: everywhere,
// or in "own" alone.
func callers() []*auth.Principal {
	var all []*auth.Principal
	for _, role := range []servingv1.Role{
		servingv1.Role_ROLE_ADMIN, servingv1.Role_ROLE_VIEWER, servingv1.Role_ROLE_PLANE, servingv1.Role_ROLE_SDK, servingv1.Role_ROLE_UNSPECIFIED, 99,
	} {
		all = append(all, &auth.Principal{AccessKey: "k", Role: role}, &auth.Principal{AccessKey: "k", Role: role, Environments: []string{"own"}})
	}
	return append(all, nil)
}

// verdictOf tries a procedure with every field that names an environment set to a
// name, and with each of them alone set to another one.
func verdictOf(t *testing.T, r *route, rule *rule, p *auth.Principal, environment string) string {
	t.Helper()
	if err := rule.admit(p); err != nil {
		return codeOf(t, err)
	}
	request := dynamicpb.NewMessage(r.method.Input())
	for _, n := range rule.named {
		nameIn(request, n.field, environment)
	}
	if err := rule.allow(p, concrete(t, request)); err != nil {
		return codeOf(t, err)
	}
	return "yes"
}

func nameIn(request protoreflect.Message, field protoreflect.FieldDescriptor, name string) {
	if field.Message() == nil {
		request.Set(field, protoreflect.ValueOfString(name))
		return
	}
	e := request.Mutable(field).Message()
	e.Set(e.Descriptor().Fields().ByName("name"), protoreflect.ValueOfString(name))
}

// concrete returns a message of the generated type.
func concrete(t *testing.T, m *dynamicpb.Message) proto.Message {
	t.Helper()
	data, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	kind, err := protoregistry.GlobalTypes.FindMessageByName(m.Descriptor().FullName())
	if err != nil {
		t.Fatal(err)
	}
	made := kind.New().Interface()
	if err := proto.Unmarshal(data, made); err != nil {
		t.Fatal(err)
	}
	return made
}

func codeOf(t *testing.T, err error) string {
	t.Helper()
	declined, ok := errors.AsType[*rpc.Declined](err)
	if !ok {
		t.Fatalf("got %v", err)
	}
	switch declined.Reason {
	case servingv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED:
		return "no"
	case servingv1.ErrorReason_ERROR_REASON_UNAUTHENTICATED:
		return "who"
	default:
		t.Fatalf("got %v", err)
		return ""
	}
}

// TestAccess compares who may call what with a table.
func TestAccess(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var table strings.Builder
	table.WriteString("# Who may call what. For each kind of key, all keys for all environments and then\n" +
		"# those for one: in their own, and in another. \"-\" is a call that names none.\n" +
		"# yes: it may; no: permission_denied; who: unauthenticated; session: a session will\n" +
		"# do. All keys of other roles, and none, are under \"others\".\n" +
		fmt.Sprintf("%-46s %-8s %-8s %-20s %-20s %s\n", "# method", "signed", "names", "admin", "viewer", "others"))
	for _, r := range b.api.routes {
		rule := b.api.authorization.rules[r.procedure]
		cells := map[servingv1.Role][]string{}
		var others []string
		for _, p := range callers() {
			for _, environment := range []string{"own", "other"} {
				verdict := verdictOf(t, &r, rule, p, environment)
				if p != nil && (p.Role == servingv1.Role_ROLE_ADMIN || p.Role == servingv1.Role_ROLE_VIEWER) {
					cells[p.Role] = append(cells[p.Role], verdict)
				} else {
					others = append(others, verdict)
				}
			}
		}
		signed := "request"
		if rule.policy().Sessions {
			signed = "session"
		}
		fmt.Fprintf(&table, "%-46s %-8s %-8s %-20s %-20s %s\n", strings.TrimPrefix(r.procedure, "/strata.admin.v1."), signed, names(rule),
			spread(cells[servingv1.Role_ROLE_ADMIN]), spread(cells[servingv1.Role_ROLE_VIEWER]), distinct(others))
	}
	const path = "testdata/access.txt"
	if *update {
		if err := os.WriteFile(path, []byte(table.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := table.String(); got != string(want) {
		t.Errorf("who may call what has changed; look at it, and run the test with -update:\n%s", got)
	}
}

func names(r *rule) string {
	if len(r.named) == 0 {
		return "-"
	}
	return strconv.Itoa(len(r.named))
}

// spread writes four verdicts: all environments in both, then one in both.
func spread(verdicts []string) string {
	return fmt.Sprintf("%s; %s, %s", distinct(verdicts[:2]), verdicts[2], verdicts[3])
}

func distinct(verdicts []string) string {
	var all []string
	for _, v := range verdicts {
		if len(all) == 0 || all[len(all)-1] != v {
			all = append(all, v)
		}
	}
	return strings.Join(all, ", ")
}

// TestEachNamedEnvironmentCounts names another environment in one field at a
// time.
func TestEachNamedEnvironmentCounts(t *testing.T) {
	t.Parallel()
	b := setup(t)
	p := &auth.Principal{AccessKey: "k", Role: servingv1.Role_ROLE_ADMIN, Environments: []string{"own", "mine"}}
	found := 0
	for _, r := range b.api.routes {
		rule := b.api.authorization.rules[r.procedure]
		for _, wrong := range rule.named {
			found++
			for name, want := range map[string]bool{"own": true, "mine": true, "other": false, "": wrong.optional, "OWN": false, "own.": false} {
				request := dynamicpb.NewMessage(r.method.Input())
				for _, n := range rule.named {
					nameIn(request, n.field, "own")
				}
				nameIn(request, wrong.field, name)
				if err := rule.allow(p, concrete(t, request)); (err == nil) != want {
					t.Errorf("%s with %s %q: %v", r.procedure, wrong.field.Name(), name, err)
				}
			}
		}
	}
	if found < 30 {
		t.Errorf("only %d fields name environments", found)
	}
}

// TestUnknownEnvironmentsAreFound makes methods of which it is not known what
// environment they are about.
func TestUnknownEnvironmentsAreFound(t *testing.T) {
	t.Parallel()
	field := func(name string, kind descriptorpb.FieldDescriptorProto_Type, typeName string, list bool) *descriptorpb.FieldDescriptorProto {
		f := &descriptorpb.FieldDescriptorProto{Name: &name, Number: new(int32(1)), Type: &kind, Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum()}
		if list {
			f.Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
		}
		if typeName != "" {
			f.TypeName = &typeName
		}
		return f
	}
	const text, message = descriptorpb.FieldDescriptorProto_TYPE_STRING, descriptorpb.FieldDescriptorProto_TYPE_MESSAGE
	for name, f := range map[string]*descriptorpb.FieldDescriptorProto{
		"nothing":         field("name", text, "", false),
		"a list":          field("environments", text, "", true),
		"another name":    field("environment_name", text, "", false),
		"another message": field("environment", message, ".test.Inner", false),
		"below":           field("inner", message, ".test.Inner", false),
		"optional alone":  field("to_environment", text, "", false),
	} {
		file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
			Name: new("test.proto"), Package: new("test"), Syntax: new("proto3"),
			MessageType: []*descriptorpb.DescriptorProto{
				{Name: new("Request"), Field: []*descriptorpb.FieldDescriptorProto{f}},
				{Name: new("Inner"), Field: []*descriptorpb.FieldDescriptorProto{field("environment", text, "", false)}},
			},
			Service: []*descriptorpb.ServiceDescriptorProto{{Name: new("S"), Method: []*descriptorpb.MethodDescriptorProto{{
				Name: new("Do"), InputType: new(".test.Request"), OutputType: new(".test.Inner"),
			}}}},
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if rule, err := ruleOf(file.Services().Get(0).Methods().Get(0)); err == nil {
			t.Errorf("%s: got %+v", name, rule)
		}
	}
}

// TestDenied calls procedures as callers who may not.
func TestDenied(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.world()
	b.ok("EnvironmentService/Create", `{"environment":{"name":"own"}}`)
	for name, call := range map[string]struct {
		caller               *auth.Principal
		procedure, body      string
		code, reason, detail string
	}{
		"nobody":      {nil, "EnvironmentService/List", `{}`, "unauthenticated", "UNAUTHENTICATED", "not signed"},
		"a plane":     {&auth.Principal{Role: servingv1.Role_ROLE_PLANE}, "EnvironmentService/List", `{}`, "permission_denied", "PERMISSION_DENIED", "role"},
		"a viewer":    {&auth.Principal{Role: servingv1.Role_ROLE_VIEWER}, "FieldService/Delete", `{"environment":"dev","name":"country"}`, "permission_denied", "PERMISSION_DENIED", "validate_only"},
		"elsewhere":   {limited("own"), "LayerService/Get", `{"environment":"dev","layer_id":"ads"}`, "permission_denied", "PERMISSION_DENIED", `not for the environment "dev"`},
		"the source":  {limited("own"), "RevisionService/Promote", `{"environment":"own","from_environment":"dev"}`, "permission_denied", "PERMISSION_DENIED", "from_environment"},
		"what is not": {limited("own"), "LayerService/Get", `{"environment":"nowhere","layer_id":"ads"}`, "permission_denied", "PERMISSION_DENIED", "nowhere"},
		"keys":        {limited("own"), "AccessKeyService/List", `{}`, "permission_denied", "PERMISSION_DENIED", "all of them"},
		"creating":    {limited("own"), "EnvironmentService/Create", `{"environment":{"name":"own"}}`, "permission_denied", "PERMISSION_DENIED", "all of them"},
		"what is bad": {limited("own"), "LayerService/Get", `{"environment":"dev"}`, "permission_denied", "PERMISSION_DENIED", "dev"},
		"malformed":   {limited("own"), "LayerService/Get", `{"environment":`, "invalid_argument", "INVALID_REQUEST", "JSON"},
	} {
		b.caller = call.caller
		f := b.fails(call.procedure, call.body)
		if f.code != call.code || f.reason != call.reason || !strings.Contains(f.message, call.detail) {
			t.Errorf("%s: got %+v", name, f)
		}
	}
	b.caller = limited("own")
	b.ok("FieldService/Set", `{"environment":"own","field":{"name":"a","type":"FIELD_TYPE_INT"}}`)
	status, data := b.post("EnvironmentService/List", `{}`)
	if status != http.StatusOK || strings.Contains(string(data), `"dev"`) || !strings.Contains(string(data), `"own"`) || !strings.Contains(string(data), `"total_size":1`) {
		t.Errorf("status %d: %s", status, strings.ReplaceAll(string(data), " ", ""))
	}
}

func limited(environments ...string) *auth.Principal {
	return &auth.Principal{AccessKey: "sak_limited", Name: "limited", Role: servingv1.Role_ROLE_ADMIN, Environments: environments}
}

// TestPoliciesAreOfTheRules looks at what the guard is told.
func TestPoliciesAreOfTheRules(t *testing.T) {
	t.Parallel()
	b := setup(t)
	policies := map[string]auth.Policy{}
	b.api.parts.Guard = func(procedure string, p auth.Policy, next http.Handler) http.Handler {
		policies[procedure] = p
		return next
	}
	b.serve()
	if len(policies) != len(b.api.routes) {
		t.Fatalf("%d of %d procedures are guarded", len(policies), len(b.api.routes))
	}
	for _, r := range b.api.routes {
		if p, reads := policies[r.procedure], idempotencyOf(r.method) == connect.IdempotencyNoSideEffects; p.Sessions != reads || len(p.Roles) > 2 {
			t.Errorf("%s: %+v", r.procedure, p)
		}
	}
}

// TestViewersPlan lets viewers plan what they may not do.
func TestViewersPlan(t *testing.T) {
	t.Parallel()
	viewer := &auth.Principal{AccessKey: "k", Role: servingv1.Role_ROLE_VIEWER, Environments: []string{"own"}}
	for _, test := range []struct {
		request *adminv1.RevisionServiceApplyRequest
		want    string
	}{
		{&adminv1.RevisionServiceApplyRequest{Environment: "own", ValidateOnly: true}, "yes"},
		{&adminv1.RevisionServiceApplyRequest{Environment: "own"}, "no"},
		{&adminv1.RevisionServiceApplyRequest{Environment: "other", ValidateOnly: true}, "no"},
	} {
		rule, err := ruleOf(methodOf(adminv1connect.RevisionServiceApplyProcedure))
		if err != nil {
			t.Fatal(err)
		}
		got := "yes"
		if err := errors.Join(rule.admit(viewer), rule.allow(viewer, test.request)); err != nil {
			got = codeOf(t, err)
		}
		if got != test.want {
			t.Errorf("%v: got %s, want %s", test.request, got, test.want)
		}
	}
}
