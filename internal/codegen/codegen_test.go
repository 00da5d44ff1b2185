package codegen_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/strata-exp/strata/internal/codegen"
)

var update = flag.Bool("update", false, "write the golden files anew")

// goldens are the files of each language.
var goldens = map[codegen.Language]string{
	codegen.Go: "testdata/services.go.golden", codegen.TypeScript: "testdata/services.ts.golden", codegen.Python: "testdata/services.py.golden",
}

func read(t *testing.T) []codegen.Service {
	t.Helper()
	text, err := os.ReadFile("testdata/services.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []struct {
		Name, Description string
		Schema            json.RawMessage
		Variants          []struct {
			EID, VID int32
			Params   json.RawMessage
		}
	}
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	var services []codegen.Service
	for _, s := range all {
		service := codegen.Service{Name: s.Name, Description: s.Description, Schema: string(s.Schema)}
		for _, v := range s.Variants {
			service.Variants = append(service.Variants, codegen.Variant{EID: v.EID, VID: v.VID, Params: string(v.Params)})
		}
		services = append(services, service)
	}
	return services
}

func TestGolden(t *testing.T) {
	t.Parallel()
	services := read(t)
	for _, language := range codegen.Languages {
		got, err := codegen.Generate(services, codegen.Options{Language: language, Source: "demo", Package: "params"})
		if err != nil {
			t.Fatal(err)
		}
		if *update {
			if err := os.WriteFile(goldens[language], got, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(goldens[language])
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s differs; see the difference after go test -update\ngot:\n%s", goldens[language], got)
		}
	}
}

// TestOrderMeansNothing shuffles all that has an order without a meaning.
func TestOrderMeansNothing(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for _, language := range codegen.Languages {
		o := codegen.Options{Language: language, Source: "demo", Package: "params"}
		want, err := os.ReadFile(goldens[language])
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			services := read(t)
			random.Shuffle(len(services), func(i, j int) { services[i], services[j] = services[j], services[i] })
			for _, s := range services {
				random.Shuffle(len(s.Variants), func(i, j int) { s.Variants[i], s.Variants[j] = s.Variants[j], s.Variants[i] })
			}
			if got, err := codegen.Generate(services, o); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%s: another order makes another file: %v", language, err)
			}
		}
	}
}

// service is one of an experiment for each of the parameters given.
func service(name, schema string, params ...string) codegen.Service {
	s := codegen.Service{Name: name, Schema: schema}
	for i, text := range params {
		s.Variants = append(s.Variants, codegen.Variant{EID: int32(i + 1), VID: int32(10 * (i + 1)), Params: text})
	}
	return s
}

func TestFaults(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		language codegen.Language
		services []codegen.Service
		want     string // empty for none
	}{
		{
			"a string and a number", codegen.Go,
			[]codegen.Service{service("s", "", `{"a":{"b.c":1}}`, `{"a":{"b.c":"x"}}`)},
			`service s: a.b\.c: is an integer in experiment 1, variant 10; a string in experiment 2, variant 20: make them one type, or declare it in the schema of the service`,
		},
		{"integers and numbers", codegen.Go, []codegen.Service{service("s", "", `{"a":1}`, `{"a":1.5}`)}, ""},
		{"large numbers", codegen.Go, []codegen.Service{service("s", "", `{"a":1e300}`)}, ""},
		{
			"an object and a value", codegen.TypeScript,
			[]codegen.Service{service("s", "", `{"a":{"b":1}}`, `{"a":[1]}`, `{"a":{}}`)},
			`service s: a: is a list in experiment 2, variant 20; an object in experiment 1, variant 10: make them one type, or declare it in the schema of the service`,
		},
		{"an object and null", codegen.Python, []codegen.Service{service("s", "", `{"a":{"b":1}}`, `{"a":null}`)}, ""},
		{"settled by a schema", codegen.Go, []codegen.Service{service("s", `{"properties":{"a":{"type":["integer","string"]}}}`, `{"a":1}`, `{"a":"x"}`)}, ""},
		{
			"a schema without types", codegen.Go,
			[]codegen.Service{service("s", `{"properties":{"a":{"description":"d"}}}`, `{"a":1}`, `{"a":"x"}`)},
			`service s: a: is an integer in experiment 1, variant 10; a string in experiment 2, variant 20: make them one type, or declare it in the schema of the service`,
		},
		{
			"breaks its schema", codegen.Go,
			[]codegen.Service{service("s", `{"properties":{"a":{"type":"string"}}}`, `{}`, `{"a":3}`)},
			`service s: experiment 2, variant 20, a breaks its schema: got number, want string`,
		},
		{"no schema", codegen.Go, []codegen.Service{service("s", `{"type":"text"}`)}, `service s: its schema is at fault: type: `},
		{"an empty key", codegen.Go, []codegen.Service{service("s", "", `{"":1}`)}, `service s: a parameter whose key is empty has no path`},
		{"an empty key below", codegen.Go, []codegen.Service{service("s", "", `{"a":{"":1}}`)}, ""},
		{"one name for two", codegen.Go, []codegen.Service{service("s", "", `{"a_b":1,"aB":2,"c":3}`)}, `service s: a_b: would be called AB, as is aB: rename one of them`},
		{"one name for two in Python", codegen.Python, []codegen.Service{service("s", "", `{"a b":1,"a.b":2}`)}, `service s: a\.b: would be called a_b, as is a b: rename one of them`},
		{"one name for two in TypeScript", codegen.TypeScript, []codegen.Service{service("s", "", `{"a-b":1,"a_b":2}`)}, `service s: a_b: would be called aB, as is a-b: rename one of them`},
		{
			"two services", codegen.Go,
			[]codegen.Service{service("a-b", "", `{}`), service("a_b", "", `{}`)},
			"service a_b: the function would be called EvaluateAB, as is the function of service a-b: rename one of them\n" +
				"service a_b: the type would be called AB, as is the type of service a-b: rename one of them",
		},
		{
			"a service and a parameter", codegen.Go,
			[]codegen.Service{service("a", "", `{"b":{"c":1}}`), service("a_b", "", `{}`)},
			"service a_b: the type would be called AB, as is the type of b of service a: rename one of them",
		},
		{
			"constants", codegen.Go,
			[]codegen.Service{service("a", `{"properties":{"x":{"enum":["m-n","m_n"]}}}`)},
			`service a: x: the constant for "m_n" of x would be called AXMN, as is the constant for "m-n" of x of service a: rename one of them`,
		},
		{"texts without constants", codegen.Python, []codegen.Service{service("a", `{"properties":{"x":{"enum":["m-n","m_n"]}}}`)}, ""},
		{
			"all are told", codegen.Go,
			[]codegen.Service{service("b", "", `{"x":1}`, `{"x":true}`), service("a", "", `{"x":1}`, `{"x":[]}`)},
			"service a: x: is an integer in experiment 1, variant 10; a list in experiment 2, variant 20: make them one type, or declare it in the schema of the service\n" +
				"service b: x: is a bool in experiment 2, variant 20; an integer in experiment 1, variant 10: make them one type, or declare it in the schema of the service",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := codegen.Generate(test.services, codegen.Options{Language: test.language, Source: "demo", Package: "params"})
			switch {
			case test.want == "" && err != nil:
				t.Errorf("got %v", err)
			case test.want != "" && (err == nil || !strings.HasPrefix(err.Error(), test.want)):
				t.Errorf("got\n%v\nwant\n%s", err, test.want)
			}
		})
	}
}

// TestWhatIsWrittenIsBounded though schemas lead to one another, or a parameter is
// as deep as none can be.
func TestWhatIsWrittenIsBounded(t *testing.T) {
	t.Parallel()
	// tangled has so many schemas, each of which leads to all.
	tangled := func(n int) string {
		var properties, defs []string
		for i := range n {
			properties = append(properties, fmt.Sprintf(`"p%d":{"$ref":"#/$defs/d%d"}`, i, i))
		}
		for i := range n {
			defs = append(defs, fmt.Sprintf(`"d%d":{"properties":{%s}}`, i, strings.Join(properties, ",")))
		}
		return `{"$defs":{` + strings.Join(defs, ",") + `},"$ref":"#/$defs/d0"}`
	}
	var chain []string
	for i := range 70 {
		chain = append(chain, fmt.Sprintf(`"d%d":{"properties":{"a":{"$ref":"#/$defs/d%d"}}}`, i, i+1))
	}
	for _, test := range []struct {
		name    string
		service codegen.Service
		want    string // empty for none
	}{
		{"a few lead to one another", service("s", tangled(4)), ""},
		{"many do", service("s", tangled(12)), "service s: p0.p1.p10."},
		{"a long chain", service("s", `{"$defs":{`+strings.Join(chain, ",")+`,"d70":{}},"$ref":"#/$defs/d0"}`), "service s: a." + strings.Repeat("a.", 63) + "a: is at level 65, and parameters have at most 64"},
		{"twice at each level", service("s", `{"$defs":{"x":{"properties":{"a":{"allOf":[{"$ref":"#/$defs/x"},{"$ref":"#/$defs/x"}]}}}},"$ref":"#/$defs/x"}`,
			strings.Repeat(`{"a":`, 14)+`{}`+strings.Repeat(`}`, 14)), ""},
		{"too much to be checked", service("s", `{"$defs":{"x":{"properties":{"a":{"allOf":[{"$ref":"#/$defs/x"},{"$ref":"#/$defs/x"}]}}}},"$ref":"#/$defs/x"}`,
			strings.Repeat(`{"a":`, 60)+`{}`+strings.Repeat(`}`, 60)), "service s: experiment 1, variant 10, a."},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			text, err := codegen.Generate([]codegen.Service{test.service}, codegen.Options{Language: codegen.Go, Source: "demo", Package: "params"})
			switch {
			case test.want == "" && (err != nil || len(text) > 1<<20):
				t.Errorf("%v: %d bytes", err, len(text))
			case test.want != "" && (err == nil || !strings.HasPrefix(err.Error(), test.want) || strings.Contains(err.Error(), "\n")):
				t.Errorf("got\n%v\nwant one line:\n%s", err, test.want)
			}
		})
	}
}

// TestNamesOfTypeScript are none of those that generated code uses itself.
func TestNamesOfTypeScript(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"Array", "Number", "Readonly", "Record", "Client"} {
		text, err := codegen.Generate([]codegen.Service{service(strings.ToLower(name), "", `{"a":[1]}`)}, codegen.Options{Language: codegen.TypeScript})
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), "export class "+name+"_ {") {
			t.Errorf("the class of the service %s:\n%s", strings.ToLower(name), text)
		}
	}
}

// TestTextsStayInComments hides what would end a comment or a string.
func TestTextsStayInComments(t *testing.T) {
	t.Parallel()
	evil := "*/ alert(1); /* \"\"\" \u2028 \n//go:build x\r\n`${x}` \\"
	description, err := json.Marshal(evil)
	if err != nil {
		t.Fatal(err)
	}
	schema := `{"properties":{"a":{"type":"string","description":` + string(description) + `}}}`
	for _, language := range codegen.Languages {
		s := service("s", schema, `{}`)
		s.Description = evil
		text, err := codegen.Generate([]codegen.Service{s}, codegen.Options{Language: language, Source: evil, Package: "params"})
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			for _, bad := range []string{"\u2028", "\r"} {
				if strings.Contains(line, bad) {
					t.Errorf("%s: %q", language, line)
				}
			}
			if strings.HasPrefix(line, "//go:build") || language == codegen.TypeScript && strings.Contains(line, "*/ alert") && !strings.HasPrefix(line, "//") ||
				language == codegen.Python && strings.Count(line, `"""`) > 2 {
				t.Errorf("%s: %q", language, line)
			}
		}
	}
}
