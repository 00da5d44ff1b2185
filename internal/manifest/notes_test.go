package manifest_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/strata-exp/strata/internal/manifest"
)

const (
	plainLayer      = `"layer_id": "l", "priority": 1, "hash_key": "k", "salt": "s", "ranges": []`
	plainExperiment = `"eid": 1, "service": "s", "variants": []`
)

func TestNotes(t *testing.T) {
	t.Parallel()
	full := manifest.Notes{
		Name: new("n"), Description: new("two\nlines"), Hypothesis: new("h"), Owners: []string{"b", "a"}, Tags: []string{"x"},
	}
	for name, test := range map[string]struct {
		text string
		want manifest.Notes
	}{
		"none": {plainExperiment, manifest.Notes{}},
		"all":  {plainExperiment + `, "name": "n", "description": "two\nlines", "hypothesis": "h", "owners": ["b", "a"], "tags": ["x"]`, full},
		"empty ones are present": {
			plainExperiment + `, "name": "", "description": "", "hypothesis": "", "owners": [], "tags": []`,
			manifest.Notes{Name: new(""), Description: new(""), Hypothesis: new(""), Owners: []string{}, Tags: []string{}},
		},
		"one of an experiment": {plainExperiment + `, "tags": []`, manifest.Notes{Tags: []string{}}},
		"all of a layer": {
			plainLayer + `, "description": "d", "owners": ["a"], "tags": []`,
			manifest.Notes{Description: new("d"), Owners: []string{"a"}, Tags: []string{}},
		},
		"the longest": {
			plainExperiment + fmt.Sprintf(`, "name": %q, "description": %q`, strings.Repeat("n", 256), strings.Repeat("d", 4096)),
			manifest.Notes{Name: new(strings.Repeat("n", 256)), Description: new(strings.Repeat("d", 4096))},
		},
	} {
		for _, file := range []string{"x.json", "x.yaml"} {
			set, faults := manifest.Decode(file, []byte("{"+test.text+"}"))
			if faults != nil {
				t.Errorf("%s: %v", name, faults)
				continue
			}
			without, notes := plainExperiment, set.ExperimentNotes
			if len(set.Snapshot.GetLayers()) > 0 {
				without, notes = plainLayer, set.LayerNotes
			}
			bare, faults := manifest.Decode(file, []byte("{"+without+"}"))
			got := notes(0)
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("%s: got %+v, want %+v", name, got, test.want)
			}
			if faults != nil || !proto.Equal(set.Snapshot, bare.Snapshot) {
				t.Errorf("%s: notes are in the messages: %v", name, set.Snapshot)
			}
		}
	}
}

func TestNotesAtFault(t *testing.T) {
	t.Parallel()
	many := make([]string, manifest.MaxNoteItems+1)
	for i := range many {
		many[i] = fmt.Sprintf(`"%d"`, i)
	}
	for text, want := range map[string]string{
		plainExperiment + `, "name": 5`:               "name: want a string, got a number; put it in quotes",
		plainExperiment + `, "description": null`:     "description: want a string, got null",
		plainExperiment + `, "owners": "a"`:           "owners: want a list, got a string",
		plainExperiment + `, "tags": ["a", 1]`:        "tags[1]: want a string, got a number; put it in quotes",
		plainExperiment + `, "tags": ["a", ""]`:       "tags[1]: is empty, want 1 to 256 bytes",
		plainExperiment + `, "tags": ["a", "b", "a"]`: "tags[2]: is the same as tags[0]",
		plainExperiment + `, "tags": [1, 2, {}]`: "tags[0]: want a string, got a number; put it in quotes\n" +
			"x.json:1: tags[1]: want a string, got a number; put it in quotes\nx.json:1: tags[2]: want a string, got an object",
		plainExperiment + `, "owners": [` + strings.Join(many, ",") + `]`:        "owners: are 51, at most 50 are allowed",
		plainExperiment + `, "name": "` + strings.Repeat("x", 257) + `"`:         "name: is 257 bytes long, at most 256 are allowed",
		plainExperiment + `, "tags": ["` + strings.Repeat("x", 257) + `"]`:       "tags[0]: is 257 bytes long, at most 256 are allowed",
		plainExperiment + `, "description": "` + strings.Repeat("é", 2049) + `"`: "description: is 4098 bytes long, at most 4096 are allowed",
		plainExperiment + `, "hypothesis": "` + strings.Repeat("x", 4097) + `"`:  "hypothesis: is 4097 bytes long, at most 4096 are allowed",
		plainExperiment + `, "owner": "a"`:                                       "owner: unknown key; did you mean owners?",
		plainLayer + `, "name": "n"`:                                             "name: unknown key; want layer_id, version, priority, hash_key, salt, enabled, ranges or service",
		plainLayer + `, "desciption": "n"`:                                       "desciption: unknown key; did you mean description?",
		plainLayer + `, "tags": [], "tags": []`:                                  "tags: stands twice; first on line 1",
	} {
		_, faults := manifest.Decode("x.json", []byte("{"+text+"}"))
		if got := faults.Error(); got != "x.json:1: "+want {
			t.Errorf("%.80s: got %s, want %s", text, got, want)
		}
	}
}

// A data plane makes a revision of messages that changed, and of nothing else.
func TestNotesAreNoChangeOfMessages(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	f.write("layers/a.yaml", "layer_id: a\nversion: v1\npriority: 1\nhash_key: k\nranges: []\n")
	f.write("experiments/1.json", experimentOne)
	loader := f.loader()
	first := load(t, loader)
	f.write("layers/a.yaml", "layer_id: a\ndescription: new\nversion: v1\npriority: 1\nhash_key: k\nranges: []\n")
	second := load(t, loader)
	if got := second.LayerNotes(0).Description; second == first || got == nil || *got != "new" {
		t.Errorf("the new note was not read")
	}
	if !proto.Equal(first.Snapshot, second.Snapshot) {
		t.Errorf("got %v, want %v", second.Snapshot, first.Snapshot)
	}
}
