package manifest_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/strata-exp/strata/internal/manifest"
)

// TestDocumentsAsFolders has the same documents in folders and in a store: what
// they say and what is wrong with them is the same.
func TestDocumentsAsFolders(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"good", "broken", "refused"} {
		root := "testdata/" + name
		documents := manifest.NewDocuments(root + "/")
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			text, err := os.ReadFile(path)
			documents.Put(filepath.ToSlash(path), string(text))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		inFolder, wantErr := manifest.NewLoader(manifest.In(root)).Load()
		inStore, err := documents.Load()
		if fmt.Sprint(err) != filepath.ToSlash(fmt.Sprint(wantErr)) {
			t.Errorf("%s: got\n%v\nwant\n%v", name, err, wantErr)
		}
		if wantErr != nil {
			continue
		}
		_, wantErr = inFolder.Compile(nil, 1)
		if _, err = inStore.Compile(nil, 1); fmt.Sprint(err) != filepath.ToSlash(fmt.Sprint(wantErr)) {
			t.Errorf("%s: got\n%v\nwant\n%v", name, err, wantErr)
		}
	}
}

func loadDocuments(t *testing.T, d *manifest.Documents) *manifest.Set {
	t.Helper()
	set, err := d.Load()
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func TestDocumentsShareWhatDidNotChange(t *testing.T) {
	t.Parallel()
	d := manifest.NewDocuments("s/")
	d.Put("s/layers/a.json", layer("a", 1))
	d.Put("s/layers/b.json", layer("b", 1))
	d.Put("s/experiments/1.json", experimentOne)
	d.Put("s/fields.json", `{"age": "int"}`)
	first := loadDocuments(t, d)
	d.Put("s/layers/b.json", layer("b", 1))
	d.Delete("s/layers/none.json")
	for _, key := range []string{
		"s/layers/.a.json", "s/layers/a.txt", "s/layers/deep/a.json", "s/a.json", "s/other/a.json", "s/layers/",
		"layers/a.json", "s/fields.txt", "s/layers", "", "s/x/fields.json",
	} {
		d.Put(key, "nonsense")
	}
	if loadDocuments(t, d) != first {
		t.Error("nothing changed, and the Set is another one")
	}
	d.Put("s/layers/b.json", layer("b", 2))
	second := loadDocuments(t, d)
	if second.Snapshot.GetLayers()[0] != first.Snapshot.GetLayers()[0] || second.Snapshot.GetFields()[0] != first.Snapshot.GetFields()[0] ||
		second.Snapshot.GetExperiments()[0] != first.Snapshot.GetExperiments()[0] {
		t.Error("a document that did not change was read again")
	}
	if got := second.Snapshot.GetLayers()[1].GetPriority(); got != 2 {
		t.Errorf("priority %d after a change", got)
	}
	d.Put("s/layers/b.json", "{")
	if _, err := d.Load(); !errors.As(err, new(manifest.Faults)) {
		t.Errorf("got %v", err)
	}
	d.Replace(map[string]string{"s/layers/a.json": layer("a", 1), "s/layers/0.json": layer("0", 3)})
	third := loadDocuments(t, d)
	if got := third.Snapshot.GetLayers(); len(got) != 2 || got[0].GetLayerId() != "0" || got[1] != first.Snapshot.GetLayers()[0] ||
		len(third.Snapshot.GetExperiments()) != 0 || third.FieldsFile() != "" || third.LayerFile(0) != "s/layers/0.json" {
		t.Errorf("got %v", third.Snapshot)
	}
}

func TestDocumentsFaults(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		texts map[string]string
		want  string
	}{
		{nil, "s/: no documents are there: want layers/, experiments/ or a file of fields under this prefix"},
		{map[string]string{"s/README.md": "x", "t/layers/a.json": "{}"}, "s/: no documents are there: want layers/, experiments/ or a file of fields under this prefix"},
		{map[string]string{"s/fields.yml": "{}", "s/fields.json": "{}"}, "s/fields.yml: there is a fields.json as well; want one file of fields"},
		{map[string]string{"s/layers/a.yaml": "", "s/experiments/1.yaml": "1"}, "s/experiments/1.yaml:1: want an object, got a number\ns/layers/a.yaml: is empty"},
		{map[string]string{"s/layers/a.json": strings.Repeat(" ", manifest.MaxFileBytes+1)}, "s/layers/a.json: is larger than 4 MiB"},
		{map[string]string{"s/fields.yaml": "{}"}, ""},
	} {
		d := manifest.NewDocuments("s/")
		d.Replace(test.texts)
		for range 2 { // read, and remembered
			set, err := d.Load()
			if (set != nil) != (test.want == "") || err != nil && err.Error() != test.want {
				t.Errorf("got %v and\n%v\nwant\n%s", set, err, test.want)
			}
		}
	}
}
