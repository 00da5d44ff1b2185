package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/internal/explain"
	"github.com/strata-exp/strata/internal/manifest"
	"github.com/strata-exp/strata/sdk/go/engine"
)

const (
	// austrian is in every layer of testdata/shop that is enabled.
	austrian = `{"user_id": "u3", "device_id": 12.0, "country": "AT", "age": 30}`
	// shopper is for examples/configs.
	shopper = `{"user_id": "user_12345", "session_id": "s-77", "country": "US", "age": 25, "app_version": "2.11"}`
)

func TestEvalSessions(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"eval_examples":      {examples, "-s", "ranker_svc", "-s", "checkout_svc", "-c", shopper},
		"eval_examples_json": {examples, "-s", "ranker_svc", "-s", "checkout_svc", "-c", shopper, "-o", "json"},
		"eval_shop":          {"testdata/shop", "-s", "search_svc", "-c", austrian},
		"eval_shop_layer":    {"testdata/shop", "-s", "search_svc", "-c", austrian, "-l", "tuning"},
		"eval_no_match":      {"testdata/shop", "-s", "search_svc", "-s", "mail_svc", "-s", "mail_svc", "-c", "{}", "-l", "tunning"},
		"eval_no_match_json": {"testdata/shop", "-s", "search_svc", "-c", "{}", "-o", "json"},
		"eval_refused":       {"testdata/refused", "-s", "search_svc", "-c", "{}"},
		"eval_misread":       {"testdata/misread", "-s", "search_svc", "-c", "{}"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			goldenSession(t, name, append([]string{"eval"}, args...)...)
		})
	}
}

// compile compiles a folder as the commands do.
func compile(t *testing.T, folder string) *engine.Ruleset {
	t.Helper()
	set, err := manifest.NewLoader(manifest.In(folder)).Load()
	if err != nil {
		t.Fatal(err)
	}
	ruleset, err := set.Compile(nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	return ruleset
}

func parse(t *testing.T, context string) engine.Context {
	t.Helper()
	ctx, err := engine.ParseContext(context)
	if err != nil {
		t.Fatal(err)
	}
	return ctx
}

func TestEvalJSONIsAnEvaluateResponse(t *testing.T) {
	t.Parallel()
	services := []string{"ranker_svc", "checkout_svc", "unknown_svc"}
	args := []string{"eval", examples, "-c", shopper, "-o", "json"}
	want := &servingv1.EvaluateResponse{Results: map[string]*servingv1.ServiceResult{}}
	ruleset := compile(t, examples)
	for _, service := range services {
		args = append(args, "--service", service)
		result, err := explain.Result(ruleset.Evaluate(service, parse(t, shopper), nil, nil))
		if err != nil {
			t.Fatal(err)
		}
		want.Results[service] = result
	}
	exitCode, stdout, stderr := strata(t, "", args...)
	if exitCode != 0 {
		t.Fatal(stderr)
	}
	got := new(servingv1.EvaluateResponse)
	if err := protojson.Unmarshal([]byte(stdout), got); err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}

func TestContextComesFromAnywhere(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "context.json")
	if err := os.WriteFile(file, []byte(austrian), 0o600); err != nil {
		t.Fatal(err)
	}
	_, want, _ := strata(t, "", "eval", "testdata/shop", "-s", "search_svc", "-c", austrian)
	for flag, stdin := range map[string]string{"@" + file: "", "-": austrian + "\n"} {
		exitCode, got, stderr := strata(t, stdin, "eval", "testdata/shop", "-s", "search_svc", "-c", flag)
		if exitCode != 0 || got != want {
			t.Errorf("--context %s: exit code %d, %s\ngot:\n%s", flag, exitCode, stderr, got)
		}
	}
}

func TestQuestionMustMakeSense(t *testing.T) {
	t.Parallel()
	service := []string{"-s", "search_svc"}
	context := func(text string) []string { return append([]string{"-c", text}, service...) }
	for _, test := range []struct {
		name  string
		args  []string
		stdin string
		want  string
	}{
		{name: "no service", args: []string{"-c", "{}"}, want: "want a service: --service NAME"},
		{name: "empty service", args: []string{"-c", "{}", "-s", ""}, want: "--service: want a name, got nothing"},
		{name: "no context", args: service, want: "want a context: --context '{"},
		{name: "empty context", args: context(" "), want: "--context: want a JSON object, got nothing"},
		{name: "empty input", args: context("-"), want: "standard input: want a JSON object, got nothing"},
		{name: "no such file", args: context("@testdata/nope.json"), want: "--context: open testdata/nope.json: no such file"},
		{name: "list", args: context("[]"), want: "--context: want an object, got a list"},
		{
			name: "quotes eaten by the shell", args: context(`{user_id: u1}`),
			want: "--context: not valid JSON at line 1, column 2: want a key in double quotes\n  {user_id: u1}\n   ^\n",
		},
		{
			name: "second line", args: context("-"), stdin: "{\"a\": 1,\n \"ü\" 2}\n",
			want: "standard input: not valid JSON at line 2, column 6: want a colon after the key\n   \"ü\" 2}\n       ^\n",
		},
		{
			name: "long line", args: context(`{"a": "` + strings.Repeat("x", 100) + `", oops, "b": "` + strings.Repeat("y", 100) + `"}`),
			want: "…" + strings.Repeat("x", 27) + `", ` + `oops, "b": "` + strings.Repeat("y", 18) + "…\n" + strings.Repeat(" ", 33) + "^\n",
		},
		{name: "cut short", args: context(`{"a": `), want: "not valid JSON at line 1, column 7"},
		{name: "key twice", args: context(`{"a": 1, "a": 2}`), want: "--context: a: stands twice"},
		{name: "number too large", args: context(`{"a": 1e999}`), want: "--context: a: the number 1e999 is larger than a double can be"},
		{name: "number too large within", args: context(`{"a": [1e999]}`), want: "--context: a: has a number in it that is larger"},
		{name: "too large", args: context("-"), stdin: strings.Repeat(" ", maxContextBytes+1), want: "--context -: is larger than 4 MiB"},
	} {
		for _, verb := range []string{"eval", "explain"} {
			t.Run(verb+" "+test.name, func(t *testing.T) {
				t.Parallel()
				exitCode, stdout, stderr := strata(t, test.stdin, append([]string{verb, "testdata/shop"}, test.args...)...)
				if exitCode != 1 || stdout != "" || !strings.Contains(stderr, test.want) {
					t.Errorf("exit code %d, standard output %q, standard error:\n%s\nwant 1, none, and:\n%s",
						exitCode, stdout, stderr, test.want)
				}
			})
		}
	}
}

func TestCompletion(t *testing.T) {
	t.Parallel()
	const noFiles, folders = ":4", ":16"
	for _, test := range []struct {
		name, args string
		want       []string
	}{
		{"folder", "lint ", []string{folders}},
		{"nothing after the folder", "eval testdata/shop ", []string{noFiles}},
		{"services", "eval " + examples + " --service ", []string{"checkout_svc", "ranker_svc", noFiles}},
		{"services without a folder or a server", "eval --server " + closedPort(t) + " --service ", []string{noFiles}},
		{"services of a faulty folder", "explain testdata/misread --service ", []string{noFiles}},
		{"layers", "explain testdata/shop -l ", []string{"device_layout", "retired", "search", "tuning", noFiles}},
		{"formats", "lint testdata/shop -o ", []string{"table", "json", noFiles}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, stdout, _ := strata(t, "", append([]string{"__complete"}, strings.Split(test.args, " ")...)...)
			if got := strings.Fields(stdout); strings.Join(got, " ") != strings.Join(test.want, " ") {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
