package dataplane_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"

	"github.com/strata-exp/strata/gen/go/strata/serving/v1/servingv1connect"
)

// failure is an error as Connect writes it.
type failure struct {
	t       testing.TB
	Code    string
	Message string
	Details []struct{ Type, Value string }
}

func problem(tb testing.TB, data []byte) *failure {
	tb.Helper()
	f := &failure{t: tb}
	if err := json.Unmarshal(data, f); err != nil {
		tb.Fatalf("%v in %s", err, data)
	}
	return f
}

func (f *failure) detail(m proto.Message) {
	f.t.Helper()
	for _, d := range f.Details {
		if d.Type != string(m.ProtoReflect().Descriptor().FullName()) {
			continue
		}
		data, err := base64.RawStdEncoding.DecodeString(d.Value)
		if err != nil {
			f.t.Fatal(err)
		}
		if err := proto.Unmarshal(data, m); err != nil {
			f.t.Fatal(err)
		}
	}
}

func (f *failure) reason() string {
	f.t.Helper()
	info := new(errdetails.ErrorInfo)
	f.detail(info)
	return info.GetReason()
}

// field is the one field that the failure names.
func (f *failure) field() string {
	f.t.Helper()
	bad := new(errdetails.BadRequest)
	f.detail(bad)
	if len(bad.GetFieldViolations()) != 1 {
		return ""
	}
	return bad.GetFieldViolations()[0].GetField()
}

func TestBadInputIsAnInvalidArgument(t *testing.T) {
	t.Parallel()
	p := start(t)
	services := func(n int) string { return `["a"` + strings.Repeat(`, "a"`, n-1) + `]` }
	attributes := func(n int) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(`, "` + strings.Repeat("a", i+1) + `": 1`)
		}
		return b.String()[2:]
	}
	body := func(n int) string {
		const frame = `{"services": ["a"], "context": {"a": ""}}`
		return strings.Replace(frame, `""`, `"`+strings.Repeat("a", n-len(frame))+`"`, 1)
	}
	for _, test := range []struct{ name, body, field string }{
		{"empty", ``, "body"},
		{"no JSON", `hello`, "body"},
		{"cut off", `{"services": ["a"], "context": {`, "body"},
		{"not UTF-8", "{\"services\": [\"\xff\"]}", "body"},
		{"half a surrogate pair", `{"services": ["\udc00"]}`, "body"},
		{"a bomb of lists", `{"services": ["a"], "context": {"a": ` + strings.Repeat("[", 1_000_000), "body"},
		{"a bomb of objects", `{"services": ["a"], "context": {"a": ` + strings.Repeat(`{"a":`, 500_000), "body"},
		{"too large", body(4<<20 + 1), "body"},
		{"null", `null`, "body"},
		{"no services", `{}`, "services"},
		{"empty services", `{"services": []}`, "services"},
		{"null services", `{"services": null}`, "services"},
		{"101 services", `{"services": ` + services(101) + `}`, "services"},
		{"an empty service", `{"services": ["a", ""]}`, "services[1]"},
		{"a long service", `{"services": ["` + strings.Repeat("a", 257) + `"]}`, "services[0]"},
		{"a service of another type", `{"services": ["a", 1]}`, "services[1]"},
		{"services of another type", `{"services": {"a": 1}}`, "services"},
		{"an unknown field", `{"services": ["a"], "contxt": {}}`, "contxt"},
		{"a repeated field", `{"services": ["a"], "services": ["a"]}`, "services"},
		{"context of another type", `{"services": ["a"], "context": "a"}`, "context"},
		{"a repeated attribute", `{"services": ["a"], "context": {"a": 1, "a": 1}}`, "context.a"},
		{"1e400", `{"services": ["a"], "context": {"a": 1e400}}`, "context.a"},
		{"1,001 attributes", `{"services": ["a"], "context": {` + attributes(1001) + `}}`, "context"},
		{"layers of another type", `{"services": ["a"], "layers": "a"}`, "layers"},
		{"1,001 layers", `{"services": ["a"], "layers": ` + services(1001) + `}`, "layers"},
	} {
		for _, path := range []string{"/experiment", servingv1connect.EvaluationServiceEvaluateProcedure, servingv1connect.EvaluationServiceExplainProcedure} {
			status, data := p.post(path, test.body)
			f := problem(t, data)
			if status != http.StatusBadRequest || f.Code != "invalid_argument" || f.reason() != "ERROR_REASON_INVALID_REQUEST" {
				t.Errorf("%s to %s: status %d: %.300s", test.name, path, status, data)
			}
			if f.field() != test.field {
				t.Errorf("%s to %s: names %q, want %q: %s", test.name, path, f.field(), test.field, f.Message)
			}
		}
	}
	for _, test := range []struct{ name, body, field string }{
		{"empty", ``, "body"},
		{"no requests", `{}`, "requests"},
		{"empty requests", `{"requests": []}`, "requests"},
		{"1,001 requests", `{"requests": [{}` + strings.Repeat(`,{}`, 1000) + `]}`, "requests"},
		{"an unknown field", `{"request": []}`, "request"},
		{"cut off in an entry", `{"requests": [{"services": ["a"], "context": {`, "body"},
		{"a bomb in an entry", `{"requests": [{"services": ["a"], "context": {"a": ` + strings.Repeat("[", 1_000_000), "body"},
	} {
		status, data := p.post(servingv1connect.EvaluationServiceBatchEvaluateProcedure, test.body)
		f := problem(t, data)
		if status != http.StatusBadRequest || f.Code != "invalid_argument" ||
			f.reason() != "ERROR_REASON_INVALID_REQUEST" || f.field() != test.field {
			t.Errorf("%s: status %d: %.300s", test.name, status, data)
		}
	}
	evaluate := servingv1connect.EvaluationServiceEvaluateProcedure
	for _, test := range []struct{ path, field string }{
		{get(evaluate, "json", `{"services": []}`), "services"},
		{get(evaluate, "json", `{`), "body"},
		{evaluate + "?encoding=json&base64=1&message=%21", "message"},
		{get(evaluate, "proto", "\x0a\x05"), "body"},
	} {
		status, data := p.do(http.MethodGet, p.api+test.path, "", nil)
		if f := problem(t, data); status != http.StatusBadRequest || f.field() != test.field {
			t.Errorf("GET %s: status %d: %s", test.path, status, data)
		}
	}
}

// TestOddInputIsAnswered sends what may look wrong and is not.
func TestOddInputIsAnswered(t *testing.T) {
	t.Parallel()
	p := start(t)
	for _, test := range []struct {
		name, body string
		matches    int
	}{
		{"unknown layers beside the known", `, "layers": ["unknown", "click_experiment"]`, 1},
		{"unknown layers alone", `, "layers": ["unknown"]`, 0},
		{"no layers", `, "layers": []`, 1},
		{"null layers", `, "layers": null`, 1},
	} {
		a := p.evaluate(strings.TrimSuffix(request, "}") + test.body + "}")
		if got := len(a.Results["ranker_svc"].VIDs); got != test.matches {
			t.Errorf("%s: %d matches, want %d", test.name, got, test.matches)
		}
	}
	a := p.evaluate(`{"services": ["ranker_svc", "ranker_svc", "nobody"], "context": {"user_id": 9007199254740993, "country": "US", "age": 25}}`)
	if r := a.Results["ranker_svc"]; len(a.Results) != 2 || r.VIDs == nil || len(r.VIDs) != 0 || r.MatchedLayers == nil || r.Parameters == nil {
		t.Errorf("got %+v", a)
	}
	if status, _ := p.do(http.MethodGet, p.api+"/experiment", "", nil); status != http.StatusMethodNotAllowed {
		t.Errorf("GET /experiment: status %d", status)
	}
	if status, _ := p.do(http.MethodPost, p.api+"/nowhere", "application/json", nil); status != http.StatusNotFound {
		t.Errorf("POST /nowhere: status %d", status)
	}
}
