package main

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/gen/go/strata/admin/v1/adminv1connect"
)

func mask(paths ...string) *fieldmaskpb.FieldMask { return &fieldmaskpb.FieldMask{Paths: paths} }

// closedPort returns an address where nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

func TestFailuresSayWhatToDo(t *testing.T) {
	t.Parallel()
	somethingElse := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(somethingElse.Close)
	nobody := closedPort(t)
	for _, test := range []struct {
		name, url string // "" for a plane that fails with the error
		err       error
		want      string
	}{
		{
			name: "nobody listens", url: nobody,
			want: "strata: no control plane answers at http://" + nobody + ": connection refused\n" +
				"\"strata dev\" starts one; --server or STRATA_SERVER names another one\n",
		},
		{
			name: "something else", url: somethingElse.URL,
			want: "strata: " + somethingElse.URL + " does not answer as a control plane does: 404 Not Found\n" +
				"--server or STRATA_SERVER names another one\n",
		},
		{
			name: "a reason with a hint", err: refusal(connect.CodeNotFound, adminv1.ErrorReason_ERROR_REASON_ENVIRONMENT_NOT_FOUND, "there is no environment prod"),
			want: "strata: there is no environment prod [ENVIRONMENT_NOT_FOUND]\n\"strata get environments\" lists those there are\n",
		},
		{
			name: "no reason", err: connect.NewError(connect.CodeInternal, plainError("oh\x1b[2J")),
			want: "strata: oh\\u001b[2J\n",
		},
		{
			name: "a message that repeats its violations",
			err: refusal(connect.CodeInvalidArgument, adminv1.ErrorReason_ERROR_REASON_INVALID_VALUE, "name: want letters; size: want less",
				&errdetails.BadRequest_FieldViolation{Field: "name", Description: "want letters"},
				&errdetails.BadRequest_FieldViolation{Field: "size", Description: "want less", Reason: "ERROR_REASON_PARAMS_TOO_LARGE"}),
			want: "strata: the control plane refuses this [INVALID_VALUE]\n  name: want letters\n  size: want less [PARAMS_TOO_LARGE]\n",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := newPlane(t)
			if test.url != "" {
				p.env["STRATA_SERVER"] = test.url
			}
			on(p, adminv1connect.EnvironmentServiceGetProcedure, func(context.Context, *adminv1.EnvironmentServiceGetRequest) (*adminv1.EnvironmentServiceGetResponse, error) {
				return nil, test.err
			})
			code, stdout, stderr := p.run(t, "", "get", "environment", "prod")
			if code != 1 || stdout != "" || stderr != test.want {
				t.Errorf("exit code %d, %q\ngot:\n%s\nwant:\n%s", code, stdout, stderr, test.want)
			}
		})
	}
}

func TestServerURL(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"127.0.0.1:8082":      "http://127.0.0.1:8082",
		"http://a/":           "http://a",
		"https://a.b:1/admin": "https://a.b:1/admin",
		"localhost":           "http://localhost",
		"":                    "",
		"unix:///x":           "",
		"http://":             "",
		"http://a?b":          "",
	} {
		got, err := serverURL(text)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: got %q, %v, want %q", text, got, err, want)
		}
	}
}

func TestCompletionAsksTheServer(t *testing.T) {
	t.Parallel()
	p := stocked(t)
	other := newPlane(t, "production", "staging")
	const noFiles = ":4"
	for args, want := range map[string]string{
		"get layers --env ":         "production\twhat users get",
		"get environment ":          "production\twhat users get",
		"delete environment ":       "production\twhat users get",
		"promote --from ":           "production\twhat users get",
		"diff --to-env ":            "production\twhat users get",
		"get layer ":                "ranker_model\tWhich model ranks. holiday_theme",
		"rollback 3 --layer ":       "ranker_model\tWhich model ranks. holiday_theme",
		"get experiment ":           "100\tGradient boosting against the baseline 110\tTransformer 400",
		"start ":                    "100\tGradient boosting against the baseline 110\tTransformer 400",
		"start 100 ":                "",
		"get experiments --state ":  "draft running paused concluded archived",
		"get experiments -s ":       "checkout_svc ranker_svc",
		"eval --service ":           "checkout_svc ranker_svc",
		"explain -l ":               "ranker_model\tWhich model ranks. holiday_theme",
		"plan -o ":                  "table json yaml",
		"export -o ":                "yaml json",
		"get layers --revision ":    "",
		"allocate 100 --percent ":   "",
		"get layers --server ://x ": "",
		"get layers --server " + strings.TrimPrefix(other.url, "http://") + " ": "", // which has two environments, and no layers
	} {
		code, stdout, _ := p.run(t, "", append([]string{"__complete"}, strings.Split(args, " ")...)...)
		lines := strings.Split(strings.TrimSuffix(stdout, "\n"), "\n")
		got := strings.Join(lines[:len(lines)-1], " ")
		if code != 0 || lines[len(lines)-1] != noFiles || got != want {
			t.Errorf("%s: got %q, want %q", args, stdout, want)
		}
	}
}

func TestEnvironmentSessions(t *testing.T) {
	t.Parallel()
	p := newPlane(t, "production")
	var got []proto.Message
	on(p, adminv1connect.EnvironmentServiceCreateProcedure, func(_ context.Context, r *adminv1.EnvironmentServiceCreateRequest) (*adminv1.EnvironmentServiceCreateResponse, error) {
		got = append(got, r)
		return &adminv1.EnvironmentServiceCreateResponse{Environment: production()}, nil
	})
	on(p, adminv1connect.EnvironmentServiceDeleteProcedure, func(_ context.Context, r *adminv1.EnvironmentServiceDeleteRequest) (*adminv1.EnvironmentServiceDeleteResponse, error) {
		got = append(got, r)
		if r.GetForce() {
			return &adminv1.EnvironmentServiceDeleteResponse{}, nil
		}
		return nil, refusal(connect.CodeFailedPrecondition, adminv1.ErrorReason_ERROR_REASON_STILL_REFERENCED, "production has 2 layers: delete them first, or set force")
	})
	answer(p, adminv1connect.EnvironmentServiceGetProcedure,
		&adminv1.EnvironmentServiceGetResponse{Environment: production()}, (*adminv1.EnvironmentServiceGetRequest)(nil))
	for _, session := range []struct{ name, args string }{
		{"create", "create environment production --description users --cooling-period 48h"},
		{"create_dry_run", "create env production --dry-run"},
		{"create_unnamed", "create environment"},
		{"delete_refused", "delete environment production"},
		{"delete", "delete environment production --force"},
		{"delete_dry_run", "delete env production --force --dry-run"},
	} {
		p.golden(t, session.name, strings.Fields(session.args)...)
	}
	var calls []string
	for _, r := range got {
		calls = append(calls, strings.Join(strings.Fields(protoText(r)), " "))
	}
	want := []string{
		`environment:{name:"production" description:"users" cooling_period:{seconds:172800}}`,
		`environment:{name:"production"} validate_only:true`,
		`environment:"production" etag:"e1" validate_only:true`,
		`environment:"production" etag:"e1" force:true validate_only:true`,
		`environment:"production" etag:"e1" force:true`,
		`environment:"production" etag:"e1" force:true validate_only:true`,
	}
	if !slices.Equal(calls, want) {
		t.Errorf("got:\n%s\nwant:\n%s", strings.Join(calls, "\n"), strings.Join(want, "\n"))
	}
}
