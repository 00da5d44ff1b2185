package manifest_test

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"go.yaml.in/yaml/v3"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	"github.com/strata-exp/strata/internal/manifest"
	"github.com/strata-exp/strata/sdk/go/engine"
)

var formats = map[string]manifest.Format{"x.yaml": manifest.YAML, "x.json": manifest.JSON}

// random calls a test with configurations. The engine takes all of them.
func random(t *testing.T, test func(t *testing.T, seed uint64, set *manifest.Set)) {
	t.Helper()
	for seed := range uint64(200) {
		set := generator{document{rand.New(rand.NewPCG(seed, 1))}}.set()
		if _, err := engine.Compile(nil, set.Snapshot); err != nil {
			t.Fatalf("seed %d: the generator is at fault: %v", seed, err)
		}
		if test(t, seed, set); t.Failed() {
			return
		}
	}
}

// present are notes in which those that are empty are absent, as in a file that
// was written.
func present(n manifest.Notes) manifest.Notes {
	for _, text := range []**string{&n.Name, &n.Description, &n.Hypothesis} {
		if *text != nil && **text == "" {
			*text = nil
		}
	}
	for _, items := range []*[]string{&n.Owners, &n.Tags} {
		if len(*items) == 0 {
			*items = nil
		}
	}
	return n
}

// sameSet checks that a set that was read is the one that was written, in the
// same order.
func sameSet(t *testing.T, got, want *manifest.Set) {
	t.Helper()
	if !proto.Equal(got.Snapshot, want.Snapshot) {
		t.Fatalf("got %v\nwant %v", got.Snapshot, want.Snapshot)
	}
	for i := range want.Snapshot.GetLayers() {
		if got, want := got.LayerNotes(i), present(want.LayerNotes(i)); !reflect.DeepEqual(got, want) {
			t.Fatalf("layer %d: got the notes %+v, want %+v", i, got, want)
		}
	}
	for i := range want.Snapshot.GetExperiments() {
		if got, want := got.ExperimentNotes(i), present(want.ExperimentNotes(i)); !reflect.DeepEqual(got, want) {
			t.Fatalf("experiment %d: got the notes %+v, want %+v", i, got, want)
		}
	}
	if !reflect.DeepEqual(got.Services, want.Services) {
		t.Fatalf("got the services %v, want %v", got.Services, want.Services)
	}
	for i := range want.Services {
		if got, want := got.ServiceNotes(i), present(want.ServiceNotes(i)); !reflect.DeepEqual(got, want) {
			t.Fatalf("service %d: got the notes %+v, want %+v", i, got, want)
		}
	}
}

func TestBundleRoundTrip(t *testing.T) {
	t.Parallel()
	random(t, func(t *testing.T, seed uint64, set *manifest.Set) {
		t.Helper()
		for file, format := range formats {
			text := encoded(t, set, format)
			got, faults := manifest.DecodeBundle(file, []byte(text))
			if faults != nil {
				t.Fatalf("seed %d: %v\n%s", seed, faults, text)
			}
			sameSet(t, got, set)
			if again := encoded(t, got, format); again != text {
				t.Fatalf("seed %d: written again, got\n%s\nwant\n%s", seed, again, text)
			}
			got, err := manifest.Read("-", strings.NewReader(text))
			if err != nil {
				t.Fatalf("seed %d: %v\n%s", seed, err, text)
			}
			sameSet(t, got, set)
			if _, err := got.Compile(nil, 1); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
		}
	})
}

func TestFileRoundTrip(t *testing.T) {
	t.Parallel()
	random(t, func(t *testing.T, seed uint64, set *manifest.Set) {
		t.Helper()
		s := set.Snapshot
		for file, format := range formats {
			check := func(name string, text []byte, err error, want *manifest.Set) {
				t.Helper()
				if err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
				got, faults := manifest.Decode(name, text)
				if faults != nil {
					t.Fatalf("seed %d: %v\n%s", seed, faults, text)
				}
				sameSet(t, got, want)
			}
			for i, l := range s.GetLayers() {
				text, err := manifest.EncodeLayer(l, set.LayerNotes(i), format)
				check(file, text, err, manifest.NewSet(&configv1.Snapshot{Layers: s.Layers[i : i+1]}, []manifest.Notes{set.LayerNotes(i)}, nil))
				if got, faults := manifest.DecodeLayer(file, text); faults != nil || !proto.Equal(got, l) {
					t.Fatalf("seed %d: got %v, %v, want %v", seed, got, faults, l)
				}
			}
			for i, e := range s.GetExperiments() {
				text, err := manifest.EncodeExperiment(e, set.ExperimentNotes(i), format)
				check(file, text, err, manifest.NewSet(&configv1.Snapshot{Experiments: s.Experiments[i : i+1]}, nil, []manifest.Notes{set.ExperimentNotes(i)}))
				if got, faults := manifest.DecodeExperiment(file, text); faults != nil || !proto.Equal(got, e) {
					t.Fatalf("seed %d: got %v, %v, want %v", seed, got, faults, e)
				}
			}
			for i, service := range set.Services {
				notes := []manifest.Notes{set.ServiceNotes(i)}
				text, err := manifest.EncodeService(service, notes[0], format)
				check(file, text, err, manifest.NewSet(&configv1.Snapshot{}, nil, nil).WithServices(set.Services[i:i+1], notes))
			}
			text, err := manifest.EncodeFields(s.GetFields(), format)
			check(strings.Replace(file, "x", "fields", 1), text, err, manifest.NewSet(&configv1.Snapshot{Fields: s.Fields}, nil, nil))
		}
	})
}

// byID puts a set in the order of ids.
func byID(set *manifest.Set) *manifest.Set {
	s := &configv1.Snapshot{}
	var layers, experiments []manifest.Notes
	order := func(n int, less func(a, b int) int) []int {
		all := make([]int, n)
		for i := range all {
			all[i] = i
		}
		slices.SortFunc(all, less)
		return all
	}
	l, e := set.Snapshot.GetLayers(), set.Snapshot.GetExperiments()
	for _, i := range order(len(l), func(a, b int) int { return strings.Compare(l[a].GetLayerId(), l[b].GetLayerId()) }) {
		s.Layers, layers = append(s.Layers, l[i]), append(layers, set.LayerNotes(i))
	}
	for _, i := range order(len(e), func(a, b int) int { return int(e[a].GetEid()) - int(e[b].GetEid()) }) {
		s.Experiments, experiments = append(s.Experiments, e[i]), append(experiments, set.ExperimentNotes(i))
	}
	s.Fields = set.Snapshot.GetFields()
	var services []*manifest.Service
	var notes []manifest.Notes
	all := set.Services
	for _, i := range order(len(all), func(a, b int) int { return strings.Compare(all[a].Name, all[b].Name) }) {
		services, notes = append(services, all[i]), append(notes, set.ServiceNotes(i))
	}
	return manifest.NewSet(s, layers, experiments).WithServices(services, notes)
}

func TestFolderRoundTrip(t *testing.T) {
	t.Parallel()
	random(t, func(t *testing.T, seed uint64, set *manifest.Set) {
		t.Helper()
		if seed%5 > 0 {
			return // as files take longer
		}
		folder := t.TempDir()
		changes, err := manifest.WriteFolder(folder, set, false)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		files := len(set.Snapshot.GetLayers()) + len(set.Snapshot.GetExperiments()) + min(1, len(set.Snapshot.GetFields())) + len(set.Services)
		if len(changes.Written) != files || len(changes.Stale) > 0 {
			t.Fatalf("seed %d: want %d files, got %v", seed, files, changes)
		}
		got := read(t, folder)
		sameSet(t, byID(got), byID(set))
		if again := load(t, manifest.NewLoader(manifest.In(folder))); !proto.Equal(again.Snapshot, got.Snapshot) {
			t.Fatalf("seed %d: a loader reads %v, want %v", seed, again.Snapshot, got.Snapshot)
		}
		if _, err := got.Compile(nil, 1); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		changes, err = manifest.WriteFolder(folder, set, true)
		if err != nil || len(changes.Written) > 0 || len(changes.Stale) > 0 {
			t.Fatalf("seed %d: written again, got %v, %v", seed, changes, err)
		}
	})
}

// A reader that resolves scalars by the rules of its own, those of YAML 1.1
// among them, finds in YAML what any reader finds in JSON.
func TestOtherReadersAgree(t *testing.T) {
	t.Parallel()
	random(t, func(t *testing.T, seed uint64, set *manifest.Set) {
		t.Helper()
		var got, want any
		text := encoded(t, set, manifest.YAML)
		if err := yaml.Unmarshal([]byte(text), &got); err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, text)
		}
		if err := json.Unmarshal([]byte(encoded(t, set, manifest.JSON)), &want); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if got := floats(got); !reflect.DeepEqual(got, want) {
			t.Fatalf("seed %d: got %v, want %v from\n%s", seed, got, want, text)
		}
	})
}

// floats makes all numbers of a value what encoding/json makes of them.
func floats(v any) any {
	switch v := v.(type) {
	case int:
		return float64(v)
	case []any:
		for i := range v {
			v[i] = floats(v[i])
		}
	case map[string]any:
		for key := range v {
			v[key] = floats(v[key])
		}
	}
	return v
}
