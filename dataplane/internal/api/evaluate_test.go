package api

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/structpb"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"

	"github.com/strata-exp/strata/dataplane/internal/ingest"
	"github.com/strata-exp/strata/dataplane/internal/metrics"
	"github.com/strata-exp/strata/dataplane/internal/snapshot"
	"github.com/strata-exp/strata/internal/obs"
	"github.com/strata-exp/strata/internal/rpc"
	"github.com/strata-exp/strata/sdk/go/engine"
)

// setup returns a service of some layers, each of which always matches.
func setup(tb testing.TB, layers int) *Service {
	tb.Helper()
	config := &configv1.Snapshot{Revision: 1}
	for i := range int32(layers) {
		config.Layers = append(config.Layers, &configv1.Layer{
			LayerId: fmt.Sprintf("layer_%02d", i), Priority: -i, HashKey: "user_id", Salt: fmt.Sprintf("salt_%d", i), Enabled: true,
			Ranges: []*configv1.Range{{Start: 0, End: 10_000, Vid: i + 1}},
		})
		config.Experiments = append(config.Experiments, &configv1.Experiment{
			Eid: i + 1, Service: "svc",
			Rule: &configv1.Rule{
				Op: configv1.Operator_OPERATOR_GTE, Field: "age",
				Values: []*configv1.Value{{Kind: &configv1.Value_NumberValue{NumberValue: 18}}},
			},
			Variants: []*configv1.Variant{{Vid: i + 1, ParamsJson: fmt.Sprintf(`{"p%d":{"enabled":true,"value":%d}}`, i, i)}},
		})
	}
	ruleset, err := engine.Compile(nil, config)
	if err != nil {
		tb.Fatal(err)
	}
	holder := snapshot.NewHolder(time.Now)
	if err := holder.Publish(0, ruleset); err != nil {
		tb.Fatal(err)
	}
	measured := metrics.New(obs.NewRegistry(), holder)
	sink := ingest.NewCounted(obs.NewRegistry(), ingest.NewLog(obs.Discard()), func(string) bool { return true })
	return NewService(holder, measured, sink, rpc.NewEdge(slog.New(slog.DiscardHandler), measured.Observe), time.Now)
}

const body = `{"services":["svc"],"context":{"user_id":"user_12345","country":"US","age":25}}`

// call does what a call of Evaluate does between the codecs' ends.
func call(s *Service, data, dst []byte) ([]byte, error) {
	r := new(evaluateRequest)
	if err := (jsonCodec{}).Unmarshal(data, r); err != nil {
		return nil, err
	}
	answer, err := s.evaluate(context.Background(), r)
	if err != nil {
		return nil, err
	}
	return jsonCodec{}.MarshalAppend(dst, answer)
}

func TestEvaluateCountsServicesOnce(t *testing.T) {
	t.Parallel()
	s := setup(t, 1)
	many := []string{"svc"}
	for i := range 50 {
		many = append(many, strconv.Itoa(i), strconv.Itoa(i/2))
	}
	for _, services := range [][]string{{"b", "svc", "a", "b", "svc"}, many[:100]} {
		answer, err := s.evaluate(t.Context(), &evaluateRequest{services: services})
		if err != nil {
			t.Fatal(err)
		}
		var got, want []string
		for _, r := range answer.results {
			got = append(got, r.service)
		}
		for _, name := range services {
			if !slices.Contains(want, name) {
				want = append(want, name)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestNumbersOfTheEngine compares the engine's constants, which are cast, with
// those of the protos.
func TestNumbersOfTheEngine(t *testing.T) {
	t.Parallel()
	for constant, name := range map[any]string{
		engine.Matched:      servingv1.LayerOutcome_LAYER_OUTCOME_MATCHED.String(),
		engine.Disabled:     servingv1.LayerOutcome_LAYER_OUTCOME_DISABLED.String(),
		engine.NotRequested: servingv1.LayerOutcome_LAYER_OUTCOME_NOT_REQUESTED.String(),
		engine.NoKey:        servingv1.LayerOutcome_LAYER_OUTCOME_NO_KEY.String(),
		engine.FreeSlot:     servingv1.LayerOutcome_LAYER_OUTCOME_FREE_SLOT.String(),
		engine.OtherService: servingv1.LayerOutcome_LAYER_OUTCOME_OTHER_SERVICE.String(),
		engine.RuleFalse:    servingv1.LayerOutcome_LAYER_OUTCOME_RULE_FALSE.String(),
		engine.RuleUnknown:  servingv1.LayerOutcome_LAYER_OUTCOME_RULE_UNKNOWN.String(),
		engine.True:         servingv1.Truth_TRUTH_TRUE.String(),
		engine.False:        servingv1.Truth_TRUTH_FALSE.String(),
		engine.Unknown:      servingv1.Truth_TRUTH_UNKNOWN.String(),
	} {
		got := ""
		switch constant := constant.(type) {
		case engine.Outcome:
			got = servingv1.LayerOutcome(constant).String()
		case engine.Truth:
			got = servingv1.Truth(constant).String()
		}
		if got != name {
			t.Errorf("%v is %s, want %s", constant, got, name)
		}
	}
}

// TestExplanationsAreWhole explains to the last field of a rule.
func TestExplanationsAreWhole(t *testing.T) {
	t.Parallel()
	s := setup(t, 2)
	answer, err := s.explain(t.Context(), &explainRequest{evaluateRequest: evaluateRequest{
		services: []string{"svc"},
		context: engine.Context{
			{Name: "user_id", Value: engine.StringValue("u")},
			{Name: "age", Value: engine.CompositeValue(`[1, {"a": "é"}]`)},
		},
		layers: []string{"layer_00"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	layers := answer.GetResults()["svc"].GetLayers()
	if got := maps.Collect(func(yield func(string, string) bool) {
		for _, l := range layers {
			yield(l.GetLayerId(), l.GetOutcome().String())
		}
	}); !maps.Equal(got, map[string]string{"layer_00": "LAYER_OUTCOME_RULE_UNKNOWN", "layer_01": "LAYER_OUTCOME_NOT_REQUESTED"}) {
		t.Fatalf("got %v", got)
	}
	rule := layers[0].GetRule()
	seen, err := structpb.NewValue([]any{1, map[string]any{"a": "é"}})
	if err != nil {
		t.Fatal(err)
	}
	if rule.GetOp() != configv1.Operator_OPERATOR_GTE || rule.GetField() != "age" || rule.GetType() != configv1.FieldType_FIELD_TYPE_INT ||
		rule.GetTruth() != servingv1.Truth_TRUTH_UNKNOWN || rule.GetValues()[0].GetNumberValue() != 18 ||
		rule.GetSeen().String() != seen.String() {
		t.Errorf("got %v", rule)
	}
	if r := layers[0].GetRange(); r.GetStart() != 0 || r.GetEnd() != 10_000 || r.GetVid() != 1 || layers[0].Slot == nil || layers[1].Slot != nil {
		t.Errorf("got %v", layers)
	}
}

func BenchmarkEvaluateJSON(b *testing.B) {
	s := setup(b, 10)
	data, dst := []byte(body), make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := call(s, data, dst); err != nil {
			b.Fatal(err)
		}
	}
}
