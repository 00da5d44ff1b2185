package main

import (
	"encoding/json"
	"strings"
	"testing"
)

const examples = "../../examples/configs"

func TestLintSessions(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"lint_examples":        {"lint", examples},
		"lint_examples_strict": {"lint", examples, "--strict"},
		"lint_clean":           {"lint", "testdata/shop", "--strict"},
		"lint_warned":          {"lint", "testdata/warned"},
		"lint_warned_json":     {"lint", "testdata/warned", "-o", "json"},
		"lint_undeclared":      {"lint", "testdata/undeclared"},
		"lint_misread":         {"lint", "testdata/misread"},
		"lint_refused":         {"lint", "testdata/refused"},
		"lint_schemas":         {"lint", "testdata/schemas"},
		"lint_refused_json":    {"lint", "testdata/refused", "-o", "json"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			goldenSession(t, name, args...)
		})
	}
}

func TestLintJSONHasTheDocumentedKeys(t *testing.T) {
	t.Parallel()
	for folder, wantCode := range map[string]int{"shop": 0, "warned": 0, "misread": 1, "refused": 1} {
		t.Run(folder, func(t *testing.T) {
			t.Parallel()
			exitCode, stdout, _ := strata(t, "", "lint", "testdata/"+folder, "-o", "json")
			if exitCode != wantCode {
				t.Errorf("exit code %d, want %d", exitCode, wantCode)
			}
			var report struct {
				Faults, Warnings              *[]map[string]any
				Layers, Experiments, Variants *int
			}
			decoder := json.NewDecoder(strings.NewReader(stdout))
			decoder.DisallowUnknownFields()
			if err := decoder.Decode(&report); err != nil {
				t.Fatal(err)
			}
			if report.Faults == nil || report.Warnings == nil || report.Layers == nil ||
				report.Experiments == nil || report.Variants == nil {
				t.Fatalf("a key is missing in\n%s", stdout)
			}
			if got := len(*report.Faults) > 0; got != (wantCode == 1) {
				t.Errorf("faults %v with exit code %d", *report.Faults, exitCode)
			}
			for _, finding := range append(*report.Faults, *report.Warnings...) {
				for _, key := range []string{"file", "line", "path", "problem"} {
					if _, ok := finding[key]; !ok {
						t.Errorf("%v has no %s", finding, key)
					}
				}
			}
		})
	}
}

func TestConflictsFindWholeValuesAndObjects(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, a, b string
		want       string
	}{
		{"other keys", `{"x": 1}`, `{"y": 1}`, ""},
		{"same key", `{"x": 1}`, `{"x": 1}`, "/x"},
		{"objects are merged", `{"x": {"y": 1}}`, `{"x": {"z": 1}}`, ""},
		{"same key within", `{"x": {"y": 1}}`, `{"x": {"y": null}}`, "/x/y"},
		{"whole value above object", `{"x": 1}`, `{"x": {"y": 1}}`, "/x"},
		{"object above whole value", `{"x": {"y": 1}}`, `{"x": 1}`, "/x"},
		{"empty objects", `{"x": {}}`, `{"x": {}}`, ""},
		{"lists are whole", `{"x": [1]}`, `{"x": [2]}`, "/x"},
		{"escapes", `{"a/b~": 1}`, `{"a/b~": 2}`, "/a~1b~0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			layers := []tiedLayer{{id: "b", vids: []int32{2}}, {id: "a", vids: []int32{1}}}
			var got []string
			for _, c := range conflicts(layers, map[int32]string{1: test.a, 2: test.b}) {
				if c.above.id != "a" || c.below.id != "b" {
					t.Errorf("%s above %s", c.above.id, c.below.id)
				}
				got = append(got, c.paths...)
			}
			if strings.Join(got, " ") != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestFolderMustBeAConfiguration(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		args []string
		want string
	}{
		{"no folder", nil, "want one folder, got 0: strata lint DIR"},
		{"two folders", []string{"testdata/shop", "testdata/warned"}, "want one folder, got 2"},
		{"absent", []string{"testdata/nope"}, "testdata/nope does not exist: want a folder that has layers/ and experiments/"},
		{"file", []string{"lint.go"}, "lint.go is a file: want a folder"},
		{"wrong folder", []string{"testdata"}, "testdata has no layers/ and no experiments/: want a folder"},
		{"half a folder", []string{"testdata/halved"}, "testdata/halved has no experiments/: want a folder"},
		{"format", []string{"testdata/shop", "-o", "xml"}, `"-o, --output" flag: want table or json`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			exitCode, stdout, stderr := strata(t, "", append([]string{"lint"}, test.args...)...)
			if exitCode != 1 || stdout != "" || !strings.Contains(stderr, test.want) {
				t.Errorf("exit code %d, standard output %q, standard error %q, want 1, none, and %q",
					exitCode, stdout, stderr, test.want)
			}
		})
	}
}
