package api

import (
	"context"
	"fmt"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/strata-exp/strata/controlplane/internal/revision"
	"github.com/strata-exp/strata/controlplane/internal/state"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
)

// crowd is an environment of 5,000 experiments, five in each layer.
func crowd(b *testing.B) *experimentService {
	b.Helper()
	store := newFake()
	if _, err := store.CreateEnvironment(b.Context(), &adminv1.Environment{Name: "dev"}, false, ""); err != nil {
		b.Fatal(err)
	}
	var changes []state.Change
	for i := range int32(5000) {
		layerID := fmt.Sprintf("layer_%d", i/5)
		if i%5 == 0 {
			l := &adminv1.Layer{LayerId: layerID, Version: "v1", HashKey: "user_id"}
			for k := range int32(10) {
				l.Ranges = append(l.Ranges, &configv1.Range{Start: 1000 * k, End: 1000 * (k + 1), Vid: 2*i + k + 1})
			}
			changes = append(changes, state.Change{Layer: l})
		}
		changes = append(changes, state.Change{Experiment: &adminv1.Experiment{
			Eid: i + 1, Service: fmt.Sprintf("service_%d", i%40), LayerId: layerID, Name: fmt.Sprintf("Experiment number %d", i),
			Description: "What it changes, and for whom, in a sentence or two that somebody wrote down when it was made.",
			Hypothesis:  "More people buy if they find the button, which is larger and of another colour than the one before.",
			Owners:      []string{"team"}, Tags: []string{"core", "web"},
			Variants: []*configv1.Variant{{Vid: 2*i + 1, ParamsJson: `{"size":1}`}, {Vid: 2*i + 2, ParamsJson: `{"size":2}`}},
		}})
	}
	_, err := store.Apply(b.Context(), revision.Request{
		Environment: "dev", Changes: func(revision.Head) ([]state.Change, error) { return changes, nil },
	})
	if err != nil {
		b.Fatal(err)
	}
	return &experimentService{reader: reader{states: store}}
}

// BenchmarkListExperiments answers, and writes the answer as JSON.
func BenchmarkListExperiments(b *testing.B) {
	s := crowd(b)
	for name, r := range map[string]*adminv1.ExperimentServiceListRequest{
		"page":    {},
		"largest": {PageSize: 1000},
		"service": {Service: "service_7"},
		"query":   {Query: "NUMBER 4711"},
		"nothing": {Query: "no such text"},
	} {
		r.Environment = "dev"
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				list(b, s, r)
			}
		})
	}
	b.Run("all pages", func(b *testing.B) {
		for b.Loop() {
			r := &adminv1.ExperimentServiceListRequest{Environment: "dev", PageSize: 1000}
			for n := 0; n < 5000; {
				answer := list(b, s, r)
				n += len(answer.GetExperiments())
				r.PageToken = answer.GetNextPageToken()
			}
		}
	})
}

func list(b *testing.B, s *experimentService, r *adminv1.ExperimentServiceListRequest) *adminv1.ExperimentServiceListResponse {
	b.Helper()
	answer, err := s.list(context.Background(), r)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := (protoCodec{}).Marshal(proto.Message(answer)); err != nil {
		b.Fatal(err)
	}
	return answer
}
