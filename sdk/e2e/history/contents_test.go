package history_test

import (
	"maps"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	"github.com/strata-exp/strata/sdk/e2e/history"
	"github.com/strata-exp/strata/sdk/go/view"
)

func snapshot() *configv1.Snapshot {
	return &configv1.Snapshot{
		Layers: []*configv1.Layer{
			{LayerId: "both", Ranges: []*configv1.Range{{Start: 0, End: 10, Vid: 1}, {Start: 10, End: 20, Vid: 2}}},
			{LayerId: "own", Service: "search", Ranges: []*configv1.Range{{Start: 0, End: 10, Vid: 3}}},
			{LayerId: "free"},
			{LayerId: "others", Service: "mail", Ranges: []*configv1.Range{{Start: 0, End: 10, Vid: 4}}},
		},
		Experiments: []*configv1.Experiment{
			{Eid: 1, Service: "search", Variants: []*configv1.Variant{{Vid: 1}}},
			{Eid: 2, Service: "mail", Variants: []*configv1.Variant{{Vid: 2}}},
			{Eid: 3, Service: "search", Variants: []*configv1.Variant{{Vid: 3}}},
			{Eid: 4, Service: "mail", Variants: []*configv1.Variant{{Vid: 4}}},
			{Eid: 5, Service: "search", Variants: []*configv1.Variant{{Vid: 5}}},
		},
		Fields: []*configv1.Field{{Name: "age", Type: configv1.FieldType_FIELD_TYPE_INT}},
	}
}

// TestHash compares the hash from the documentation with that of the views.
func TestHash(t *testing.T) {
	t.Parallel()
	entities, err := history.Encode(snapshot())
	if err != nil {
		t.Fatal(err)
	}
	var puts []*view.Entity
	for e, payload := range entities {
		puts = append(puts, view.NewEntity(view.Key{Kind: e.Kind, Name: e.Key}, payload))
	}
	v := view.Empty().With(view.Position{}, puts, nil)
	if got, want := history.HashOf(entities), v.Hash().String(); got != want {
		t.Errorf("the hash is %s, a view has %s", got, want)
	}
}

func TestProject(t *testing.T) {
	t.Parallel()
	all := snapshot()
	before := proto.CloneOf(all)
	got := history.Project(all, "search")
	entities, err := history.Encode(got)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for e := range maps.Keys(entities) {
		names = append(names, e.Key)
	}
	slices.Sort(names)
	if want := []string{"1", "3", "age", "both", "own"}; !slices.Equal(names, want) {
		t.Errorf("search has %v, want %v", names, want)
	}
	if ranges := got.GetLayers()[0].GetRanges(); len(ranges) != 1 || ranges[0].GetVid() != 1 {
		t.Errorf("the ranges of others are kept: %v", ranges)
	}
	if !proto.Equal(all, before) {
		t.Error("the snapshot has changed")
	}
	whole := history.Project(all, "")
	if len(whole.GetLayers()) != 4 || len(whole.GetExperiments()) != 4 {
		t.Errorf("all services have %d layers and %d experiments, want all layers, and the 4 experiments with slots",
			len(whole.GetLayers()), len(whole.GetExperiments()))
	}
}

func TestFile(t *testing.T) {
	t.Parallel()
	r := history.NewRecorder()
	changed := r.Changed()
	for _, e := range good() {
		r.Add(e)
	}
	<-changed
	name := filepath.Join(t.TempDir(), "history.jsonl")
	if err := r.WriteFile(name); err != nil {
		t.Fatal(err)
	}
	back, err := history.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r.Events(), back); diff != "" {
		t.Errorf("read is not what was written:\n%s", diff)
	}
}
