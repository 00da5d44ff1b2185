package manifest_test

import (
	"strings"
	"testing"

	"github.com/strata-exp/strata/internal/manifest"
)

func TestDecodeByKind(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		file, text                  string
		layers, experiments, fields int
	}{
		{"x.json", "{" + plainLayer + "}", 1, 0, 0},
		{"x.yaml", "{" + plainExperiment + "}", 0, 1, 0},
		{"a/fields.yml", "country: string\nlayer_id: int\neid: int\nlayers: bool\n", 0, 0, 4},
		{"fields.json", "{}", 0, 0, 0},
		{"x.yaml", "layers: []", 0, 0, 0},
		{"x.yaml", "fields: {country: string}", 0, 0, 1},
		{"x.yaml", "experiments: [{" + plainExperiment + "}, {" + plainExperiment + "}]\nfields: {}", 0, 2, 0},
		{"x.json", `{"fields": {"a": "int"}, "layers": [{` + plainLayer + `}], "experiments": []}`, 1, 0, 1},
	} {
		set, faults := manifest.Decode(test.file, []byte(test.text))
		if faults != nil {
			t.Errorf("%s: %v", test.text, faults)
			continue
		}
		s := set.Snapshot
		if len(s.GetLayers()) != test.layers || len(s.GetExperiments()) != test.experiments || len(s.GetFields()) != test.fields {
			t.Errorf("%s: got %v", test.text, s)
		}
		for i := range s.GetLayers() {
			if got := set.LayerFile(i); got != test.file {
				t.Errorf("%s: a layer is from %q", test.text, got)
			}
		}
		for i := range s.GetExperiments() {
			if got := set.ExperimentFile(i); got != test.file {
				t.Errorf("%s: an experiment is from %q", test.text, got)
			}
		}
		if got := set.FieldsFile(); (got == test.file) != strings.Contains(test.file+test.text, "fields") {
			t.Errorf("%s: fields are from %q", test.text, got)
		}
	}
}

func TestDecodeFaults(t *testing.T) {
	t.Parallel()
	const neither = "want a layer_id, as a layer has it, an eid, as an experiment has it, a schema, as a service has it, or layers, experiments, fields or services, as a bundle has them; " +
		"declared fields alone stand in a file called fields.json, fields.yaml or fields.yml"
	for _, test := range []struct{ file, text, want string }{
		{"x.yaml", "country: string\n", "x.yaml:1: " + neither},
		{"x.json", "\n{}", "x.json:2: " + neither},
		{"x.json", "[]", "x.json:1: want an object, got a list"},
		{"x.yaml", "", "x.yaml: is empty"},
		{"x", "{}", "x: want a name that ends in .json, .yaml or .yml"},
		{"fields.yaml", "layers: []", "fields.yaml:1: layers: want a string, got a list"},
		{"x.json", `{"layerid": "l", "priority": 1, "hash_key": "k", "salt": "s", "ranges": []}`, "x.json:1: layerid: unknown key; did you mean layer_id?\nx.json:1: layer_id: is missing"},
		{"x.yaml", "layer: []", "x.yaml:1: layer: unknown key; did you mean layers?"},
		{"x.yaml", "layers: []\nlayers: []\n", "x.yaml:2: layers: stands twice; first on line 1"},
		{"x.yaml", "layers: []\nranges: []\n", "x.yaml:2: ranges: unknown key; want layers, experiments, fields or services"},
		{"x.yaml", "layers:\nexperiments: {}\nfields: []", "x.yaml:1: layers: want a list, got null\n" +
			"x.yaml:2: experiments: want a list, got an object\nx.yaml:3: fields: want an object, got a list"},
		{
			"x.yaml", "layers:\n- {" + plainLayer + "}\n- {" + strings.Replace(plainLayer, "[]", "[{start: 0, end: 1, vid: 1},\n {start: 1, end: x, vid: 1}]", 1) + "}\n- 1\n",
			"x.yaml:4: layers[1].ranges[1].end: want a whole number, got a string\nx.yaml:5: layers[2]: want an object, got a number",
		},
		{
			"x.yaml", "experiments:\n- {" + plainExperiment + ", rule: {type: field, field: f, op: is, values: [null]}}\nfields:\n  a.b: text\n",
			"x.yaml:2: experiments[0].rule.op: want eq, neq, gt, gte, lt, lte, in, not_in, like or not_like, got \"is\"\n" +
				"x.yaml:2: experiments[0].rule.values[0]: want a string, a number or a boolean, got null\n" +
				"x.yaml:4: fields[\"a.b\"]: want string, int, float, bool or semver, got \"text\"",
		},
		{"x.yaml", "layer_id: l\neid: 1\npriority: 1\nhash_key: k\nsalt: s\nranges: []", "x.yaml:2: eid: unknown key; want layer_id, version, priority, hash_key, salt, enabled, ranges or service"},
	} {
		set, faults := manifest.Decode(test.file, []byte(test.text))
		if got := faults.Error(); set != nil || got != test.want {
			t.Errorf("%q: got %v and\n%s\nwant\n%s", test.text, set, got, test.want)
		}
	}
}

func TestDecodeBundleOfAnotherKind(t *testing.T) {
	t.Parallel()
	_, faults := manifest.DecodeBundle("fields.json", []byte(`{"eid": 1}`))
	if got := faults.Error(); got != "fields.json:1: eid: unknown key; want layers, experiments, fields or services" {
		t.Errorf("got %s", got)
	}
	if set, faults := manifest.DecodeBundle("fields.json", []byte(`{}`)); faults != nil || len(set.Snapshot.GetLayers()) > 0 {
		t.Errorf("an empty bundle: got %v, %v", set, faults)
	}
}

// A bundle is larger than a file may be, and one resource is not because its
// file might have been a bundle.
func TestDecodeLimits(t *testing.T) {
	t.Parallel()
	space := strings.Repeat(" ", manifest.MaxFileBytes)
	for _, test := range []struct{ file, text, want string }{
		{"x.json", `{"layers": []` + space + `}`, ""},
		{"x.json", "{" + plainLayer + space + "}", "x.json: is larger than 4 MiB"},
		{"fields.json", "{" + space + "}", "fields.json: is larger than 4 MiB"},
		{"x.yaml", "layers: []\n" + strings.Repeat(space, manifest.MaxBundleBytes/manifest.MaxFileBytes), "x.yaml: is larger than 64 MiB"},
	} {
		_, faults := manifest.Decode(test.file, []byte(test.text))
		if got := faults.Error(); got != test.want {
			t.Errorf("%.40q: got %s, want %s", test.text, got, test.want)
		}
	}
}

func TestCompileFaultsOfBundle(t *testing.T) {
	t.Parallel()
	const text = `layers:
  - {layer_id: a, priority: 1, hash_key: k, salt: s, ranges: []}
  - layer_id: b
    version: v1
    priority: 1
    hash_key: ""
    ranges:
      - {start: 0, end: 10, vid: 1}
      - start: 10
        end: 20000
        vid: 2
experiments:
  - eid: 1
    service: s
    rule: {type: not, children: [{type: field, field: a.b, op: like, values: [x]}]}
    variants:
      - {vid: 1, params: {}}
      - vid: 2
        params: {}
fields:
  a.b: int
  "": string
`
	const want = `6: layers[1].hash_key: is missing
10: layers[1].ranges[1].end: is 20000, want 11 to 10000: start is included, end is not
15: experiments[0].rule.children[0].op: is like, which a int field can not be compared by
22: fields[""]: is missing`
	set, faults := manifest.Decode("x.yaml", []byte(text))
	if faults != nil {
		t.Fatal(faults)
	}
	_, err := set.Compile(nil, 1)
	if err == nil || strings.ReplaceAll(err.Error(), "x.yaml:", "") != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	set, err = manifest.Read("-", strings.NewReader("{layers: [{layer_id: a, priority: 1,\n hash_key: k, salt: '', ranges: []}]}"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := set.Compile(nil, 1); err == nil || err.Error() != "<stdin>:2: layers[0].salt: is missing" {
		t.Errorf("got %v", err)
	}
	if _, err := manifest.NewSet(set.Snapshot, nil, nil).Compile(nil, 1); err == nil || err.Error() != "layer a: salt: is missing" {
		t.Errorf("got %v", err)
	}
}
