package present

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares text with testdata/NAME.golden.
func golden(t *testing.T, name string, write func(io.Writer) error) string {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.Bytes(), want) {
		t.Errorf("%s differs; see the difference after go test -update\ngot:\n%s", file, b.Bytes())
	}
	return b.String()
}

// longPlan has more of everything than a text shows.
func longPlan() *adminv1.Plan {
	plan := &adminv1.Plan{BaseRevision: 1, Checksum: "b", Omitted: &adminv1.PlanOmissions{Warnings: 3}}
	for i := range 120 {
		id := fmt.Sprintf("layer_%03d", i)
		plan.Resources = append(plan.Resources, &adminv1.ResourceDiff{
			Kind: adminv1.ResourceKind_RESOURCE_KIND_LAYER, Id: id, Action: adminv1.ResourceDiff_ACTION_UPDATE,
			Values: []*adminv1.ValueDiff{{Path: "priority", Before: "1", After: "2"}},
		})
		plan.Layers = append(plan.Layers, &adminv1.LayerMoves{LayerId: id, SlotsUnchanged: 10000})
		plan.Warnings = append(plan.Warnings, &adminv1.Warning{Message: "beware"})
		plan.Parameters = append(plan.Parameters, &adminv1.ParameterChange{Path: "/p"})
		plan.SharedParameters = append(plan.SharedParameters, &adminv1.SharedParameter{Path: "/p"})
		plan.HiddenParameters = append(plan.HiddenParameters, &adminv1.HiddenParameter{Path: "/p"})
	}
	for range 45 {
		plan.Resources[0].Values = append(plan.Resources[0].Values, &adminv1.ValueDiff{Path: "p", After: "1"})
		plan.Layers[0].Moves = append(plan.Layers[0].Moves, &adminv1.Move{ToVid: 1, Slots: 1})
	}
	return plan
}

func TestLongPlansAreCut(t *testing.T) {
	t.Parallel()
	text := golden(t, "long", func(w io.Writer) error { return PlanText{Title: "long"}.Write(w, longPlan()) })
	const mostLines = 700
	if n := strings.Count(text, "\n"); n > mostLines {
		t.Errorf("%d lines", n)
	}
}

// hostile is what a terminal must not get.
const hostile = "a\x1b[2Jb\nc\u202ed\u0000"

func hostilePlan() *adminv1.Plan {
	long := strings.Repeat("long", 100)
	return &adminv1.Plan{
		BaseRevision: 1, Checksum: hostile,
		Resources: []*adminv1.ResourceDiff{{
			Kind: 99, Id: hostile, Action: 99,
			Values: []*adminv1.ValueDiff{
				{Path: hostile, Before: hostile, After: hostile},
				{Path: long, Before: long + "x", After: long + "y"},
				{Path: "ranges", Before: "no JSON", After: "[]"},
			},
		}},
		Layers:     []*adminv1.LayerMoves{{LayerId: hostile, Moves: []*adminv1.Move{{FromVid: -1, Slots: -5}}}},
		Parameters: []*adminv1.ParameterChange{{Service: hostile, Path: long, Before: hostile, After: long}},
		SharedParameters: []*adminv1.SharedParameter{
			{Service: long, Path: hostile, LayerIds: []string{hostile, long}},
		},
		HiddenParameters: []*adminv1.HiddenParameter{{LayerId: hostile, Path: long, HiddenBy: []string{hostile}, Share: 1}},
		Warnings:         []*adminv1.Warning{{Code: 99, Message: hostile + " " + long, LayerId: hostile}},
	}
}

func TestNothingReachesTheTerminal(t *testing.T) {
	t.Parallel()
	names := []string{hostile, strings.Repeat("long", 100)}
	for name, write := range map[string]func(io.Writer) error{
		"plan":  func(w io.Writer) error { return PlanText{Title: hostile}.Write(w, hostilePlan()) },
		"layer": func(w io.Writer) error { return Layer(w, hostileLayer(names)) },
		"layers": func(w io.Writer) error {
			return Layers(w, []*adminv1.Layer{hostileLayer(names)})
		},
		"experiment": func(w io.Writer) error { return Experiment(w, hostileExperiment(names)) },
		"experiments": func(w io.Writer) error {
			return Experiments(w, []*adminv1.Experiment{hostileExperiment(names)})
		},
		"environment": func(w io.Writer) error {
			return Environment(w, &adminv1.Environment{Name: hostile, Description: hostile, Checksum: hostile, Floor: 3})
		},
		"environments": func(w io.Writer) error {
			return Environments(w, []*adminv1.Environment{{Name: hostile, Description: names[1]}})
		},
		"revision": func(w io.Writer) error {
			return Revision(w, hostile, &adminv1.Revision{
				Author: hostile, Message: hostile, OriginEnvironment: hostile, Hash: hostile, Checksum: hostile, ParentHash: hostile,
			}, hostilePlan())
		},
		"revisions": func(w io.Writer) error {
			return Revisions(w, []*adminv1.Revision{{Author: hostile, Message: names[1], OriginEnvironment: hostile}})
		},
		"service": func(w io.Writer) error {
			return Service(w, &adminv1.Service{
				Service: hostile, Description: hostile, Owners: names, Tags: names, SchemaJson: `{"a":"` + hostile + `"}`,
			})
		},
		"service without a schema": func(w io.Writer) error { return Service(w, &adminv1.Service{SchemaJson: hostile}) },
		"services": func(w io.Writer) error {
			return Services(w, []*adminv1.Service{{Service: hostile, Description: names[1], Owners: names, SchemaJson: hostile}})
		},
		"fields": func(w io.Writer) error { return Fields(w, []*configv1.Field{{Name: hostile, Type: 99}}) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var b bytes.Buffer
			if err := write(&b); err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(b.String()) {
				line = strings.TrimSuffix(line, "\n")
				if strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }) {
					t.Errorf("not printable: %q", line)
				}
				if strings.HasSuffix(line, " ") {
					t.Errorf("ends with a blank: %q", line)
				}
			}
		})
	}
}

func hostileLayer(names []string) *adminv1.Layer {
	return &adminv1.Layer{
		LayerId: hostile, Description: hostile, HashKey: hostile, Salt: hostile, Version: hostile, Service: hostile, Owners: names, Tags: names,
		Ranges: []*configv1.Range{{Start: -5, End: 20000, Vid: 1}, {Start: 5, End: 3, Vid: -7}},
		Usage:  &adminv1.SlotUsage{Reserved: []*adminv1.ReservedSlots{{Start: -1, End: 1 << 30}}},
	}
}

func hostileExperiment(names []string) *adminv1.Experiment {
	deep := &configv1.Rule{Op: configv1.Operator_OPERATOR_EQ, Field: hostile, Values: []*configv1.Value{{Kind: &configv1.Value_StringValue{StringValue: hostile}}, {}}}
	for range 90 {
		deep = &configv1.Rule{Op: 99, Children: []*configv1.Rule{deep}}
	}
	e := &adminv1.Experiment{
		Name: hostile, Description: hostile, Hypothesis: hostile, Service: hostile, LayerId: hostile, Owners: names, Tags: names, State: 99, Rule: deep,
	}
	for i := range 30 {
		e.Variants = append(e.Variants, &configv1.Variant{Vid: int32(i), ParamsJson: hostile})
	}
	e.Variants[0].ParamsJson = `{"a": "` + "\u202e" + `", "b": [` + strings.Repeat("1,", 50) + `1]}`
	return e
}

func TestTablesFit(t *testing.T) {
	t.Parallel()
	word := strings.Repeat("wide ", 20)
	var b bytes.Buffer
	for _, write := range []func(io.Writer) error{
		func(w io.Writer) error {
			return Layers(w, []*adminv1.Layer{{LayerId: word, HashKey: word, Service: word, Owners: []string{word}}})
		},
		func(w io.Writer) error {
			return Experiments(w, []*adminv1.Experiment{{Eid: 1 << 30, Name: word, Service: word, LayerId: word, Owners: []string{word}}})
		},
		func(w io.Writer) error {
			return Environments(w, []*adminv1.Environment{{Name: word, Description: word}})
		},
		func(w io.Writer) error {
			return Revisions(w, []*adminv1.Revision{{Revision: 1 << 30, Author: word, Message: word, OriginEnvironment: word}})
		},
		func(w io.Writer) error {
			return PlanText{Title: "t"}.Write(w, &adminv1.Plan{
				Checksum:         "c",
				Resources:        []*adminv1.ResourceDiff{{Values: []*adminv1.ValueDiff{{Path: word, Before: word, After: word}}}},
				Parameters:       []*adminv1.ParameterChange{{Service: word, Path: word, Before: word, After: word}},
				SharedParameters: []*adminv1.SharedParameter{{Service: word, Path: word, LayerIds: []string{word}}},
				HiddenParameters: []*adminv1.HiddenParameter{{LayerId: word, Path: word, HiddenBy: []string{word}}},
			})
		},
	} {
		if err := write(&b); err != nil {
			t.Fatal(err)
		}
	}
	for line := range strings.Lines(b.String()) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > lineWidth {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}

func TestDraw(t *testing.T) {
	t.Parallel()
	dots := func(n int) string { return strings.Repeat("·", n) }
	ranges := func(numbers ...int32) []*configv1.Range {
		var all []*configv1.Range
		for i := 0; i < len(numbers); i += 3 {
			all = append(all, &configv1.Range{Start: numbers[i], End: numbers[i+1], Vid: numbers[i+2]})
		}
		return all
	}
	for _, test := range []struct {
		name   string
		ranges []*configv1.Range
		want   string
	}{
		{"nothing", nil, dots(50)},
		{"everything", ranges(0, 10000, 7), strings.Repeat("A", 50)},
		{"smallest id first", ranges(0, 200, 9, 200, 400, 7), "BA" + dots(48)},
		{"one slot is seen", ranges(9999, 10000, 7), dots(49) + "a"},
		{"parts", ranges(100, 400, 7), "aA" + dots(48)},
		{"most of a cell", ranges(0, 50, 7, 50, 200, 9), "b" + dots(49)},
		{"as much each", ranges(0, 100, 9, 100, 200, 7), "a" + dots(49)},
		{"beyond the slots", ranges(-10, 200, 7, 9800, 20000, 7), "A" + dots(48) + "A"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := slotsOf(test.ranges)
			if got := lettersFor(s).draw(s); got != "["+test.want+"]" {
				t.Errorf("got  %s\nwant [%s]", got, test.want)
			}
		})
	}
	many := new(slots)
	for i := range int32(50) {
		many.fill(i*200, (i+1)*200, i+1)
	}
	if got, want := lettersFor(many).draw(many), "[ABCDEFGHIJKLMNOPQRSTUVWXYZ"+strings.Repeat("#", 24)+"]"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	var b bytes.Buffer
	lettersFor(many).legend(&b, "", "#")
	if !strings.Contains(b.String(), "Z 26, # 24 others\n") {
		t.Error(b.String())
	}
	if got := changes(slotsOf(ranges(0, 200, 7)), slotsOf(ranges(0, 199, 7, 400, 401, 9))); got != " ^ ^" {
		t.Errorf("got %q", got)
	}
}

func TestLayerListsAllSlots(t *testing.T) {
	t.Parallel()
	l := &adminv1.Layer{
		Ranges: []*configv1.Range{{Start: 5000, End: 6000, Vid: 2}, {Start: 0, End: 1000, Vid: 1}},
		Usage:  &adminv1.SlotUsage{Reserved: []*adminv1.ReservedSlots{{Start: 1000, End: 2000, Eid: 3, Vid: 4}}},
	}
	at := int32(0)
	var uses []string
	for _, p := range parts(l) {
		if p.start != at || p.end <= p.start {
			t.Errorf("%+v begins at %d", p, at)
		}
		at = p.end
		uses = append(uses, p.use)
	}
	want := []string{"variant 1", "held for variant 4, experiment 3", "free", "variant 2", "free"}
	if at != 10000 || !reflect.DeepEqual(uses, want) {
		t.Errorf("up to %d: %q", at, uses)
	}
}

func TestContrastShowsTheDifference(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 50)
	for _, test := range []struct{ a, b, wantA, wantB string }{
		{"1", "2", "1", "2"},
		{long, "", long[:19] + "…", ""},
		{long + "1", long + "2", "…xxxxxxxx1", "…xxxxxxxx2"},
		{"1" + long, "2" + long, "1" + long[:18] + "…", "2" + long[:18] + "…"},
		{long, long + "2", "…xxxxxxxx", "…xxxxxxxx2"},
		{long + "1" + long, long + "2" + long, "…xxxxxxxx1xxxxxxxxx…", "…xxxxxxxx2xxxxxxxxx…"},
	} {
		if a, b := contrast(test.a, test.b, 20); a != test.wantA || b != test.wantB {
			t.Errorf("%s and %s: got %s and %s, want %s and %s", test.a, test.b, a, b, test.wantA, test.wantB)
		}
	}
}

func TestShareIsNeverRoundedToNothingOrAll(t *testing.T) {
	t.Parallel()
	for of, want := range map[float64]string{
		0: "0 %", 1: "100 %", 0.5: "50 %", 0.12345: "12.35 %", 0.1: "10 %", 0.00001: "under 0.01 %", 0.999999: "over 99.99 %",
	} {
		if got := share(of); got != want {
			t.Errorf("%v: got %s, want %s", of, got, want)
		}
	}
}

func TestPercentIsExact(t *testing.T) {
	t.Parallel()
	for slots, want := range map[int32]string{
		0: "0 %", 1: "0.01 %", 10: "0.1 %", 100: "1 %", 1000: "10 %", 1050: "10.5 %", 3333: "33.33 %", 10000: "100 %",
	} {
		if got := percent(slots); got != want {
			t.Errorf("%d: got %s, want %s", slots, got, want)
		}
	}
}

func TestDuration(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0s", 24 * time.Hour: "1 day", 7 * 24 * time.Hour: "7 days", 36 * time.Hour: "36h", 90 * time.Minute: "1h30m", 5 * time.Second: "5s",
	} {
		if got := duration(durationpb.New(d)); got != want {
			t.Errorf("%s: got %s, want %s", d, got, want)
		}
	}
}

// TestYAMLSaysWhatJSONSays reads back what was written.
func TestYAMLSaysWhatJSONSays(t *testing.T) {
	t.Parallel()
	values := []any{
		"", " ", "a", "a b", "a: b", "- a", "#", "yes", "No", "on", "y", "null", "~", "true", "1", "1.5", "0x1f", "1e3", ".inf", "<<", "=",
		"2026-05-01", "a\nb\n", "\ta ", "a\u0085b\u2028c", hostile, "\ufeff", "🙂", strings.Repeat("long and wide ", 40), "\"'\\", "%a", "@a", "`a",
		"&a", "*a", "!a", "|", ">", "?", "a #b", "[a]", "{a}", "infinity", "nan", "12:30:45", "_1", "e1",
	}
	object := map[string]any{"list": values, "empty list": []any{}, "empty": map[string]any{}, "null": nil, "bool": true, "number": 1.5, "large": 1e300}
	for _, v := range values {
		object["key "+v.(string)] = v
		object[v.(string)] = 1.0
	}
	text, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := JSONAsYAML(&b, text); err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := yaml.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatalf("%v in\n%s", err, b.String())
	}
	again, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	if string(again) != string(text) {
		t.Errorf("got  %s\nwant %s", again, text)
	}
}

func TestJSONIsStable(t *testing.T) {
	t.Parallel()
	m := &adminv1.RevisionServiceApplyResponse{Revision: 8, Plan: &adminv1.Plan{Layers: []*adminv1.LayerMoves{{LayerId: "a", Moves: []*adminv1.Move{{ToVid: 1}}}}}}
	const want = `{
  "revision": "8",
  "plan": {
    "base_revision": "0",
    "base_checksum": "",
    "checksum": "",
    "resources": [],
    "layers": [
      {
        "layer_id": "a",
        "moves": [
          {
            "from_vid": 0,
            "to_vid": 1,
            "slots": 0
          }
        ],
        "slots_unchanged": 0,
        "rehashed": false
      }
    ],
    "parameters": [],
    "shared_parameters": [],
    "hidden_parameters": [],
    "warnings": []
  }
}
`
	for range 10 {
		var b bytes.Buffer
		if err := JSON(&b, proto.Clone(m)); err != nil || b.String() != want {
			t.Fatalf("%v\n%s", err, b.String())
		}
	}
}
