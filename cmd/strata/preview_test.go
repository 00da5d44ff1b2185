package main

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/gen/go/strata/admin/v1/adminv1connect"
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/internal/explain"
	"github.com/strata-exp/strata/sdk/go/engine"
)

// previewer is a plane that previews the shop as revision 7 of production.
func previewer(t *testing.T) (p *plane, asked *[]proto.Message) {
	t.Helper()
	p, asked = newPlane(t, "production"), new([]proto.Message)
	ruleset := compile(t, "testdata/shop")
	contextOf := func(m proto.Message) engine.Context {
		text, err := protojson.Marshal(m)
		if err != nil {
			panic(err)
		}
		ctx, err := engine.ParseContext(string(text))
		if err != nil {
			panic(err)
		}
		return ctx
	}
	on(p, adminv1connect.PreviewServiceEvaluateProcedure, func(_ context.Context, r *adminv1.PreviewServiceEvaluateRequest) (*adminv1.PreviewServiceEvaluateResponse, error) {
		*asked = append(*asked, r)
		response := &adminv1.PreviewServiceEvaluateResponse{Revision: 7, Results: map[string]*servingv1.ServiceResult{}}
		for _, service := range r.GetServices() {
			result, err := explain.Result(ruleset.Evaluate(service, contextOf(r.GetContext()), r.GetLayers(), nil))
			if err != nil {
				return nil, err
			}
			response.Results[service] = result
		}
		return response, nil
	})
	on(p, adminv1connect.PreviewServiceExplainProcedure, func(_ context.Context, r *adminv1.PreviewServiceExplainRequest) (*adminv1.PreviewServiceExplainResponse, error) {
		*asked = append(*asked, r)
		response := &adminv1.PreviewServiceExplainResponse{Revision: 7, Results: map[string]*servingv1.ServiceExplanation{}}
		for _, service := range r.GetServices() {
			e, err := explain.Proto(ruleset.Explain(service, contextOf(r.GetContext()), r.GetLayers()))
			if err != nil {
				return nil, err
			}
			response.Results[service] = e
		}
		return response, nil
	})
	return p, asked
}

func TestPreviewSessions(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"eval":         {"eval", "-s", "search_svc", "-s", "mail_svc", "-c", austrian},
		"eval_files":   {"eval", "-s", "search_svc", "-c", austrian, "-f", "testdata/shop", "--revision", "7"},
		"eval_json":    {"eval", "-s", "search_svc", "-s", "mail_svc", "-c", austrian, "-o", "json"},
		"eval_yaml":    {"eval", "-s", "search_svc", "-s", "mail_svc", "-c", austrian, "-o", "yaml"},
		"explain":      {"explain", "-s", "search_svc", "-c", austrian, "-l", "tuning"},
		"explain_json": {"explain", "-s", "search_svc", "-c", austrian, "-l", "tuning", "-o", "json"},
		"explain_yaml": {"explain", "-s", "search_svc", "-c", austrian, "-l", "tuning", "-o", "yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, _ := previewer(t)
			p.golden(t, "preview_"+name, args...)
		})
	}
}

// TestPreviewAgreesWithFiles asks a plane that has the files, and the files. The
// keys of parameters may come in another order, which means nothing.
func TestPreviewAgreesWithFiles(t *testing.T) {
	t.Parallel()
	p, _ := previewer(t)
	for _, test := range []struct{ verb, format string }{{"eval", "json"}, {"explain", "json"}, {"explain", "table"}, {"explain", "yaml"}} {
		_, online, _ := p.run(t, "", test.verb, "-s", "search_svc", "-c", austrian, "-o", test.format)
		_, offline, stderr := p.run(t, "", test.verb, "testdata/shop", "-s", "search_svc", "-c", austrian, "-o", test.format)
		switch test.format {
		case "table":
			_, online, _ = strings.Cut(online, "\n\n")
		case "json":
			online, offline = unrevised(t, online), unrevised(t, offline)
		default:
			online = strings.Replace(online, "revision: \"7\"\n", "", 1)
		}
		if online != offline || stderr != "" {
			t.Errorf("%s as %s:\nonline:\n%s\noffline:\n%s", test.verb, test.format, online, offline)
		}
	}
}

func unrevised(t *testing.T, text string) string {
	t.Helper()
	var value map[string]any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatal(err)
	}
	delete(value, "revision")
	normal, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(normal)
}

func TestPreviewSaysWhen(t *testing.T) {
	t.Parallel()
	p, asked := previewer(t)
	ask := func(args ...string) *adminv1.PreviewServiceEvaluateRequest {
		t.Helper()
		if code, _, stderr := p.run(t, "", append([]string{"eval", "-s", "search_svc", "-c", "{}"}, args...)...); code != 0 {
			t.Fatal(stderr)
		}
		return (*asked)[len(*asked)-1].(*adminv1.PreviewServiceEvaluateRequest)
	}
	if r := ask(); r.GetAt() != nil {
		t.Errorf("asked %v", r)
	}
	if r := ask("--revision", "5"); r.GetRevision() != 5 {
		t.Errorf("asked %v", r)
	}
	if r := ask("--at", "2026-05-01T14:00:00+02:00"); !r.GetTime().AsTime().Equal(at(0).AsTime()) {
		t.Errorf("asked %v", r)
	}
	before := time.Now()
	r := ask("--at", "2h")
	if ago := r.GetTime().AsTime().Add(2 * time.Hour); ago.Before(before) || ago.After(time.Now()) {
		t.Errorf("asked %v", r)
	}
	if r := ask("-f", "testdata/shop"); len(r.GetChanges()) == 0 {
		t.Errorf("asked %v", r)
	}
	for args, want := range map[string]string{
		"--at yesterday":        `--at "yesterday": want a time such as`,
		"--at -2h":              "or how long ago, such as 90m or 2h",
		"--at 2h --revision 5":  "want --revision or --at, not both",
		"testdata/shop --at 2h": "--at asks a control plane, which is not asked where a folder is named",
		"testdata/shop -f x":    "--file asks a control plane",
		"testdata/shop --env e": "--env asks a control plane",
		"a b":                   "want one folder, got 2: strata eval [DIR]",
		"-f testdata/misread":   "testdata/misread/layers/search.json",
	} {
		code, stdout, stderr := p.run(t, "", append([]string{"eval", "-s", "search_svc", "-c", "{}"}, strings.Fields(args)...)...)
		if code != 1 || stdout != "" || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit code %d, %q, %s\nwant %s", args, code, stdout, stderr, want)
		}
	}
}
