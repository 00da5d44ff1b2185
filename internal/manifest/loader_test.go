package manifest_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/strata-exp/strata/internal/manifest"
)

// folder is a configuration in a folder of its own. All that is written to it
// has one time of modification, so that no test leans on the clock.
type folder struct {
	t    *testing.T
	path string
}

var written = time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)

func newFolder(t *testing.T) folder {
	t.Helper()
	f := folder{t, t.TempDir()}
	for _, name := range []string{"layers", "experiments"} {
		if err := os.Mkdir(f.join(name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

func (f folder) join(name string) string { return filepath.Join(f.path, filepath.FromSlash(name)) }

func (f folder) write(name, text string) {
	f.t.Helper()
	if err := os.MkdirAll(filepath.Dir(f.join(name)), 0o700); err != nil {
		f.t.Fatal(err)
	}
	if err := os.WriteFile(f.join(name), []byte(text), 0o600); err != nil {
		f.t.Fatal(err)
	}
	f.age(name, 0)
}

// age moves a file's time of modification.
func (f folder) age(name string, by time.Duration) {
	f.t.Helper()
	if err := os.Chtimes(f.join(name), written, written.Add(by)); err != nil {
		f.t.Fatal(err)
	}
}

func (f folder) link(name, target string) {
	f.t.Helper()
	if err := os.Symlink(target, f.join(name)); err != nil {
		f.t.Fatal(err)
	}
}

func (f folder) rename(from, to string) {
	f.t.Helper()
	if err := os.Rename(f.join(from), f.join(to)); err != nil {
		f.t.Fatal(err)
	}
}

func (f folder) remove(name string) {
	f.t.Helper()
	if err := os.RemoveAll(f.join(name)); err != nil {
		f.t.Fatal(err)
	}
}

func (f folder) loader() *manifest.Loader { return manifest.NewLoader(manifest.In(f.path)) }

func load(t *testing.T, l *manifest.Loader) *manifest.Set {
	t.Helper()
	set, err := l.Load()
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// refused loads what must not load, and returns the faults without the folder's
// own path.
func (f folder) refused(l *manifest.Loader) string {
	f.t.Helper()
	set, err := l.Load()
	if set != nil || err == nil {
		f.t.Fatalf("loaded %v", set)
	}
	if !errors.As(err, new(manifest.Faults)) {
		f.t.Fatalf("got a %T, want Faults", err)
	}
	return strings.ReplaceAll(filepath.ToSlash(err.Error()), filepath.ToSlash(f.path)+"/", "")
}

func layer(id string, priority int) string {
	return fmt.Sprintf(`{"layer_id": %q, "version": "v1", "priority": %d, "hash_key": "user_id", "ranges": []}`, id, priority)
}

const experimentOne = `{"eid": 1, "service": "s", "variants": [{"vid": 1, "params": {}}]}`

func TestLoadGoodFolder(t *testing.T) {
	t.Parallel()
	set := load(t, manifest.NewLoader(manifest.In("testdata/good")))
	ruleset, err := set.Compile(nil, 7)
	if err != nil {
		t.Fatal(err)
	}
	if ruleset.Revision() != 7 || ruleset.Layers() != 2 || ruleset.Experiments() != 2 {
		t.Errorf("got revision %d, %d layers, %d experiments", ruleset.Revision(), ruleset.Layers(), ruleset.Experiments())
	}
	if set.Snapshot.GetRevision() != 0 {
		t.Errorf("the snapshot was given revision %d", set.Snapshot.GetRevision())
	}
	for i, want := range []string{"testdata/good/layers/click.json", "testdata/good/layers/search.yaml"} {
		if got := filepath.ToSlash(set.LayerFile(i)); got != want {
			t.Errorf("layer %d is from %s, want %s", i, got, want)
		}
	}
	for i, want := range []string{"testdata/good/experiments/100.json", "testdata/good/experiments/200.yml"} {
		if got := filepath.ToSlash(set.ExperimentFile(i)); got != want {
			t.Errorf("experiment %d is from %s, want %s", i, got, want)
		}
	}
	if got := filepath.ToSlash(set.FieldsFile()); got != "testdata/good/fields.yaml" {
		t.Errorf("fields are from %s", got)
	}
}

func TestLoadSharesWhatDidNotChange(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	f.write("layers/a.json", layer("a", 1))
	f.write("layers/b.json", layer("b", 1))
	f.write("experiments/1.json", experimentOne)
	f.write("fields.json", `{"age": "int"}`)
	loader := f.loader()
	first := load(t, loader)

	if again := load(t, loader); again != first {
		t.Error("nothing changed, and the Set is another one")
	}

	f.write("layers/b.json", layer("b", 22))
	second := load(t, loader)
	if second == first || second.Snapshot.GetLayers()[1].GetPriority() != 22 {
		t.Error("a change of size was not seen")
	}
	if second.Snapshot.GetLayers()[0] != first.Snapshot.GetLayers()[0] ||
		second.Snapshot.GetExperiments()[0] != first.Snapshot.GetExperiments()[0] ||
		second.Snapshot.GetFields()[0] != first.Snapshot.GetFields()[0] {
		t.Error("a file that did not change was read again")
	}
	if first.Snapshot.GetLayers()[1].GetPriority() != 1 {
		t.Error("an earlier Set changed")
	}

	f.write("layers/b.json", layer("b", 33))
	f.age("layers/b.json", time.Nanosecond)
	third := load(t, loader)
	if third.Snapshot.GetLayers()[1].GetPriority() != 33 {
		t.Error("a change of the time of modification was not seen")
	}

	f.write("layers/new", layer("b", 44))
	f.age("layers/new", time.Nanosecond)
	f.rename("layers/new", "layers/b.json")
	if got := load(t, loader).Snapshot.GetLayers()[1].GetPriority(); got != 44 {
		t.Error("another file in the same place was not seen")
	}

	f.remove("layers/a.json")
	f.remove("fields.json")
	last := load(t, loader)
	if len(last.Snapshot.GetLayers()) != 1 || len(last.Snapshot.GetFields()) != 0 || last.FieldsFile() != "" {
		t.Error("files that are gone are still there")
	}
}

func TestTouch(t *testing.T) {
	t.Parallel()
	for name, touched := range map[string]string{
		"file":           "layers/a.json",
		"folder":         "layers",
		"unclean folder": "layers/./",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFolder(t)
			f.write("layers/a.json", layer("a", 1))
			f.write("experiments/1.json", experimentOne)
			loader := f.loader()
			first := load(t, loader)
			f.write("layers/a.json", layer("a", 2))
			if load(t, loader) != first {
				t.Fatal("a file was read again that looks unchanged")
			}
			loader.Touch(f.path + "/" + touched)
			second := load(t, loader)
			if got := second.Snapshot.GetLayers()[0].GetPriority(); got != 2 {
				t.Errorf("got priority %d after Touch, want 2", got)
			}
			if second.Snapshot.GetExperiments()[0] != first.Snapshot.GetExperiments()[0] {
				t.Error("Touch forgot another file")
			}
		})
	}
}

// Kubernetes mounts a ConfigMap as links through ..data, and changes them all at
// once by pointing ..data elsewhere.
func TestConfigMap(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	f.write("experiments/1.json", experimentOne)
	f.write("layers/..1/a.json", layer("a", 1))
	f.write("layers/..1/b.json", layer("b", 1))
	f.link("layers/..data", "..1")
	f.link("layers/a.json", filepath.Join("..data", "a.json"))
	f.link("layers/b.json", filepath.Join("..data", "b.json"))
	loader := f.loader()
	if got := len(load(t, loader).Snapshot.GetLayers()); got != 2 {
		t.Fatalf("got %d layers, want 2", got)
	}

	f.write("layers/..2/a.json", layer("a", 2))
	f.write("layers/..2/b.json", layer("b", 2))
	f.link("layers/..data_tmp", "..2")
	f.rename("layers/..data_tmp", "layers/..data")
	f.remove("layers/..1")
	for _, l := range load(t, loader).Snapshot.GetLayers() {
		if l.GetPriority() != 2 {
			t.Errorf("layer %s is from before the swap", l.GetLayerId())
		}
	}
}

func TestLoadPassesOver(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	f.write("layers/a.json", layer("a", 1))
	f.write("layers/.a.json.swp", "x")
	f.write("layers/.b.json", "x")
	f.write("layers/a.json~", "x")
	f.write("layers/README.md", "x")
	f.write("layers/json", "x")
	f.write("layers/a.JSON", "x")
	f.write("layers/sub.json/c.json", "x")
	f.link("layers/linked.yaml", "sub.json")
	f.write("fields.json/x", "x")
	set := load(t, f.loader())
	if got := len(set.Snapshot.GetLayers()); got != 1 || set.FieldsFile() != "" {
		t.Errorf("got %d layers and fields from %q", got, set.FieldsFile())
	}
}

func TestLoadFaults(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		prepare func(f folder)
		want    string
	}{
		"no folders": {
			func(f folder) { f.remove("layers"); f.remove("experiments") },
			"experiments: the folder of experiments does not exist\nlayers: the folder of layers does not exist",
		},
		"a file as a folder": {
			func(f folder) { f.remove("layers"); f.write("layers", "") },
			"layers: the folder of layers can not be read: not a directory",
		},
		"a link that leads nowhere": {
			func(f folder) { f.link("layers/a.json", "gone") },
			"layers/a.json: a link that leads nowhere",
		},
		"a link to itself": {
			func(f folder) { f.link("layers/a.json", "a.json") },
			"layers/a.json: can not be read: too many levels of symbolic links",
		},
		"a large file": {
			func(f folder) { f.write("layers/a.json", strings.Repeat(" ", manifest.MaxFileBytes+1)) },
			"layers/a.json: is larger than 4 MiB",
		},
		"two files of fields": {
			func(f folder) { f.write("fields.yml", "{}"); f.write("fields.json", "{}") },
			"fields.yml: there is a fields.json as well; want one file of fields",
		},
		"faults of all files in order": {
			func(f folder) {
				f.write("layers/b.yaml", layer("b", 1)+"\n---\n")
				f.write("layers/a.yaml", "1")
				f.write("experiments/1.json", "\n\n{}")
				f.write("fields.yml", "a: b")
			},
			`experiments/1.json:3: eid: is missing
experiments/1.json:3: service: is missing
experiments/1.json:3: variants: is missing
fields.yml:1: a: want string, int, float, bool or semver, got "b"
layers/a.yaml:1: want an object, got a number
layers/b.yaml:2: a second document; put each into a file of its own`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFolder(t)
			test.prepare(f)
			loader := f.loader()
			for range 2 { // read, and remembered
				if got := f.refused(loader); got != test.want {
					t.Errorf("got\n%s\nwant\n%s", got, test.want)
				}
			}
		})
	}
}

func TestLoadRecovers(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	f.write("layers/a.json", layer("a", 1))
	f.write("layers/b.json", layer("b", 1))
	loader := f.loader()
	first := load(t, loader)
	f.write("layers/b.json", "{")
	if got := f.refused(loader); !strings.HasPrefix(got, "layers/b.json:1: not valid JSON") {
		t.Errorf("got %s", got)
	}
	f.write("layers/b.json", layer("b", 2))
	second := load(t, loader)
	if second.Snapshot.GetLayers()[0] != first.Snapshot.GetLayers()[0] {
		t.Error("the file without a fault was read again")
	}
	if second.Snapshot.GetLayers()[1].GetPriority() != 2 {
		t.Error("the file that was mended is still the old one")
	}
}

func TestPaths(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	f.write("layers/a.json", layer("a", 1))
	f.write("elsewhere.yaml", "age: int\n")
	f.write("fields.json", `{"a": "int", "b": "int"}`)
	for _, test := range []struct {
		paths  manifest.Paths
		fields int
		want   string
	}{
		{manifest.Paths{Layers: f.join("layers") + "/", Experiments: f.join("experiments/.")}, 2, ""},
		{manifest.Paths{Layers: f.join("layers"), Experiments: f.join("experiments"), Fields: f.join("elsewhere.yaml")}, 1, ""},
		{
			manifest.Paths{Layers: f.join("layers"), Experiments: f.join("experiments"), Fields: f.join("none.yaml")},
			0, "none.yaml: the file of fields does not exist",
		},
		{
			manifest.Paths{Layers: f.join("layers"), Experiments: f.join("experiments"), Fields: f.join("layers")},
			0, "layers: want a file of fields, got a folder",
		},
		{manifest.Paths{}, 0, "experiments: no folder is given\nlayers: no folder is given"},
	} {
		loader := manifest.NewLoader(test.paths)
		if test.want != "" {
			if got := f.refused(loader); got != test.want {
				t.Errorf("%v: got %s, want %s", test.paths, got, test.want)
			}
			continue
		}
		set := load(t, loader)
		if len(set.Snapshot.GetLayers()) != 1 || len(set.Snapshot.GetFields()) != test.fields {
			t.Errorf("%v: got %v", test.paths, set.Snapshot)
		}
	}
}

func TestLoaderFromManyGoroutines(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	for i := range 10 {
		f.write(fmt.Sprintf("layers/%d.json", i), layer(strconv.Itoa(i), i))
	}
	loader := f.loader()
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for j := range 20 {
				loader.Touch(f.join(fmt.Sprintf("layers/%d.json", (i+j)%10)))
				if set, err := loader.Load(); err != nil || len(set.Snapshot.GetLayers()) != 10 {
					t.Errorf("got %v, %v", set, err)
				}
			}
		})
	}
	all.Wait()
}
