package manifest_test

import (
	"strings"
	"testing"

	"github.com/strata-exp/strata/internal/manifest"
)

const (
	rankerService = `service: ranker
description: Ranks
owners: [ana]
schema:
  properties:
    model:
      required: [version]
      properties:
        version: {type: string}
        depth: {type: integer}
`
	rankerExperiment = `eid: 1
service: ranker
variants:
  - vid: 10
    params:
      model: {version: v1}
  - vid: 11
    params:
      model:
        version: 2
        depth: 1.5
`
)

func TestDecodeService(t *testing.T) {
	t.Parallel()
	set, faults := manifest.Decode("x.yaml", []byte(rankerService))
	if faults != nil {
		t.Fatal(faults)
	}
	want := manifest.Service{
		Name: "ranker", SchemaJSON: `{"properties":{"model":{"required":["version"],"properties":{"version":{"type":"string"},"depth":{"type":"integer"}}}}}`,
	}
	if len(set.Services) != 1 || *set.Services[0] != want || *set.ServiceNotes(0).Description != "Ranks" || set.ServiceFile(0) != "x.yaml" {
		t.Errorf("got %v", set.Services)
	}
	for text, want := range map[string]string{
		"schema: {}\n":                 "x.yaml:1: service: is missing",
		"services:\n- service: a\n":    "x.yaml:2: services[0].schema: is missing",
		"service: ''\nschema: {}\n":    "x.yaml:1: service: is empty, want 1 to 256 bytes",
		"service: a\nschema: []\n":     "x.yaml:2: schema: want an object, got a list",
		"service: a\nschema: {}\nx: 1": "x.yaml:3: x: unknown key; want service or schema",
		"service: a\nschema:\n  properties:\n    x:\n      type: text\n": "x.yaml:5: schema.properties.x.type: " +
			"fits none of several schemas: value must be one of 'array', 'boolean', 'integer', 'null', 'number', 'object', 'string'",
		"service: a\nschema:\n  $ref: https://example.com/a\n": `x.yaml:3: schema["$ref"]: "https://example.com/a" is another document: ` +
			"want #, #/$defs/NAME or #ANCHOR",
		"service: a\nschema: {description: " + strings.Repeat("x", 256<<10) + "}\n": "x.yaml:2: schema: is 262162 bytes long, at most 262144 are allowed",
	} {
		_, faults := manifest.Decode("x.yaml", []byte(text))
		if got := faults.Error(); !strings.HasPrefix(got, want) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestCheckSchemas(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	f.write("experiments/one.yaml", rankerExperiment)
	f.write("layers/a.json", layer("a", 1))
	f.write("services/ranker.yaml", rankerService)
	set, err := manifest.NewLoader(manifest.In(f.path)).Load()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := set.Compile(nil, 1); err != nil {
		t.Errorf("data planes refuse it: %v", err)
	}
	want := f.join("experiments/one.yaml") + ":10: variants[1].params.model.version: breaks the schema of service ranker in variant 11: got number, want string\n" +
		f.join("experiments/one.yaml") + ":11: variants[1].params.model.depth: breaks the schema of service ranker in variant 11: got number, want integer"
	if err := set.CheckSchemas(); err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	nowhere := manifest.NewSet(set.Snapshot, nil, nil).WithServices(set.Services, nil)
	if err := nowhere.CheckSchemas(); err == nil || !strings.HasPrefix(err.Error(), "variants[1].params.model.depth: experiment 1: breaks the schema") {
		t.Errorf("got %v", err)
	}
	f.write("services/twice.json", `{"service": "ranker", "schema": {}}`)
	f.write("services/broken.yaml", "service: x")
	if _, err := manifest.Read(f.path, nil); err == nil || err.Error() != f.join("services/broken.yaml")+":1: schema: is missing" {
		t.Errorf("got %v", err)
	}
	f.write("services/broken.yaml", "service: x\nschema: {}\n")
	want = f.join("services/twice.json") + `:1: service: "ranker" is declared in ` + f.join("services/ranker.yaml") + " as well"
	if err := read(t, f.path).CheckSchemas(); err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

// TestServicesAreNotForPlanes loads a folder as data planes do.
func TestServicesAreNotForPlanes(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	f.write("experiments/one.yaml", rankerExperiment)
	f.write("layers/a.json", layer("a", 1))
	f.write("services/broken.yaml", "service: [")
	set, err := manifest.NewLoader(manifest.Paths{Layers: f.join("layers"), Experiments: f.join("experiments")}).Load()
	if err != nil || len(set.Services) != 0 {
		t.Errorf("got %v, %v", set, err)
	}
	documents := manifest.NewDocuments("p/")
	documents.Put("p/layers/a.json", layer("a", 1))
	documents.Put("p/services/broken.yaml", "service: [")
	if set, err := documents.Load(); err != nil || len(set.Services) != 0 {
		t.Errorf("got %v, %v", set, err)
	}
}

func TestWriteServices(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	f.write("services/by_hand.yaml", "# by hand\n"+rankerService)
	f.write("services/gone.json", `{"service": "gone", "schema": {}}`)
	set := read(t, f.path)
	f.put(set, true, "", "")
	changed := manifest.NewSet(set.Snapshot, nil, nil).WithServices([]*manifest.Service{
		set.Services[0], {Name: "new", SchemaJSON: `{"type":"object"}`},
	}, []manifest.Notes{set.ServiceNotes(0)})
	f.put(changed, false, "services/new.yaml", "services/gone.json")
	if got := f.text("services/new.yaml"); got != "service: new\nschema:\n  type: object\n" {
		t.Errorf("got\n%s", got)
	}
	f.put(changed, true, "", "services/gone.json")
	if got := f.text("services/by_hand.yaml"); !strings.HasPrefix(got, "# by hand") {
		t.Errorf("a file that said the same is now\n%s", got)
	}
}
