package explain_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	"github.com/strata-exp/strata/internal/explain"
	"github.com/strata-exp/strata/internal/rpc"
	"github.com/strata-exp/strata/sdk/go/engine"
)

// rules give everyone one parameter, of the services "a" and "b".
func rules(t *testing.T, params string) *engine.Ruleset {
	t.Helper()
	config := &configv1.Snapshot{}
	for i, service := range []string{"a", "b"} {
		id := int32(i) + 1
		config.Layers = append(config.Layers, &configv1.Layer{
			LayerId: service, HashKey: "user_id", Salt: service, Enabled: true, Ranges: []*configv1.Range{{End: 10_000, Vid: id}},
		})
		config.Experiments = append(config.Experiments, &configv1.Experiment{
			Eid: id, Service: service, Variants: []*configv1.Variant{{Vid: id, ParamsJson: params}},
		})
	}
	compiled, err := engine.Compile(nil, config)
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

func question(maxBytes int64) *explain.Question {
	return &explain.Question{
		Services: []string{"a", "b", "a", "none"}, MaxBytes: maxBytes,
		Context: engine.Context{{Name: "user_id", Value: engine.StringValue("u")}},
	}
}

func TestQuestionsAreAnswered(t *testing.T) {
	t.Parallel()
	compiled, q := rules(t, `{"p":1}`), question(1<<20)
	results, err := q.Evaluate(t.Context(), compiled)
	if err != nil || len(results) != 3 {
		t.Fatalf("got %v, %v", results, err)
	}
	explanations, err := q.Explain(t.Context(), compiled)
	if err != nil || len(explanations) != 3 {
		t.Fatalf("got %v, %v", explanations, err)
	}
	for service, result := range results {
		if !proto.Equal(explanations[service].GetResult(), result) {
			t.Errorf("%s: got %v and %v", service, result, explanations[service].GetResult())
		}
	}
	if got := results["b"].GetParameters().GetFields()["p"].GetNumberValue(); got != 1 {
		t.Errorf("p is %v", got)
	}
}

func TestQuestionsAreBounded(t *testing.T) {
	t.Parallel()
	compiled := rules(t, `{"p":"`+strings.Repeat("x", 10_000)+`"}`)
	for maxBytes, enough := range map[int64]bool{100: false, 15_000: false, 100_000: true} {
		_, err := question(maxBytes).Evaluate(t.Context(), compiled)
		if _, ok := errors.AsType[*rpc.TooLarge](err); ok == enough {
			t.Errorf("%d bytes: evaluated with %v", maxBytes, err)
		}
		_, err = question(maxBytes).Explain(t.Context(), compiled)
		if _, ok := errors.AsType[*rpc.TooLarge](err); ok == enough {
			t.Errorf("%d bytes: explained with %v", maxBytes, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := question(1<<20).Explain(ctx, compiled); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
