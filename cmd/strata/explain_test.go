package main

import (
	"strings"
	"testing"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/internal/explain"
)

func TestExplainSessions(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"explain_examples":   {examples, "-s", "ranker_svc", "-s", "checkout_svc", "-c", shopper},
		"explain_shop":       {"testdata/shop", "-s", "search_svc", "-c", austrian},
		"explain_shop_layer": {"testdata/shop", "-s", "search_svc", "-c", austrian, "--layer", "tuning"},
		"explain_unknown":    {"testdata/shop", "-s", "search_svc", "-c", `{"user_id": "u3", "country": null, "age": "30"}`},
		"explain_no_key":     {"testdata/shop", "-s", "search_svc", "-s", "mail_svc", "-c", `{"user_id": 1.5}`},
		"explain_json":       {"testdata/shop", "-s", "search_svc", "-c", austrian, "-l", "search", "-o", "json"},
		"explain_refused":    {"testdata/refused", "-s", "search_svc", "-c", "{}"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stdout := goldenSession(t, name, append([]string{"explain"}, args...)...)
			for line := range strings.Lines(stdout) {
				const columns = 80
				if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > columns {
					t.Errorf("%d columns: %s", n, line)
				}
			}
		})
	}
}

func TestExplainJSONIsAnExplainResponse(t *testing.T) {
	t.Parallel()
	services := []string{"ranker_svc", "checkout_svc", "unknown_svc"}
	args := []string{"explain", examples, "-c", shopper, "-o", "json"}
	want := &servingv1.ExplainResponse{Results: map[string]*servingv1.ServiceExplanation{}}
	ruleset := compile(t, examples)
	for _, service := range services {
		args = append(args, "--service", service)
		explanation, err := explain.Proto(ruleset.Explain(service, parse(t, shopper), nil))
		if err != nil {
			t.Fatal(err)
		}
		want.Results[service] = explanation
	}
	exitCode, stdout, stderr := strata(t, "", args...)
	if exitCode != 0 {
		t.Fatal(stderr)
	}
	got := new(servingv1.ExplainResponse)
	if err := protojson.Unmarshal([]byte(stdout), got); err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
	if strings.Contains(stdout, "layerId") || !strings.Contains(stdout, `"layer_id": "`) {
		t.Errorf("names are not as in the proto:\n%s", stdout)
	}
}
