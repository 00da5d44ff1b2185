package manifest_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/strata-exp/strata/internal/manifest"
)

func TestCompileSharesWithPrevious(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	f.write("layers/a.json", layer("a", 1))
	f.write("experiments/1.json", experimentOne)
	loader := f.loader()
	first, err := load(t, loader).Compile(nil, 1)
	if err != nil {
		t.Fatal(err)
	}
	f.write("layers/b.json", layer("b", 2))
	second, err := load(t, loader).Compile(first, 2)
	if err != nil {
		t.Fatal(err)
	}
	if first.Revision() != 1 || second.Revision() != 2 || first.Layers() != 1 || second.Layers() != 2 {
		t.Errorf("got revisions %d and %d with %d and %d layers",
			first.Revision(), second.Revision(), first.Layers(), second.Layers())
	}
}

// Between Load and Compile a file can change. A line of the new text would lead
// astray.
func TestCompileFaultOfFileChangedSince(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	f.write("layers/a.json", strings.Replace(layer("a", 1), `[]`, `[{"start": 0, "end": 20000, "vid": 1}]`, 1))
	f.write("experiments/1.json", experimentOne)
	loader := f.loader()
	set := load(t, loader)
	compile := func() manifest.Fault {
		t.Helper()
		_, err := set.Compile(nil, 1)
		faults, ok := errors.AsType[manifest.Faults](err)
		if !ok || len(faults) != 1 {
			t.Fatalf("got %v, want one fault", err)
		}
		if faults[0].File != f.join("layers/a.json") || faults[0].Path != "ranges[0].end" {
			t.Errorf("got %v", faults[0])
		}
		return faults[0]
	}
	if got := compile().Line; got != 1 {
		t.Errorf("got line %d, want 1", got)
	}
	f.write("layers/a.json", "\n"+layer("a", 1))
	if got := compile().Line; got != 0 {
		t.Errorf("got line %d, want none", got)
	}
	f.remove("layers/a.json")
	if got := compile().Line; got != 0 {
		t.Errorf("got line %d, want none", got)
	}
}

// An experiment that is compiled again only because a field has another type
// stands in no change, and its faults need a file all the same.
func TestCompileFaultOfFileThatDidNotChange(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	f.write("fields.yaml", "age: int\n")
	f.write("experiments/1.yaml", `
eid: 1
service: s
rule: {type: field, field: age, op: eq, values: [1]}
variants: [{vid: 1, params: {}}]
`)
	loader := f.loader()
	first, err := load(t, loader).Compile(nil, 1)
	if err != nil {
		t.Fatal(err)
	}
	f.write("fields.yaml", "age: float\n")
	f.write("experiments/2.json", `{"eid": 2, "service": "s", "variants": [{"vid": 1, "params": {}}]}`)
	_, err = load(t, loader).Compile(first, 2)
	faults, ok := errors.AsType[manifest.Faults](err)
	if !ok || len(faults) != 1 || !strings.HasSuffix(faults[0].Path, "variants[0].vid") || faults[0].Line == 0 {
		t.Errorf("got %v, want one fault of a vid", err)
	}
}
