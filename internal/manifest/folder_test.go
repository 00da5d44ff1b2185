package manifest_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	"github.com/strata-exp/strata/internal/manifest"
)

// names returns what WriteFolder reports, without the folder's own path.
func (f folder) names(all []string) string {
	names := make([]string, len(all))
	for i, name := range all {
		inside, err := filepath.Rel(f.path, name)
		if err != nil {
			f.t.Fatal(err)
		}
		names[i] = filepath.ToSlash(inside)
	}
	return strings.Join(names, " ")
}

// put writes a set and checks what is reported.
func (f folder) put(set *manifest.Set, removeStale bool, written, stale string) {
	f.t.Helper()
	changes, err := manifest.WriteFolder(f.path, set, removeStale)
	if err != nil {
		f.t.Fatal(err)
	}
	if got := f.names(changes.Written); got != written {
		f.t.Errorf("wrote %s, want %s", got, written)
	}
	if got := f.names(changes.Stale); got != stale {
		f.t.Errorf("stale are %s, want %s", got, stale)
	}
}

func (f folder) text(name string) string {
	f.t.Helper()
	data, err := os.ReadFile(f.join(name))
	if err != nil {
		f.t.Fatal(err)
	}
	return string(data)
}

func layers(ids ...string) *manifest.Set {
	s := &configv1.Snapshot{}
	for _, id := range ids {
		s.Layers = append(s.Layers, &configv1.Layer{LayerId: id, HashKey: "k", Salt: "s", Enabled: true})
	}
	return manifest.NewSet(s, nil, nil)
}

func TestWriteFolderKeepsWhatIsThere(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	const commented = "# by hand\nlayer_id: a\npriority: 1\nhash_key: k\nsalt: s\nranges: []\n"
	f.write("layers/of_a.yaml", commented)
	f.write("layers/of_b.json", layer("b", 1))
	f.write("experiments/one.yml", experimentOne)
	f.write("fields.json", `{"x": "int", "y": "bool"}`)
	f.write("README.md", "by hand")
	f.write("layers/notes.txt", "by hand")
	f.write("layers/.hidden.yaml", "by hand")
	set := read(t, f.path)
	f.put(set, true, "", "")

	s := set.Snapshot
	changed := manifest.NewSet(&configv1.Snapshot{
		Layers: []*configv1.Layer{
			{LayerId: "c", HashKey: "k", Salt: "s"},
			{LayerId: "b", Version: "v2", HashKey: "k", Salt: "s", Enabled: true},
			s.GetLayers()[0],
		},
		Experiments: []*configv1.Experiment{{Eid: 2, Service: "s"}},
		Fields:      []*configv1.Field{s.GetFields()[1], s.GetFields()[0]},
	}, nil, nil)
	f.put(changed, false, "layers/of_b.json layers/c.yaml experiments/2.yaml", "experiments/one.yml")
	if got := f.text("layers/of_a.yaml"); got != commented {
		t.Errorf("a file that said the same is now\n%s", got)
	}
	if got := f.text("layers/of_b.json"); !strings.HasPrefix(got, "{\n  \"layer_id\": \"b\",\n  \"version\": \"v2\",\n") {
		t.Errorf("a file of JSON is now\n%s", got)
	}
	if got := f.text("layers/c.yaml"); got != "layer_id: c\npriority: 0\nhash_key: k\nsalt: s\nenabled: false\nranges: []\n" {
		t.Errorf("got\n%s", got)
	}
	if got := f.text("experiments/one.yml"); got != experimentOne {
		t.Errorf("a file that is stale is now\n%s", got)
	}
	f.put(changed, false, "", "experiments/one.yml")
	changed.Snapshot.GetExperiments()[0].Variants = []*configv1.Variant{{Vid: 1, ParamsJson: `{"a":1}`}}
	f.put(changed, false, "experiments/2.yaml", "experiments/one.yml")
	changed.Snapshot.GetExperiments()[0].Variants[0].ParamsJson = `{"a":2}`
	f.put(changed, false, "experiments/2.yaml", "experiments/one.yml")
	f.put(changed, true, "", "experiments/one.yml")
	f.put(changed, true, "", "")
	for _, name := range []string{"README.md", "layers/notes.txt", "layers/.hidden.yaml"} {
		if f.text(name) != "by hand" {
			t.Errorf("%s was changed", name)
		}
	}

	f.put(manifest.NewSet(changed.Snapshot, []manifest.Notes{{}, {Tags: []string{"new"}}, {}}, nil), true, "layers/of_b.json", "")
	if got := read(t, f.path).LayerNotes(2).Tags; !slices.Equal(got, []string{"new"}) {
		t.Errorf("got the tags %q", got)
	}
	f.put(manifest.NewSet(&configv1.Snapshot{}, nil, nil), true, "",
		"fields.json layers/c.yaml layers/of_a.yaml layers/of_b.json experiments/2.yaml")
	if got := read(t, f.path); len(got.Snapshot.GetLayers())+len(got.Snapshot.GetExperiments()) > 0 || got.FieldsFile() != "" {
		t.Errorf("got %v", got.Snapshot)
	}
}

func TestWriteFolderOfOneTwice(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	f.write("layers/x.json", layer("a", 1))
	f.write("layers/y.json", layer("a", 2))
	f.put(layers("a"), true, "layers/x.json", "layers/y.json")
	_, err := manifest.WriteFolder(f.path, layers("b", "a", "b"), true)
	if err == nil || err.Error() != "layers[2]: stands twice: the id must be unique" {
		t.Errorf("got %v", err)
	}
}

func TestFileNames(t *testing.T) {
	t.Parallel()
	ids := []string{
		"a", "ranker_model.v2", "A", "b~2", "a/b", "a\\b", "..", ".", "", ".hidden", "-rf", "../../etc/passwd", "/etc/passwd", "a\x00b", "a\nb",
		"con", "NUL.x", "com1", "lpt9.a", "é", "e\u0301", "\u202e", "a ", "a.", "a:b", "a*", strings.Repeat("x", 100), strings.Repeat("x", 101),
		strings.Repeat("x", 256), strings.Repeat("\U0001f600", 64),
	}
	f := folder{t, filepath.Join(t.TempDir(), "new")}
	set := layers(ids...)
	if _, err := manifest.WriteFolder(f.path, set, false); err != nil {
		t.Fatal(err)
	}
	got := read(t, f.path)
	sameSet(t, byID(got), byID(set))
	var names strings.Builder
	seen := map[string]bool{}
	for i, l := range got.Snapshot.GetLayers() {
		name := filepath.Base(got.LayerFile(i))
		if seen[strings.ToLower(name)] || len(name) > 150 || filepath.Dir(got.LayerFile(i)) != f.join("layers") {
			t.Errorf("%q is in %q", l.GetLayerId(), got.LayerFile(i))
		}
		seen[strings.ToLower(name)] = true
		names.WriteString(name + "\n")
	}
	golden(t, "testdata/names.golden", names.String())

	// Other layers do not move those that are there, and their order says nothing.
	slices.Reverse(ids)
	f.put(layers(append(ids, "B~2", "RANKER_MODEL.V2")...), true, "layers/B_2~5057af6b40702298.yaml layers/RANKER_MODEL_V2~3e7c3a8ed0ae54e3.yaml", "")
	again := folder{t, t.TempDir()}
	if _, err := manifest.WriteFolder(again.path, layers(ids...), false); err != nil {
		t.Fatal(err)
	}
	for name := range strings.Lines(names.String()) {
		again.text("layers/" + strings.TrimSpace(name))
	}
}

func TestWriteFolderRefuses(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		prepare func(f folder)
		want    string
	}{
		"a folder of something else": {
			func(f folder) { f.remove("layers"); f.remove("experiments"); f.write("main.go", "x") },
			".: is not empty, and has no layers/, no experiments/, no services/ and no file of fields",
		},
		"a file at fault": {
			func(f folder) { f.write("layers/a.yaml", "layer_id: a") },
			"layers/a.yaml:1: priority: is missing\nlayers/a.yaml:1: hash_key: is missing\nlayers/a.yaml:1: ranges: is missing\n" +
				"layers/a.yaml:1: salt: is missing, and without a version it can not be {layer_id}_{version}",
		},
		"a file as a folder": {
			func(f folder) { f.remove("layers"); f.write("layers", "") },
			"layers: the folder of layers can not be read: not a directory",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFolder(t)
			test.prepare(f)
			before := tree(t, f.path)
			_, err := manifest.WriteFolder(f.path, layers("a"), true)
			if !errors.As(err, new(manifest.Faults)) {
				t.Fatalf("got %v, want faults", err)
			}
			got := strings.ReplaceAll(filepath.ToSlash(err.Error()), filepath.ToSlash(f.path)+"/", "")
			if got = strings.ReplaceAll(got, filepath.ToSlash(f.path), "."); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
			if after := tree(t, f.path); after != before {
				t.Errorf("got\n%s\nwant\n%s", after, before)
			}
		})
	}
}

func TestWriteFolderNowhere(t *testing.T) {
	t.Parallel()
	if changes, err := manifest.WriteFolder("", layers("a"), false); err == nil || err.Error() != "no folder is given" {
		t.Errorf("got %v, %v", changes, err)
	}
}

// What can not be written as a whole is not written at all.
func TestWriteFolderAllOrNothing(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	f.write("layers/a.json", layer("a", 1))
	before := tree(t, f.path)
	set := layers("b", "a", "c")
	set.Snapshot.GetLayers()[2].Salt = "\xff"
	_, err := manifest.WriteFolder(f.path, set, true)
	if err == nil || err.Error() != "layers[2].salt: is not valid UTF-8" {
		t.Errorf("got %v", err)
	}
	if after := tree(t, f.path); after != before {
		t.Errorf("got\n%s\nwant\n%s", after, before)
	}

	// The second text can not be written: a folder is in the way.
	f.write("experiments/.strata-1.tmp/x", "")
	before = tree(t, f.path)
	set = manifest.NewSet(&configv1.Snapshot{
		Layers:      layers("b").Snapshot.GetLayers(),
		Experiments: []*configv1.Experiment{{Eid: 1, Service: "s"}},
	}, nil, nil)
	if changes, err := manifest.WriteFolder(f.path, set, true); err == nil {
		t.Errorf("got %v, want an error", changes)
	}
	if after := tree(t, f.path); after != before {
		t.Errorf("got\n%s\nwant\n%s", after, before)
	}
}

// A text that was left behind, or put there, is never written through.
func TestWriteFolderOverLeftovers(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	f.write("precious", "x")
	f.link("layers/.strata-0.tmp", "../precious")
	f.put(layers("a"), false, "layers/a.yaml", "")
	if f.text("precious") != "x" {
		t.Error("a file elsewhere was written")
	}
	if info, err := os.Lstat(f.join("layers/a.yaml")); err != nil || !info.Mode().IsRegular() {
		t.Errorf("got %v, %v", info, err)
	}
}
