package schema_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/strata-exp/strata/internal/schema"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	const person = `{"type":"object","required":["name"],"properties":{"name":{"type":"string"},"age":{"type":"integer"}}}`
	for _, test := range []struct {
		name, schema, params string
		want                 string // the violations, empty for none
	}{
		{"type", `{"properties":{"a":{"type":"string"}}}`, `{"a":1}`, "a: got number, want string"},
		{"a whole number", `{"properties":{"a":{"type":"integer"}}}`, `{"a":1e1}`, ""},
		{"a fraction", `{"properties":{"a":{"type":"integer"}}}`, `{"a":1.5}`, "a: got number, want integer"},
		{"null", `{"properties":{"a":{"type":["string","null"]}}}`, `{"a":null}`, ""},
		{"nested", `{"properties":{"a":{"properties":{"b.c":{"maximum":3}}}}}`, `{"a":{"b.c":4}}`, "a.b.c: maximum: got 4, want 3"},
		{"list", `{"properties":{"a":{"items":{"type":"string"}}}}`, `{"a":["x",2]}`, "a[1]: got number, want string"},
		{"enum", `{"properties":{"a":{"enum":["x","y"]}}}`, `{"a":"z"}`, "a: value must be one of 'x', 'y'"},
		{"pattern", `{"properties":{"a":{"pattern":"^v[0-9]+$"}}}`, `{"a":"w1"}`, "a: 'w1' does not match pattern '^v[0-9]+$'"},
		{"unknown", `{"properties":{"a":true},"additionalProperties":false}`, `{"b":1}`, "additional properties 'b' not allowed"},
		{"several", `{"properties":{"a":{"type":"string"},"b":{"type":"string"}}}`, `{"b":1,"a":1}`, "a: got number, want string\nb: got number, want string"},
		{"no alternative", `{"properties":{"a":{"anyOf":[{"type":"string"},{"minimum":5}]}}}`, `{"a":1}`, "a: fits none of several schemas: got number, want string; minimum: got 1, want 5"},
		{"reference", `{"$defs":{"n":{"type":"number"}},"properties":{"a":{"$ref":"#/$defs/n"}}}`, `{"a":"x"}`, "a: got string, want number"},
		{"anchor", `{"$defs":{"n":{"$anchor":"num","type":"number"}},"properties":{"a":{"$ref":"#num"}}}`, `{"a":"x"}`, "a: got string, want number"},
		{"recursion", `{"$defs":{"t":{"properties":{"l":{"$ref":"#/$defs/t"},"v":{"type":"number"}}}},"$ref":"#/$defs/t"}`, `{"l":{"l":{"v":"x"}}}`, "l.l.v: got string, want number"},
		{"id is not looked up", `{"$schema":"` + schema.Draft + `","$id":"https://example.com/a","properties":{"a":{"$ref":"#/$defs/n"}},"$defs":{"n":{"type":"number"}}}`, `{"a":"x"}`, "a: got string, want number"},
		{"formats are notes", `{"properties":{"a":{"format":"email"}}}`, `{"a":"x"}`, ""},

		// What a variant leaves out.
		{"required", `{"required":["a"]}`, `{}`, ""},
		{"required below", `{"properties":{"p":` + person + `}}`, `{"p":{"age":3}}`, ""},
		{"required in $defs", `{"$defs":{"p":` + person + `},"properties":{"p":{"$ref":"#/$defs/p"}}}`, `{"p":{"age":3}}`, ""},
		{"all else there", `{"$defs":{"p":` + person + `},"properties":{"p":{"$ref":"#/$defs/p"}}}`, `{"p":{"age":"3"}}`, "p.age: got string, want integer"},
		{"required in a list", `{"properties":{"p":{"items":` + person + `}}}`, `{"p":[{"age":3}]}`, ""},
		{"required in allOf", `{"allOf":[{"required":["a"]},{"maxProperties":1}]}`, `{"b":1,"c":2}`, "maxProperties: got 2, want 1"},
		{"minProperties", `{"minProperties":2}`, `{}`, ""},
		{"dependentRequired", `{"dependentRequired":{"a":["b"]}}`, `{"a":1}`, ""},
		{"dependentSchemas", `{"dependentSchemas":{"a":{"required":["b"],"properties":{"b":{"type":"string"}}}}}`, `{"a":1,"b":2}`, "b: got number, want string"},
		{"a parameter of that name", `{"properties":{"required":{"type":"boolean"},"minProperties":{"type":"boolean"}}}`, `{"required":1}`, "required: got number, want boolean"},
		{"values are not schemas", `{"properties":{"a":{"const":{"required":["x"]}}}}`, `{"a":{"required":["x"]}}`, ""},
		{"not required", `{"not":{"required":["a"]}}`, `{"b":1}`, ""},
		{"not, far from it", `{"$defs":{"p":` + person + `},"not":{"properties":{"p":{"$ref":"#/$defs/p"}}}}`, `{"p":{"age":3}}`, ""},
		{"another not", `{"not":{"properties":{"a":{"const":1}}}}`, `{"a":1}`, "'not' failed"},
		{"one of", `{"oneOf":[{"required":["a"]},{"required":["b"]}]}`, `{}`, ""},
		{
			"one of, with types", `{"oneOf":[{"required":["a"],"properties":{"a":{"type":"string"}}},{"properties":{"a":{"type":"boolean"}}}]}`, `{"a":1}`,
			"fits none of several schemas: a: got number, want string; a: got number, want boolean",
		},
		{"another one of", `{"properties":{"a":{"oneOf":[{"minimum":1},{"maximum":5}]}}}`, `{"a":3}`, "a: 'oneOf' failed, subschemas 0, 1 matched"},
		{"if required", `{"if":{"required":["a"]},"then":{"properties":{"b":{"type":"string"}}},"else":{"properties":{"b":{"type":"boolean"}}}}`, `{"b":true}`, ""},
		{"if required, neither", `{"if":{"required":["a"]},"then":{"properties":{"b":{"type":"string"}}},"else":{"properties":{"b":{"type":"boolean"}}}}`, `{"b":1}`, ""},
		{"if required, and there", `{"if":{"required":["a"]},"then":{"properties":{"b":{"type":"string"}}}}`, `{"a":1,"b":1}`, "b: got number, want string"},
		{"if of another value", `{"if":{"properties":{"a":{"const":1}}},"else":{"properties":{"b":{"type":"string"}}}}`, `{"a":2,"b":1}`, "b: got number, want string"},
		{"if of what is not there", `{"if":{"properties":{"a":{"const":1}}},"then":{"properties":{"b":{"type":"string"}}}}`, `{"b":1}`, ""},
		{"not required, and there", `{"not":{"required":["a"]}}`, `{"a":1}`, "'not' failed"},
		{"not of what is not there", `{"not":{"properties":{"a":{"const":1}}}}`, `{}`, ""},
		{"one of, by what is not there", `{"oneOf":[{"properties":{"a":{"const":1}}},{"properties":{"a":{"const":2}}}]}`, `{}`, ""},
		{"if without", `{"if":{"properties":{"a":{"const":1}}},"then":{"required":["b"],"properties":{"b":{"type":"string"}}}}`, `{"a":1,"b":2}`, "b: got number, want string"},
		{"contains", `{"properties":{"a":{"contains":{"required":["x"]},"maxContains":1}}}`, `{"a":[{},{}]}`, ""},
		{"unevaluated", `{"oneOf":[{"required":["a"],"properties":{"a":true}},{"required":["b"],"properties":{"b":true}}],"unevaluatedProperties":false}`, `{"a":1}`, ""},
		{"unevaluated, by dependentSchemas", `{"dependentSchemas":{"b":{"properties":{"c":true}}},"properties":{"b":true},"unevaluatedProperties":false}`, `{"c":1}`, ""},
		{"unevaluated, by an if inside", `{"allOf":[{"if":{"required":["b"]},"then":{"properties":{"c":true}}}],"properties":{"b":true},"unevaluatedProperties":false}`, `{"c":1}`, ""},
		{"unevaluated, by an if there", `{"$ref":"#/$defs/x","unevaluatedProperties":false,"$defs":{"x":{"if":{"required":["b"]},"then":{"properties":{"c":true}}}}}`, `{"c":1}`, ""},
		{
			"unevaluated, unknown", `{"oneOf":[{"required":["a"],"properties":{"a":true}},{"required":["b"],"properties":{"b":true}}],"unevaluatedProperties":false}`, `{"c":1}`,
			"c: is not allowed",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s, err := schema.Compile(test.schema)
			if err != nil {
				t.Fatal(err)
			}
			var lines []string
			for _, v := range s.Check(test.params) {
				line := v.Problem
				if v.Path != "" {
					line = v.Path + ": " + line
				}
				lines = append(lines, line)
			}
			if got := strings.Join(lines, "\n"); got != test.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, test.want)
			}
		})
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	doubling := []byte(`"d0":{"type":"string"}`)
	for i := range 20 {
		doubling = fmt.Appendf(doubling, `,"d%d":{"allOf":[{"$ref":"#/$defs/d%d"},{"$ref":"#/$defs/d%d"}]}`, i+1, i, i)
	}
	for _, test := range []struct{ name, schema, want string }{
		{"no JSON", `{`, "want a JSON object"},
		{"no object", `true`, "want a JSON object"},
		{"twice", `{"type":"object","type":"object"}`, "stands twice"},
		{"deep", strings.Repeat(`{"not":`, 70) + `{}` + strings.Repeat(`}`, 70), "at most 64 levels"},
		{"large", `{"description":"` + strings.Repeat("x", schema.MaxBytes) + `"}`, "at most 262144 are allowed"},
		{"no type", `{"properties":{"a":{"type":"text"}}}`, "properties.a.type: "},
		{"a list of nothing", `{"allOf":[]}`, "allOf: minItems"},
		{"draft", `{"$schema":"http://json-schema.org/draft-07/schema#"}`, "$schema: is \"http://json-schema.org/draft-07/schema#\", want"},
		{"remote", `{"properties":{"a":{"$ref":"https://example.com/a"}}}`, "properties.a.$ref: \"https://example.com/a\" is another document"},
		{"file", `{"$ref":"file:///etc/passwd"}`, "is another document"},
		{"metaschema", `{"$ref":"` + schema.Draft + `"}`, "is another document"},
		{"nowhere", `{"$ref":"#/$defs/a"}`, "$ref: \"#/$defs/a\" leads to no schema"},
		{"no schema", `{"$ref":"#/x","x":{}}`, "leads to no schema"},
		{"no anchor", `{"$ref":"#a"}`, "leads to no schema"},
		{"into a one of", `{"oneOf":[{"type":"object"}],"properties":{"a":{"$ref":"#/oneOf/0"}}}`, "want a schema in $defs"},
		{"id below", `{"properties":{"a":{"$id":"b"}}}`, "properties.a.$id: can stand at the top alone"},
		{"dynamic", `{"$dynamicRef":"#a"}`, "is not supported"},
		{"pattern", `{"properties":{"a":{"pattern":"(?=a)"}}}`, "properties.a.pattern: \"(?=a)\" is no pattern of RE2"},
		{"loop", `{"$ref":"#"}`, "without an end"},
		{"a wider loop", `{"$defs":{"a":{"allOf":[{"$ref":"#/$defs/b"}]},"b":{"$ref":"#/$defs/a"}}}`, "without an end"},
		{"work", `{"$defs":{` + string(doubling) + `},"$ref":"#/$defs/d20"}`, "applies more than 10000 schemas to one value"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := schema.Compile(test.schema)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

func TestNormal(t *testing.T) {
	t.Parallel()
	got, err := schema.Normal(` { "properties" : { "a" : { "maximum" : 1.0e1 } } } `)
	if want := `{"properties":{"a":{"maximum":10}}}`; got != want || err != nil {
		t.Errorf("got %s, %v; want %s", got, err, want)
	}
}
