package api

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/strata-exp/strata/internal/rpc"
	"github.com/strata-exp/strata/sdk/go/engine"
)

func TestDecodeEvaluate(t *testing.T) {
	t.Parallel()
	text := ` {"layers": ["l"], "services" : ["a", "b", "a\u00e9"],
		"context": {"s": "x", "n": -1.5e1, "t": true, "z": null, "l": [1, {"a": "\n"}]}} `
	var r evaluateRequest
	decodeEvaluate(text, &r)
	if r.err != nil {
		t.Fatal(r.err)
	}
	if !slices.Equal(r.services, []string{"a", "b", "aé"}) || !slices.Equal(r.layers, []string{"l"}) {
		t.Errorf("got %q, %q", r.services, r.layers)
	}
	want := engine.Context{
		{Name: "s", Value: engine.StringValue("x")},
		{Name: "n", Value: engine.NumberValue(-15)},
		{Name: "t", Value: engine.BoolValue(true)},
		{Name: "z", Value: engine.NullValue()},
		{Name: "l", Value: engine.CompositeValue(`[1, {"a": "\n"}]`)},
	}
	if !slices.Equal(r.context, want) {
		t.Errorf("got %v", r.context)
	}
	for _, text := range []string{`{}`, `{"services": null, "context": null, "layers": null}`} {
		var r evaluateRequest
		if decodeEvaluate(text, &r); r.err != nil || r.services != nil || r.context != nil || r.layers != nil {
			t.Errorf("%s: got %+v", text, r)
		}
	}
}

// violations are what an error says, as "field: problem".
func violations(err error) []string {
	invalid, ok := errors.AsType[*rpc.Invalid](err)
	if !ok {
		return []string{fmt.Sprintf("%v", err)}
	}
	var all []string
	for _, v := range invalid.Violations {
		all = append(all, v.Field+": "+v.Problem)
	}
	return all
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	nested := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for _, test := range []struct{ name, text, want string }{
		{"nothing", ``, `body: not valid JSON at byte 0: the text ends too early: want an object`},
		{"no JSON", `{"services": [}`, `body: not valid JSON at byte 14: want a string`},
		{"cut off", `{"services": ["a"`, `body: not valid JSON at byte 17: the text ends too early: want ]`},
		{"more", `{"services": ["a"]} {}`, `body: not valid JSON at byte 20: text after the end of the value`},
		{"a list", `[]`, `body: want an object, got a list`},
		{"null", `null`, `body: want an object, got null`},
		{"unknown field", `{"service": "a"}`, `service: unknown field, want services, context, layers or exposures`},
		{"exposures of another kind", `{"exposures": true}`, `exposures: want a string, got a boolean`},
		{"an unknown mode", `{"exposures": "ALL"}`, "exposures: want " + exposureModes + ", got ALL"},
		{"a mode that is no integer", `{"exposures": 1.5}`, "exposures: want " + exposureModes + ", got 1.5"},
		{"another spelling", `{"Services": ["a"]}`, `Services: unknown field, want services, context, layers or exposures`},
		{"repeated field", `{"services": ["a"], "services": ["b"]}`, `services: stands twice`},
		{"repeated null", `{"services": ["a"], "services": null}`, `services: stands twice`},
		{"services of another type", `{"services": "a"}`, `services: want a list, got a string`},
		{"a service of another type", `{"services": ["a", 1]}`, `services[1]: want a string, got a number`},
		{"a null service", `{"services": [null]}`, `services[0]: want a string, got null`},
		{"a layer of another type", `{"layers": [{}]}`, `layers[0]: want a string, got an object`},
		{"context of another type", `{"context": []}`, `context: want an object, got a list`},
		{"repeated attribute", `{"context": {"a": 1, "b": 2, "a": 1}}`, `context.a: stands twice`},
		{"a number beyond a double", `{"context": {"a": 1e400}}`, `context.a: the number 1e400 is larger than a double can be`},
		{"a nested one", `{"context": {"a": [{"b": -1e400}]}}`, `context.a: the number -1e400 is larger than a double can be`},
		{"no number", `{"context": {"a": NaN}}`, `body: not valid JSON at byte 18: want a value`},
		{"a leading zero", `{"context": {"a": 01}}`, `body: not valid JSON at byte 19: a number with a leading zero`},
		{"not UTF-8", "{\"services\": [\"\xff\"]}", `body: not valid JSON at byte 15: a string that is not valid UTF-8`},
		{"not UTF-8 in a key", "{\"context\": {\"\xc3\": 1}}", `body: not valid JSON at byte 14: a string that is not valid UTF-8`},
		{"half a surrogate pair", `{"services": ["\ud800"]}`, `body: not valid JSON at byte 15: half of a surrogate pair`},
		{"a bomb", `{"context": {"a": ` + nested(100_000) + `}}`, `body: not valid JSON at byte 216: nested deeper than 200 levels`},
		{"a bomb as the request", nested(100_000), `body: want an object, got a list`},
		{"a comma at the end", `{"services": ["a",]}`, `body: not valid JSON at byte 18: a comma before ]`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var r evaluateRequest
			decodeEvaluate(test.text, &r)
			if got := violations(r.err); !slices.Equal(got, []string{test.want}) {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestDecodeExplain(t *testing.T) {
	t.Parallel()
	three := int64(3)
	noon := time.Date(2026, 1, 31, 12, 0, 0, 5e8, time.UTC)
	for _, test := range []struct {
		text     string
		revision *int64
		time     *time.Time
		fault    string
	}{
		{text: `{}`},
		{text: `{"revision": null, "time": null}`},
		{text: `{"revision": "3"}`, revision: &three},
		{text: `{"revision": 3}`, revision: &three},
		{text: `{"time": "2026-01-31T13:00:00.5+01:00"}`, time: &noon},
		{text: `{"revision": 3.5}`, fault: "revision: want a whole number, got 3.5"},
		{text: `{"revision": "99999999999999999999"}`, fault: "revision: want a whole number, got 99999999999999999999"},
		{text: `{"revision": true}`, fault: "revision: want a number, got a boolean"},
		{text: `{"time": 5}`, fault: "time: want a string, got a number"},
		{text: `{"time": "noon"}`, fault: "time: want a time such as 2026-01-31T12:00:00Z, got noon"},
		{text: `{"revision": 3, "time": "2026-01-31T12:00:00Z"}`, fault: "time: want revision or time, got both"},
		{text: `{"at": 3}`, fault: "at: unknown field, want services, context, layers, revision or time"},
	} {
		var r explainRequest
		decodeExplain(test.text, &r)
		if test.fault != "" {
			if got := violations(r.err); !slices.Equal(got, []string{test.fault}) {
				t.Errorf("%s: got %s", test.text, got)
			}
			continue
		}
		same := (r.revision == nil) == (test.revision == nil) && (r.time == nil) == (test.time == nil) &&
			(r.revision == nil || *r.revision == *test.revision) && (r.time == nil || r.time.Equal(*test.time))
		if r.err != nil || !same {
			t.Errorf("%s: got %+v", test.text, r)
		}
	}
}

func TestDecodeBatch(t *testing.T) {
	t.Parallel()
	var r batchEvaluateRequest
	decodeBatch(`{"requests": [
		{"services": ["a"], "context": {"x": 1}},
		{"services": [1, 2, [3]], "context": {"x": 1}},
		7,
		{"service": {"deep": ["er"]}},
		{"services": ["b"]}]}`, &r)
	if r.err != nil {
		t.Fatal(r.err)
	}
	var got []string
	for _, entry := range r.requests {
		got = append(got, fmt.Sprintf("%v %v", entry.services, entry.err))
	}
	want := []string{
		"[a] <nil>",
		"[] services[0]: want a string, got a number",
		"[] body: want an object, got a number",
		"[] service: unknown field, want services, context, layers or exposures",
		"[b] <nil>",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	for _, test := range []struct{ text, want string }{
		{`{"requests": [{"services": [1]}, {"services": ["a"}]}`, `body: not valid JSON at byte 50: want a comma or ]`},
		{`{"requests": {}}`, `requests: want a list, got an object`},
		{`{"request": []}`, `request: unknown field, want requests`},
		{`{"requests": [], "requests": []}`, `requests: stands twice`},
		{`{"requests": [` + strings.Repeat(`{},`, 1000) + `{}]}`, `requests: want at most 1000 requests, got more`},
	} {
		var r batchEvaluateRequest
		decodeBatch(test.text, &r)
		if got := violations(r.err); !slices.Equal(got, []string{test.want}) {
			t.Errorf("%.60s: got %s", test.text, got)
		}
	}
}
