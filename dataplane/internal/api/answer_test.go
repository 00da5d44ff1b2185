package api

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/internal/explain"
	"github.com/strata-exp/strata/sdk/go/engine"
)

// most is the bound in these tests.
const most = 1 << 20

// bounded returns a service that answers with some parameters, up to most.
func bounded(t *testing.T, parameters string) *Service {
	t.Helper()
	s := setup(t, 0)
	ruleset, err := engine.Compile(nil, &configv1.Snapshot{
		Revision: 2,
		Layers: []*configv1.Layer{{
			LayerId: "l", HashKey: "user_id", Salt: "s", Enabled: true,
			Ranges: []*configv1.Range{{Start: 0, End: 10_000, Vid: 1}},
		}},
		Experiments: []*configv1.Experiment{{
			Eid: 1, Service: "svc", Variants: []*configv1.Variant{{Vid: 1, ParamsJson: parameters}},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.holder.Publish(0, ruleset); err != nil {
		t.Fatal(err)
	}
	s.maxAnswer = most
	return s
}

// TestAnswersAreBounded asks for more than one message may be.
func TestAnswersAreBounded(t *testing.T) {
	t.Parallel()
	request := &servingv1.EvaluateRequest{Services: []string{"svc"}, Context: &structpb.Struct{Fields: map[string]*structpb.Value{"user_id": structpb.NewStringValue("u")}}}
	const entries = 20
	batch := &servingv1.BatchEvaluateRequest{}
	for range entries {
		batch.Requests = append(batch.Requests, request)
	}
	text, err := protojson.Marshal(batch)
	if err != nil {
		t.Fatal(err)
	}
	binary, err := proto.Marshal(batch)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name       string
		codec      connect.Codec
		data       []byte
		parameters string
		fit        int // entries
	}{
		{"a long text", jsonCodec{}, text, `{"a":"` + strings.Repeat("a", 100_000) + `"}`, 10},
		{"a long text in binary", protoCodec{}, binary, `{"a":"` + strings.Repeat("a", 100_000) + `"}`, 10},
		{"a list", jsonCodec{}, text, `{"a":[` + strings.Repeat("1,", 49_999) + `1]}`, 10},
		{"a list in binary", protoCodec{}, binary, `{"a":[` + strings.Repeat("1,", 4_999) + `1]}`, 4},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := bounded(t, test.parameters)
			r := new(batchEvaluateRequest)
			if err := test.codec.Unmarshal(test.data, r); err != nil {
				t.Fatal(err)
			}
			answer, err := s.batchEvaluate(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			data, err := test.codec.Marshal(answer)
			if err != nil || len(data) > most {
				t.Fatalf("%v, %d bytes", err, len(data))
			}
			for i, entry := range answer.entries {
				tooLarge := entry.err.GetReason() == servingv1.ErrorReason_ERROR_REASON_TOO_LARGE
				if fits := i < test.fit; fits != (entry.err == nil) || fits == tooLarge {
					t.Errorf("entry %d: %v", i, entry.err)
				}
			}
		})
	}
}

func TestExplanationsAreBounded(t *testing.T) {
	t.Parallel()
	list := `[` + strings.Repeat("1,", 29_999) + `1]`
	s := bounded(t, `{"a":`+list+`}`)
	_, err := s.explain(t.Context(), &explainRequest{evaluateRequest: evaluateRequest{
		services: []string{"svc"}, context: engine.Context{{Name: "user_id", Value: engine.StringValue("u")}},
	}})
	if err == nil || !strings.Contains(err.Error(), "the explanation is larger than 1 MiB") {
		t.Errorf("parameters: got %v", err)
	}
	// What a condition sees is part of it too.
	s = setup(t, 1)
	s.maxAnswer = most
	_, err = s.explain(t.Context(), &explainRequest{evaluateRequest: evaluateRequest{
		services: []string{"svc"}, context: engine.Context{
			{Name: "user_id", Value: engine.StringValue("u")}, {Name: "age", Value: engine.CompositeValue(list)},
		},
	}})
	if err == nil || !strings.Contains(err.Error(), "the explanation is larger than 1 MiB") {
		t.Errorf("context: got %v", err)
	}
}

// TestSizesAreNotLess compares sizes with those of what is sent.
func TestSizesAreNotLess(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	var value func(depth int) string
	value = func(depth int) string {
		switch kind := random.IntN(6); {
		case kind == 0 && depth < 4, kind == 1 && depth < 4:
			items := make([]string, random.IntN(4))
			for i := range items {
				items[i] = value(depth + 1)
				if kind == 1 {
					items[i] = fmt.Sprintf(`"%d":%s`, i, items[i])
				}
			}
			return string("[{"[kind]) + strings.Join(items, ",") + string("]}"[kind])
		case kind == 2:
			return `""`
		case kind == 3:
			return "null"
		default:
			return "1"
		}
	}
	for range 2000 {
		r := serviceResult{service: "", result: result(`{"":`+value(0)+`}`, []int32{1 << 30})}
		m, err := explain.Result(r.result)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := r.size(true), proto.Size(m); got < int64(want) {
			t.Errorf("%s: %d, want at least %d", r.result.Parameters, got, want)
		}
		if got, want := r.size(false), len(appendResult(nil, r)); got < int64(want) {
			t.Errorf("%s: %d, want at least %d", r.result.Parameters, got, want)
		}
	}
	s := setup(t, 10)
	explained := s.holder.Current().Ruleset.Explain("svc", engine.Context{
		{Name: "user_id", Value: engine.StringValue("u")}, {Name: "age", Value: engine.NumberValue(20)},
	}, nil)
	m, err := explain.Proto(explained)
	if err != nil {
		t.Fatal(err)
	}
	text, err := jsonCodec{}.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if got := explain.Size(explained); got < int64(len(text)) || got < int64(proto.Size(m)) {
		t.Errorf("%d, want at least %d and %d", got, len(text), proto.Size(m))
	}
}

// TestEqualEntriesShareAMessage holds for what the engine caches.
func TestEqualEntriesShareAMessage(t *testing.T) {
	t.Parallel()
	one := result(`{"a":1}`, []int32{1}, "l")
	entry := evaluateAnswer{results: []serviceResult{{service: "svc", result: one}, {service: "other", result: one}}}
	m, err := (&batchEvaluateAnswer{entries: []evaluateAnswer{entry, entry}}).generated()
	if err != nil {
		t.Fatal(err)
	}
	first := m.GetResponses()[0].GetResults()["svc"]
	for _, r := range m.GetResponses() {
		for service, got := range r.GetResults() {
			if got != first {
				t.Errorf("%s has a message of its own", service)
			}
		}
	}
}
