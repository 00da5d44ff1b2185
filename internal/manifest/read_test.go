package manifest_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/strata-exp/strata/internal/manifest"
)

func TestRead(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	f.write("both/layers/a.json", layer("a", 1))
	f.write("both/experiments/1.json", experimentOne)
	f.write("both/fields.yml", "a: int")
	f.write("both/README.md", "x")
	f.write("one/layers/a.json", layer("a", 1))
	f.write("other/experiments/1.json", experimentOne)
	f.write("third/fields.json", `{"a": "int"}`)
	f.write("hollow/layers/README.md", "x")
	f.write("nothing/.git/x.yaml", "x")
	f.write("nothing/README.md", "x")
	f.write("bundle.yaml", "layers: [{"+plainLayer+"}]\nexperiments: []\nfields: {a: int}")
	f.link("link.yaml", "bundle.yaml")
	for _, test := range []struct {
		path                        string
		layers, experiments, fields int
	}{
		{"both", 1, 1, 1},
		{"both/", 1, 1, 1},
		{"one", 1, 0, 0},
		{"other", 0, 1, 0},
		{"third", 0, 0, 1},
		{"hollow", 0, 0, 0},
		{"nothing", 0, 0, 0},
		{"layers/..", 0, 0, 0},
		{"one/layers/a.json", 1, 0, 0},
		{"other/experiments/1.json", 0, 1, 0},
		{"third/fields.json", 0, 0, 1},
		{"bundle.yaml", 1, 0, 1},
		{"link.yaml", 1, 0, 1},
	} {
		set, err := manifest.Read(f.path+"/"+test.path, nil)
		if err != nil {
			t.Errorf("%s: %v", test.path, err)
			continue
		}
		s := set.Snapshot
		if len(s.GetLayers()) != test.layers || len(s.GetExperiments()) != test.experiments || len(s.GetFields()) != test.fields {
			t.Errorf("%s: got %v", test.path, s)
		}
	}
}

func TestReadStandardInput(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"layers": [{` + plainLayer + `}]}`:                  "",
		" \n{" + plainExperiment + "}\n":                      "",
		"{layers: []}":                                        "",
		"layers: []":                                          "",
		"# JSON has no comments\n{\"layers\": [],}":           "",
		"{\"layers\": [],\n\"fields\": {\"a\": \"\\u00e9\"}}": `<stdin>:2: fields.a: want string, int, float, bool or semver, got "é"`,
		"{\"layers\": [],\n\"fields\": {]}":                   "<stdin>:2: not valid JSON at column 12: want a key in double quotes",
		"layers: [\n":                                         "<stdin>:1: not valid YAML: did not find expected node content",
		"layers: []\n---\nlayers: []\n":                       "<stdin>:2: a second document; put each into a file of its own",
		"":                                                    "<stdin>: is empty",
		"a: int":                                              "<stdin>:1: want a layer_id",
		"\xff":                                                "<stdin>:1: not valid UTF-8",
		strings.Repeat(" ", manifest.MaxBundleBytes+1): "<stdin>: is larger than 64 MiB",
	} {
		set, err := manifest.Read("-", strings.NewReader(text))
		switch {
		case want == "" && err != nil:
			t.Errorf("%.60q: %v", text, err)
		case want != "" && (set != nil || err == nil || !strings.HasPrefix(err.Error(), want)):
			t.Errorf("%.60q: got %v, want %s", text, err, want)
		}
	}
	_, err := manifest.Read("-", iotest.ErrReader(errors.New("broken pipe")))
	if !errors.As(err, new(manifest.Faults)) || err.Error() != "<stdin>: can not be read: broken pipe" {
		t.Errorf("got %v", err)
	}
}

func TestReadFaults(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	f.write("wrong/a.yaml", "x")
	f.write("broken/layers/a.json", "{")
	f.write("broken/experiments/1.json", "[]")
	f.write("file/layers", "")
	f.write("a.txt", "{}")
	f.write("layers/a.json", layer("a", 1))
	f.link("gone.yaml", "nowhere")
	for path, want := range map[string]string{
		"none":                 "none: does not exist",
		"gone.yaml":            "gone.yaml: does not exist",
		"layers/a.json/x":      "layers/a.json/x: can not be read: not a directory",
		"a.txt":                "a.txt: want a name that ends in .json, .yaml or .yml",
		"broken/layers/a.json": "broken/layers/a.json:1: not valid JSON at column 2: the text ends too early: want }",
		"broken": "broken/experiments/1.json:1: want an object, got a list\n" +
			"broken/layers/a.json:1: not valid JSON at column 2: the text ends too early: want }",
		"file":   "file/layers: the folder of layers can not be read: not a directory",
		"wrong":  `wrong: has no layers/, no experiments/, no services/ and no file of fields, but "a.yaml"; want the folder that has them, or the name of one file`,
		"layers": `layers: has no layers/, no experiments/, no services/ and no file of fields, but "a.json"; want the folder that has them, or the name of one file`,
	} {
		set, err := manifest.Read(f.join(path), nil)
		if set != nil || !errors.As(err, new(manifest.Faults)) {
			t.Errorf("%s: got %v and the error %v", path, set, err)
			continue
		}
		if got := strings.ReplaceAll(filepath.ToSlash(err.Error()), filepath.ToSlash(f.path)+"/", ""); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
	if _, err := manifest.Read("", nil); err == nil || err.Error() != "no path of a configuration is given" {
		t.Errorf("no path: got %v", err)
	}
}
