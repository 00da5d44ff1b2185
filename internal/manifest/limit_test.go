package manifest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/strata-exp/strata/internal/manifest"
	"github.com/strata-exp/strata/sdk/go/engine"
)

func experimentWith(params, rule string) []byte {
	return []byte(`{"eid": 1, "service": "s", "rule": ` + rule + `, "variants": [{"vid": 1, "params": ` + params + `}]}`)
}

func nested(open, inner, end string, levels int) string {
	return strings.Repeat(open, levels) + inner + strings.Repeat(end, levels)
}

func TestLimits(t *testing.T) {
	t.Parallel()
	const leaf = `{"type": "field", "field": "f", "op": "eq", "values": [1]}`
	rule := func(levels int) string { return nested(`{"type": "and", "children": [`, leaf, `]}`, levels-1) }
	text := func(length int) string { return `{"a": "` + strings.Repeat("x", length-len(`{"a":""}`)) + `"}` }
	for name, test := range map[string]struct {
		data []byte
		want string // part of a fault; "" for none
	}{
		"deepest params":     {experimentWith(nested(`{"a":`, `1`, `}`, engine.MaxParamsDepth), "null"), ""},
		"params too deep":    {experimentWith(nested(`{"a":`, `{}`, `}`, engine.MaxParamsDepth), "null"), "is nested deeper than 64 levels"},
		"lists too deep":     {experimentWith(`{"a":`+nested(`[`, `[]`, `]`, engine.MaxParamsDepth-1)+`}`, "null"), "is nested deeper than 64 levels"},
		"deepest rule":       {experimentWith("{}", rule(engine.MaxRuleDepth)), ""},
		"rule too deep":      {experimentWith("{}", rule(engine.MaxRuleDepth+1)), "is nested deeper than 80 levels"},
		"file too deep":      {experimentWith("{}", rule(1000)), "nested deeper than 200 levels"},
		"longest params":     {experimentWith(text(engine.MaxParamsBytes), "null"), ""},
		"params too long":    {experimentWith(text(engine.MaxParamsBytes+1), "null"), "at most 1048576 are allowed"},
		"white space counts": {experimentWith("{}"+strings.Repeat(" ", manifest.MaxFileBytes), "null"), "is larger than 4 MiB"},
	} {
		for _, file := range []string{"e.json", "e.yaml"} {
			t.Run(name+" in "+file, func(t *testing.T) {
				t.Parallel()
				_, faults := manifest.DecodeExperiment(file, test.data)
				switch {
				case test.want == "" && faults != nil:
					t.Fatal(faults)
				case test.want != "" && !strings.Contains(faults.Error(), test.want):
					t.Fatalf("want a fault with %q, got %v", test.want, faults)
				}
			})
		}
	}
}

func TestListsNoMoreFaultsThanAnyoneReads(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&text, "key%d: 1\n", i)
	}
	_, faults := manifest.DecodeFields("fields.yaml", []byte(text.String()))
	if len(faults) != 1001 || faults[1000].String() != "fields.yaml:1000: 4000 more faults are not listed" {
		t.Fatalf("got %d faults, the last one %v", len(faults), faults[len(faults)-1])
	}
}

// What a file can make a fault say is bounded and stays on one line.
func TestFaultsAreShort(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é\\n", 1<<18)
	for _, data := range []string{
		`{"` + long + `": 1}`,
		`{"eid": 1` + strings.Repeat("0", 1<<18) + `}`,
		`{"eid": 1, "service": "s", "variants": [], "rule": {"type": "` + long + `"}}`,
		`{"eid": 1, "service": "s", "variants": [{"vid": 1, "params": {"` + long + `": 1e999}}]}`,
	} {
		for _, file := range []string{"e.json", "e.yaml"} {
			_, faults := manifest.DecodeExperiment(file, []byte(data))
			if len(faults) == 0 {
				t.Errorf("%s: %.40s: no fault", file, data)
			}
			for _, fault := range faults {
				if text := fault.String(); len(text) > 500 || strings.ContainsAny(text, "\n\r") {
					t.Errorf("%s: %.40s: %d bytes of fault: %.500q", file, data, len(text), text)
				}
			}
		}
	}
}

// Aliases are never followed, so that a few bytes can not stand for gigabytes.
func TestBillionLaughs(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	text.WriteString("a: &a [x]\n")
	for c := 'b'; c < 'z'; c++ {
		fmt.Fprintf(&text, "%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n", c, c, c-1, c-1, c-1, c-1, c-1, c-1, c-1, c-1, c-1)
	}
	_, faults := manifest.DecodeLayer("l.yaml", []byte(text.String()))
	if len(faults) == 0 {
		t.Fatal("no fault")
	}
}

// Text of the library's own making must not end up as another value.
func TestYAMLThatReadersDisagreeOn(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"a: \"x\u2028y\"":   "l.yaml:1: not valid YAML at column 6: readers disagree whether U+2028 is a line break",
		"\na: 'x\u0085y'":   "l.yaml:2: not valid YAML at column 6: readers disagree whether U+0085 is a line break",
		"a: \x00":           "l.yaml:1: not valid YAML at column 4: the control character U+0000",
		"a: *b":             "l.yaml: not valid YAML: unknown anchor 'b' referenced",
		"a: 1\nb: [1,\nc:":  "l.yaml:3: not valid YAML: did not find expected node content",
		"a: 1\nb: [1\nc:\n": "l.yaml:2: not valid YAML: did not find expected ',' or ']'",
		"a: 1\nb: @":        "l.yaml:2: not valid YAML: found character that cannot start any token",
		"a: b: c":           "l.yaml:1: not valid YAML: mapping values are not allowed in this context",
		"a: 1\n b: 2":       "l.yaml:2: not valid YAML: mapping values are not allowed in this context",
		"# nothing":         "l.yaml: is empty",
		"---\n...\n":        "l.yaml:2: want an object, got null",
		"--- {}\n--- {}\n":  "l.yaml:2: a second document",
		"a: !x 1":           "l.yaml:1: a: tags such as !x are not supported",
		"!!map {}":          "l.yaml:1: tags such as !!map are not supported",
		"? *a\n: 1":         "l.yaml: not valid YAML: unknown anchor 'a' referenced",
		"&a b: 1":           "l.yaml:1: anchors and aliases are not supported",
		"true: 1":           "l.yaml:1: the key \"true\" is a boolean; put it in quotes",
		"~: 1":              "l.yaml:1: the key \"~\" is null; put it in quotes",
		"\xff\xfea\x00":     "l.yaml:1: not valid UTF-8",
	} {
		_, faults := manifest.DecodeLayer("l.yaml", []byte(text))
		if !strings.Contains(faults.Error(), want) {
			t.Errorf("%q: got %v, want %s", text, faults, want)
		}
	}
}
