package schema_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/strata-exp/strata/internal/schema"
)

// chain is an object in an object, and so on.
func chain(levels int) string {
	return strings.Repeat(`{"a":`, levels-1) + `{}` + strings.Repeat(`}`, levels-1)
}

func of(defs, root string) string { return `{"$defs":{` + defs + `},` + root + `}` }

const doubling = `"x":{"properties":{"a":{"allOf":[{"$ref":"#/$defs/x"},{"$ref":"#/$defs/x"}]}}}`

// TestCheckIsBounded has no case that ends in time without the bound.
func TestCheckIsBounded(t *testing.T) {
	t.Parallel()
	many := make([]string, 4000)
	for i := range many {
		many[i] = fmt.Sprintf(`{"pattern":"(a|b|%d)*c$"}`, i)
	}
	for _, test := range []struct {
		name, schema, params string
		path, to             string
	}{
		{"twice at each level", of(doubling, `"$ref":"#/$defs/x"`), chain(64), "", "#/$defs/x"},
		{
			"by lists", `{"properties":{"a":{"$ref":"#/$defs/l"}},"$defs":{"l":{"items":{"anyOf":[{"$ref":"#/$defs/l"},{"$ref":"#/$defs/l"}]}}}}`,
			`{"a":` + strings.Repeat(`[`, 50) + strings.Repeat(`]`, 50) + `}`, "a", "#/$defs/l",
		},
		{"by what is not described", of(`"y":{"additionalProperties":{"oneOf":[{"type":"string"},{"$ref":"#/$defs/y"},{"allOf":[{"$ref":"#/$defs/y"}]}]}}`, `"$ref":"#/$defs/y"`), chain(50), "", "#/$defs/y"},
		{"by patterns of names", of(`"z":{"patternProperties":{"^a":{"$ref":"#/$defs/z"},"a$":{"$ref":"#/$defs/z"}}}`, `"$ref":"#/$defs/z"`), chain(60), "", "#/$defs/z"},
		{"a long text and many patterns", `{"properties":{"a":{"allOf":[` + strings.Join(many, ",") + `]}}}`, `{"a":"` + strings.Repeat("a", 1<<19) + `"}`, "a", "#/properties/a"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s, err := schema.Compile(test.schema)
			if err != nil {
				t.Fatal(err)
			}
			got := s.Check(test.params)
			if len(got) != 1 || strings.Trim(got[0].Path, ".a[0]") != "" || !strings.HasPrefix(got[0].Path, test.path) ||
				!strings.HasPrefix(got[0].Problem, "would take more than 1000000 steps to be checked against "+test.to) {
				t.Errorf("got %v", got)
			}
		})
	}
}

// TestTreesAreChecked whose schemas lead back to themselves, but once for each of
// their values, and what is large.
func TestTreesAreChecked(t *testing.T) {
	t.Parallel()
	kinds := make([]string, 8)
	for i := range kinds {
		kinds[i] = fmt.Sprintf(`{"if":{"properties":{"kind":{"const":%d}}},"then":{"properties":{"a":{"$ref":"#/$defs/k"}}}}`, i)
	}
	const open = `{"kind":7,"a":`
	deep := func(levels int, leaf string) string {
		return strings.Repeat(open, levels-1) + leaf + strings.Repeat(`}`, levels-1)
	}
	numbers := func(last string) string { return `{"a":[` + strings.Repeat("1,", 300_000) + last + `]}` }
	for _, test := range []struct{ name, schema, right, wrong string }{
		{"a few levels, twice", of(doubling, `"$ref":"#/$defs/x","maxProperties":1`), chain(16), `{"a":1,"b":2}`},
		{
			"a tree and what else there is", of(`"t":{"type":["object","number"],"properties":{"a":{"$ref":"#/$defs/t"}},
				"additionalProperties":{"$ref":"#/$defs/t"},"unevaluatedProperties":{"$ref":"#/$defs/t"}}`, `"$ref":"#/$defs/t"`), deep(64, `{}`), deep(64, `"x"`),
		},
		{"a tree of kinds", of(`"k":{"type":"object","allOf":[`+strings.Join(kinds, ",")+`]}`, `"$ref":"#/$defs/k"`), deep(64, `{}`), deep(64, `"x"`)},
		{"a tree or something else", of(`"t":{"anyOf":[{"type":"number"},{"type":"object","additionalProperties":{"$ref":"#/$defs/t"}}]}`, `"$ref":"#/$defs/t"`), deep(64, `{}`), deep(16, `"x"`)},
		{"a long list", of(`"n":{"type":"number"}`, `"properties":{"a":{"items":{"$ref":"#/$defs/n"}}}`), numbers("1"), numbers("true")},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s, err := schema.Compile(test.schema)
			if err != nil {
				t.Fatal(err)
			}
			if got := s.Check(test.right); len(got) > 0 {
				t.Errorf("got %v", got)
			}
			if got := s.Check(test.wrong); len(got) == 0 || strings.Contains(got[0].Problem, "steps") {
				t.Errorf("got %v", got)
			}
		})
	}
}
