package ofrep

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/strata-exp/strata/sdk/go/engine"
)

func TestParse(t *testing.T) {
	t.Parallel()
	var many strings.Builder
	for i := range 1001 {
		fmt.Fprintf(&many, `"a%d":1,`, i)
	}
	for _, test := range []struct{ name, text, code, detail string }{
		{"plain", `{"context":{"a":1}}`, "", ""},
		{"no JSON", `{"context":{"a":1}`, codeParseError, "not valid JSON at byte 18: "},
		{"no JSON after a bad context", `{"context":7,}`, codeInvalidContext, "context: want an object, got a number"},
		{"no JSON inside", `{"context":{"a":01}}`, codeParseError, "not valid JSON at byte 17: "},
		{"more", `{"context":{}} 1`, codeParseError, "not valid JSON at byte 15: "},
		{"a list", `[]`, codeParseError, "the body: want an object, got a list"},
		{"null", `{"context":null}`, codeInvalidContext, "context: want an object, got null"},
		{"twice", `{"context":{},"context":{}}`, codeParseError, "context: stands twice"},
		{"an attribute twice", `{"context":{"a":1,"a":2}}`, codeInvalidContext, "context.a: stands twice"},
		{"many attributes", `{"context":{` + many.String() + `"z":1}}`, codeInvalidContext, "context: want at most 1000 attributes, got 1002"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			context, failed := parse(test.text)
			switch {
			case test.code == "" && (failed != nil || len(context) != 1):
				t.Errorf("got %v, %v", context, failed)
			case test.code != "" && (failed == nil || failed.status != http.StatusBadRequest || failed.code != test.code || !strings.HasPrefix(failed.detail, test.detail)):
				t.Errorf("got %v, want %s %s", failed, test.code, test.detail)
			}
		})
	}
}

// FuzzParse holds what is read against another reader of JSON.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`{"context":{"targetingKey":"t","n":-1.5e3,"b":true,"l":[1,{}],"z":null}}`, `{"x":[],"context":{"é":"\ud83d\ude00"}}`,
		`{"context":1}`, `{"context":{}} x`, `[`, ``,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		context, failed := parse(text)
		if failed != nil {
			return
		}
		var other struct{ Context map[string]any }
		if err := json.Unmarshal([]byte(text), &other); err != nil {
			t.Fatalf("%q was taken: %v", text, err)
		}
		for _, a := range context {
			if a.Value.Kind() == engine.String && a.Value.Text() != other.Context[a.Name] && strings.Count(strings.ToLower(text), "context") == 1 {
				t.Errorf("%q: %s is %q, want %v", text, a.Name, a.Value.Text(), other.Context[a.Name])
			}
		}
		etag := etagOf(position{1, 1}, false, []string{"svc"}, context)
		if !matches([]string{etag}, etag) {
			t.Errorf("%q: %s does not match itself", text, etag)
		}
	})
}

func TestFind(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("s", maxServiceBytes)
	c := &catalog{known: map[string]bool{"a": true, "a.b": true, "x.y.z": true, `q\`: true, long: true}}
	for key, want := range map[string]string{
		"a": "a|", "a.x": "a|x", "a.b": "a.b|", "a.b.c.d": "a.b|c.d", "a.bc": "a|bc", "x.y": "", "x.y.z.w": "x.y.z|w", `q\.w`: `q\|w`,
		"": "", ".": "", "a.": "", "a.b.": "", "b.a": "", "a..b": "a|.b", long + ".p": long + "|p", long + "s": "",
		strings.Repeat(".", 60_000): "",
	} {
		service, path, ok := c.find(key)
		if got := service + "|" + path; ok != (want != "") || ok && (got != want || keyOf(service, path) != key) {
			t.Errorf("%.20s: got %.20s, %v, want %.20s", key, got, ok, want)
		}
	}
}

func TestPositions(t *testing.T) {
	t.Parallel()
	for _, p := range []position{{0, 1}, {1_700_000_000_000_000, 42}} {
		if got, ok := parsePosition(p.String()); !ok || got != p {
			t.Errorf("%v: got %v, %v", p, got, ok)
		}
	}
	for _, text := range []string{"", "-", "1", "1-", "1-2-3", "1-2x", " 1-2", "01-2", "99999999999999999999-1"} {
		if p, ok := parsePosition(text); ok {
			t.Errorf("%q is taken for %v", text, p)
		}
	}
}

// TestTagsTellAnswersApart for whatever an answer depends on, and for nothing
// else.
func TestTagsTellAnswersApart(t *testing.T) {
	t.Parallel()
	context := func(text string) engine.Context {
		c, err := engine.ParseContext(text)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	of := func(text string) string { return etagOf(position{1, 1}, false, []string{"a", "b"}, context(text)) }
	base := of(`{"x":"1","y":[1]}`)
	for _, same := range []string{`{"y":[1],"x":"1"}`, `{"x":"\u0031","y":[2]}`} {
		if got := of(same); got != base {
			t.Errorf("%s has another tag", same)
		}
	}
	plain := context(`{"x":"1","y":[1]}`)
	for what, other := range map[string]string{
		"a type": of(`{"x":1,"y":[1]}`), "an attribute": of(`{"x":"1"}`), "a name": of(`{"x1":"","y":[1]}`), "none": of(`{}`),
		"a revision": etagOf(position{1, 2}, false, []string{"a", "b"}, plain), "an epoch": etagOf(position{2, 1}, false, []string{"a", "b"}, plain),
		"staleness": etagOf(position{1, 1}, true, []string{"a", "b"}, plain), "a service": etagOf(position{1, 1}, false, []string{"a"}, plain),
		"the order": etagOf(position{1, 1}, false, []string{"b", "a"}, plain), "names joined": etagOf(position{1, 1}, false, []string{"ab"}, plain),
	} {
		if other == base {
			t.Errorf("%s makes no difference", what)
		}
	}
	if etagOf(position{1, 1}, true, []string{"a"}, plain) == etagOf(position{1, 1}, false, []string{"STALE", "a"}, plain) {
		t.Error("a service is taken for staleness")
	}
}
