package manifest_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	"github.com/strata-exp/strata/internal/manifest"
	"github.com/strata-exp/strata/sdk/go/engine"
)

func read(t *testing.T, path string) *manifest.Set {
	t.Helper()
	set, err := manifest.Read(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func encoded(t *testing.T, set *manifest.Set, format manifest.Format) string {
	t.Helper()
	text, err := manifest.EncodeBundle(set, format)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// tree returns the files of a folder as one text.
func tree(t *testing.T, folder string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(folder, func(name string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(name)
		inside, _ := filepath.Rel(folder, name)
		fmt.Fprintf(&b, "=== %s\n%s", filepath.ToSlash(inside), data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestWrittenExamples(t *testing.T) {
	t.Parallel()
	set := read(t, "../../examples/configs")
	folder := t.TempDir()
	if _, err := manifest.WriteFolder(folder, set, false); err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/examples.golden", tree(t, folder))
	golden(t, "testdata/examples.bundle.golden", encoded(t, set, manifest.JSON))
}

// What stands there already in the style of the files that are written comes out
// as it was.
func TestWrittenStyle(t *testing.T) {
	t.Parallel()
	set := read(t, "testdata/written/bundle.yaml")
	golden(t, "testdata/written/bundle.yaml", encoded(t, set, manifest.YAML))
	golden(t, "testdata/written/bundle.json", encoded(t, set, manifest.JSON))
	if got, want := encoded(t, read(t, "testdata/written/bundle.json"), manifest.YAML), encoded(t, set, manifest.YAML); got != want {
		t.Errorf("by way of JSON, got\n%s\nwant\n%s", got, want)
	}
}

// Indentation can make text fifty times as long. What is too long that way goes
// on one line.
func TestWrittenOnOneLine(t *testing.T) {
	t.Parallel()
	const levels = engine.MaxParamsDepth - 2
	items := strings.Repeat(`{"a":"x"},`, 40_000) + `{"a":"\u0001😀"}`
	long := strings.Repeat("\\u0001", 256)
	params := `{"` + long + `":` + nested(`[`, items, `]`, levels) + `}`
	experiment := &configv1.Experiment{Eid: 1, Service: "no", Variants: []*configv1.Variant{{Vid: 1, ParamsJson: params}}}
	for file, format := range formats {
		text, err := manifest.EncodeExperiment(experiment, manifest.Notes{}, format)
		if err != nil {
			t.Fatal(err)
		}
		if lines := bytes.Count(text, []byte("\n")); lines != 1 {
			t.Errorf("%s: got %d lines", file, lines)
		}
		var compact bytes.Buffer
		if format == manifest.JSON {
			if err := json.Compact(&compact, text); err != nil || compact.Len()+1 != len(text) {
				t.Errorf("got %d bytes, want %d, %v", len(text), compact.Len()+1, err)
			}
		}
		got, faults := manifest.DecodeExperiment(file, text)
		if faults != nil || !proto.Equal(got, experiment) {
			t.Errorf("%s: read again, got %.1000v, %v", file, got, faults)
		}
	}
}

func TestEncodeDeepestRule(t *testing.T) {
	t.Parallel()
	rule := &configv1.Rule{Op: configv1.Operator_OPERATOR_EQ, Field: "f", Values: []*configv1.Value{{Kind: &configv1.Value_BoolValue{}}}}
	for range engine.MaxRuleDepth - 1 {
		rule = &configv1.Rule{Op: configv1.Operator_OPERATOR_NOT, Children: []*configv1.Rule{rule}}
	}
	set := manifest.NewSet(&configv1.Snapshot{Experiments: []*configv1.Experiment{{Eid: 1, Service: "s", Rule: rule}}}, nil, nil)
	for file, format := range formats {
		got, faults := manifest.DecodeBundle(file, []byte(encoded(t, set, format)))
		if faults != nil {
			t.Fatal(faults)
		}
		sameSet(t, got, set)
	}
}

// Parameters need not be in the normal form to be written.
func TestEncodeParamsOfAnyForm(t *testing.T) {
	t.Parallel()
	experiment := &configv1.Experiment{Eid: 1, Service: "s", Variants: []*configv1.Variant{
		{Vid: 1, ParamsJson: " {\"b\" :\n[1.0, -0, 1E2, 1e300, 10.50], \"a\": \"\\u0041\\/\"} "},
	}}
	for file, format := range formats {
		text, err := manifest.EncodeExperiment(experiment, manifest.Notes{}, format)
		if err != nil {
			t.Fatal(err)
		}
		got, faults := manifest.DecodeExperiment(file, text)
		if faults != nil {
			t.Fatal(faults)
		}
		if got, want := got.GetVariants()[0].GetParamsJson(), `{"b":[1,0,100,1e+300,10.5],"a":"A/"}`; got != want {
			t.Errorf("%s: got %s, want %s", file, got, want)
		}
	}
}

func TestEncodeFaults(t *testing.T) {
	t.Parallel()
	layer := func(change func(*configv1.Layer)) *configv1.Snapshot {
		l := &configv1.Layer{LayerId: "l", HashKey: "k", Salt: "s"}
		change(l)
		return &configv1.Snapshot{Layers: []*configv1.Layer{l}}
	}
	rule := func(rule *configv1.Rule) *configv1.Snapshot {
		return &configv1.Snapshot{Experiments: []*configv1.Experiment{{Eid: 1, Service: "s", Rule: rule}}}
	}
	params := func(text string) *configv1.Snapshot {
		variants := []*configv1.Variant{{Vid: 1, ParamsJson: "{}"}, {Vid: 2, ParamsJson: text}}
		return &configv1.Snapshot{Experiments: []*configv1.Experiment{{Eid: 1, Service: "s", Variants: variants}}}
	}
	value := func(value *configv1.Value) *configv1.Snapshot {
		return rule(&configv1.Rule{Op: configv1.Operator_OPERATOR_EQ, Field: "f", Values: []*configv1.Value{value}})
	}
	condition := func() *configv1.Rule {
		return &configv1.Rule{Op: configv1.Operator_OPERATOR_EQ, Field: "f", Values: []*configv1.Value{{Kind: &configv1.Value_BoolValue{}}}}
	}
	deep := condition()
	for range 1000 {
		deep = &configv1.Rule{Op: configv1.Operator_OPERATOR_AND, Children: []*configv1.Rule{deep}}
	}
	unknown := &configv1.Layer{LayerId: "l", HashKey: "k", Salt: "s"}
	unknown.ProtoReflect().SetUnknown([]byte{0xf8, 0x07, 0x01})
	const noWords = "has parts for which a file has no words"
	for name, test := range map[string]struct {
		snapshot *configv1.Snapshot
		notes    manifest.Notes
		want     string
	}{
		"text that is not UTF-8":     {layer(func(l *configv1.Layer) { l.Salt = "a\xff" }), manifest.Notes{}, "layers[0].salt: is not valid UTF-8"},
		"a nil range":                {layer(func(l *configv1.Layer) { l.Ranges = []*configv1.Range{{}, nil} }), manifest.Notes{}, "layers[0].ranges[1]: want an object, got null"},
		"a nil layer":                {&configv1.Snapshot{Layers: []*configv1.Layer{nil}}, manifest.Notes{}, "layers[0]: want an object, got null"},
		"a nil experiment":           {&configv1.Snapshot{Experiments: []*configv1.Experiment{nil}}, manifest.Notes{}, "experiments[0]: want an object, got null"},
		"a field of another version": {&configv1.Snapshot{Layers: []*configv1.Layer{unknown}}, manifest.Notes{}, noWords},
		"a name of a layer":          {layer(func(*configv1.Layer) {}), manifest.Notes{Name: new("n")}, "layers[0].name: unknown key; want layer_id, version, priority, hash_key, salt, enabled, ranges or service"},
		"a long note":                {layer(func(*configv1.Layer) {}), manifest.Notes{Tags: []string{"", "a"}}, "layers[0].tags[0]: is empty, want 1 to 256 bytes"},
		"an unknown operator":        {rule(&configv1.Rule{Op: 99, Field: "f"}), manifest.Notes{}, "experiments[0].rule.op: want eq, neq, gt, gte, lt, lte, in, not_in, like or not_like, got \"99\""},
		"no operator":                {rule(&configv1.Rule{}), manifest.Notes{}, "experiments[0].rule.op: want eq, neq, gt, gte, lt, lte, in, not_in, like or not_like, got \"OPERATOR_UNSPECIFIED\""},
		"a not over nothing":         {rule(&configv1.Rule{Op: configv1.Operator_OPERATOR_NOT}), manifest.Notes{}, "experiments[0].rule.children: want exactly one child of not"},
		"an and with a field":        {rule(&configv1.Rule{Op: configv1.Operator_OPERATOR_AND, Field: "f"}), manifest.Notes{}, noWords},
		"a condition with children": {
			rule(&configv1.Rule{Op: configv1.Operator_OPERATOR_EQ, Field: "f", Children: []*configv1.Rule{condition()}}), manifest.Notes{}, noWords,
		},
		"a nil rule below":    {rule(&configv1.Rule{Op: configv1.Operator_OPERATOR_OR, Children: []*configv1.Rule{nil}}), manifest.Notes{}, "experiments[0].rule.children[0]: want an object, got null"},
		"a deep rule":         {rule(deep), manifest.Notes{}, "experiments[0].rule" + strings.Repeat(".children[0]", engine.MaxRuleDepth) + ": is nested deeper than 80 levels"},
		"no value":            {value(&configv1.Value{}), manifest.Notes{}, "experiments[0].rule.values[0]: want a string, a number or a boolean, got null"},
		"a nil value":         {value(nil), manifest.Notes{}, "experiments[0].rule.values[0]: want a string, a number or a boolean, got null"},
		"no number":           {value(&configv1.Value{Kind: &configv1.Value_NumberValue{NumberValue: math.NaN()}}), manifest.Notes{}, "experiments[0].rule.values[0]: want a finite number, got .nan"},
		"infinity":            {value(&configv1.Value{Kind: &configv1.Value_NumberValue{NumberValue: math.Inf(-1)}}), manifest.Notes{}, "experiments[0].rule.values[0]: want a finite number, got -.inf"},
		"no JSON":             {params(`{"a":}`), manifest.Notes{}, "experiments[0].variants[1].params: not valid JSON at byte 5: want a value"},
		"no text":             {params(""), manifest.Notes{}, "experiments[0].variants[1].params: not valid JSON at byte 0: the text ends too early: want a value"},
		"params of a list":    {params("[]"), manifest.Notes{}, "experiments[0].variants[1].params: want an object, got a list"},
		"a key that is twice": {params("{\"a\":1,\n\"a\":1}"), manifest.Notes{}, "experiments[0].variants[1].params.a: stands twice"},
		"a large integer":     {params(`{"a":9007199254740993}`), manifest.Notes{}, "experiments[0].variants[1].params.a: is 9007199254740993, an integer beyond 2^53 - 1, which readers round differently; write it as a string"},
		"a field twice":       {&configv1.Snapshot{Fields: []*configv1.Field{{Name: "a", Type: 1}, {Name: "a", Type: 1}}}, manifest.Notes{}, "fields.a: stands twice"},
		"no type":             {&configv1.Snapshot{Fields: []*configv1.Field{{Name: "a"}}}, manifest.Notes{}, "fields.a: want string, int, float, bool or semver, got \"FIELD_TYPE_UNSPECIFIED\""},
	} {
		for _, format := range formats {
			set := manifest.NewSet(test.snapshot, []manifest.Notes{test.notes}, []manifest.Notes{test.notes})
			text, err := manifest.EncodeBundle(set, format)
			if !errors.As(err, new(manifest.Faults)) || err.Error() != test.want {
				t.Errorf("%s: got %s and %v, want %s", name, text, err, test.want)
			}
		}
	}
}

func TestEncodeTooLarge(t *testing.T) {
	t.Parallel()
	layer := &configv1.Layer{LayerId: strings.Repeat("x", manifest.MaxFileBytes), HashKey: "k", Salt: "s"}
	for _, format := range formats {
		if text, err := manifest.EncodeLayer(layer, manifest.Notes{}, format); err == nil || err.Error() != "would be larger than 4 MiB" {
			t.Errorf("got %d bytes, %v", len(text), err)
		}
	}
}
