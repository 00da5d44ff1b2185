package api

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/proto"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"

	"github.com/strata-exp/strata/dataplane/internal/ingest"
	"github.com/strata-exp/strata/internal/obs"
	"github.com/strata-exp/strata/sdk/go/engine"
)

// kept is a sink that keeps batches, or declines them with err.
type kept struct {
	batches []*ingest.Batch
	err     error
}

func (k *kept) Record(_ context.Context, batch *ingest.Batch) error {
	k.batches = append(k.batches, batch)
	return k.err
}

// layered returns a service of two layers, of which the upper one hides a part of
// the lower one, and the sink behind it.
func layered(t *testing.T) (*Service, *kept) {
	t.Helper()
	s := setup(t, 0)
	ruleset, err := engine.Compile(nil, &configv1.Snapshot{
		Revision: 7,
		Layers: []*configv1.Layer{
			{LayerId: "upper", Priority: 2, HashKey: "user_id", Salt: "u", Enabled: true, Ranges: []*configv1.Range{{Start: 0, End: 10_000, Vid: 11}}},
			{LayerId: "lower", Priority: 1, HashKey: "device", Salt: "l", Enabled: true, Ranges: []*configv1.Range{{Start: 0, End: 10_000, Vid: 21}}},
			{LayerId: "under", Priority: 0, HashKey: "user_id", Salt: "l", Enabled: true, Ranges: []*configv1.Range{{Start: 0, End: 10_000, Vid: 31}}},
		},
		Experiments: []*configv1.Experiment{
			{Eid: 1, Service: "svc", Variants: []*configv1.Variant{{Vid: 11, ParamsJson: `{"a":1,"o":{}}`}, {Vid: 12, ParamsJson: `{"c.d":1}`}}},
			{Eid: 2, Service: "svc", Variants: []*configv1.Variant{{Vid: 21, ParamsJson: `{"a":2,"b":2,"o":{"p.q":{}}}`}}},
			{
				Eid: 3, Service: "svc", Variants: []*configv1.Variant{{Vid: 31, ParamsJson: `{"a":3}`}},
				Rule: &configv1.Rule{Op: configv1.Operator_OPERATOR_EQ, Field: "device", Values: []*configv1.Value{{Kind: &configv1.Value_NumberValue{NumberValue: 12}}}},
			},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.holder.Publish(5, ruleset); err != nil {
		t.Fatal(err)
	}
	s.now = func() time.Time { return time.UnixMilli(1_700_000_000_123) }
	sink := new(kept)
	s.sink = ingest.NewCounted(obs.NewRegistry(), sink, func(string) bool { return true })
	return s, sink
}

// wantExposures is what layered exposes user "u" on device 12 to.
func wantExposures() []*servingv1.Exposure {
	upper := &servingv1.Exposure{Service: "svc", LayerId: "upper", HashKey: "user_id", Key: "u", Slot: engine.Slot("u", "u"), Eid: 1, Vid: 11, Epoch: 5, Revision: 7}
	lower := &servingv1.Exposure{Service: "svc", LayerId: "lower", HashKey: "device", Key: "12", Slot: engine.Slot("l", "12"), Eid: 2, Vid: 21, Epoch: 5, Revision: 7}
	under := &servingv1.Exposure{Service: "svc", LayerId: "under", HashKey: "user_id", Key: "u", Slot: engine.Slot("l", "u"), Eid: 3, Vid: 31, Epoch: 5, Revision: 7, Hidden: true}
	return []*servingv1.Exposure{upper, lower, under}
}

// checkExposures compares exposures with those of layered, and looks at what no
// two have in common.
func checkExposures(t *testing.T, got []*servingv1.Exposure) {
	t.Helper()
	want, seen := wantExposures(), map[string]bool{}
	if len(got) != len(want) {
		t.Fatalf("%d exposures, want %d: %v", len(got), len(want), got)
	}
	for i, e := range got {
		if err := protovalidate.Validate(e); err != nil || seen[e.GetInsertId()] || len(e.GetInsertId()) != 36 {
			t.Errorf("exposure %d can not be sent: %v: %v", i, err, e)
		}
		seen[e.GetInsertId()] = true
		if !e.GetTime().AsTime().Equal(time.UnixMilli(1_700_000_000_123)) {
			t.Errorf("exposure %d is of %v", i, e.GetTime().AsTime())
		}
		e = proto.CloneOf(e)
		e.InsertId, e.Time = "", nil
		if !proto.Equal(e, want[i]) {
			t.Errorf("exposure %d:\ngot  %v\nwant %v", i, e, want[i])
		}
	}
}

const layeredContext = `"context":{"user_id":"u","device":12}`

func TestExposuresAreRecorded(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, text string
		batches    int
	}{
		{"by name", `{"services":["svc","other"],"exposures":"EXPOSURE_MODE_RECORD",` + layeredContext + `}`, 1},
		{"by number", `{"services":["svc"],"exposures":1,` + layeredContext + `}`, 1},
		{"without a match", `{"services":["svc"],"exposures":1,"context":{}}`, 0},
		{"unset", `{"services":["svc"],` + layeredContext + `}`, 0},
		{"returned", `{"services":["svc"],"exposures":2,` + layeredContext + `}`, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s, sink := layered(t)
			answer, err := call(s, []byte(test.text), nil)
			if err != nil {
				t.Fatal(err)
			}
			if returned := strings.Contains(string(answer), `"exposures"`); returned != (test.name == "returned") {
				t.Errorf("got %s", answer)
			}
			if len(sink.batches) != test.batches {
				t.Fatalf("%d batches, want %d", len(sink.batches), test.batches)
			}
			for _, batch := range sink.batches {
				checkExposures(t, batch.Exposures)
			}
		})
	}
}

// TestExposuresOfABatch records those of each request by itself, and none of one
// that is refused.
func TestExposuresOfABatch(t *testing.T) {
	t.Parallel()
	s, sink := layered(t)
	r := new(batchEvaluateRequest)
	decodeBatch(`{"requests":[
		{"services":["svc"],"exposures":1,`+layeredContext+`},
		{"services":["svc",""],"exposures":1,`+layeredContext+`},
		{"services":["svc"],"exposures":3,`+layeredContext+`},
		{"services":["svc"],`+layeredContext+`},
		{"services":["svc"],"exposures":"EXPOSURE_MODE_RECORD",`+layeredContext+`}]}`, r)
	answer, err := s.batchEvaluate(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"", "services[1]: want a name of 1 to 256 bytes, got 0", "exposures: want " + exposureModes + ", got 3", "", ""} {
		if got := answer.entries[i].err.GetMessage(); got != want {
			t.Errorf("entry %d: got %q, want %q", i, got, want)
		}
	}
	if len(sink.batches) != 2 {
		t.Fatalf("%d batches, want 2", len(sink.batches))
	}
	for _, batch := range sink.batches {
		checkExposures(t, batch.Exposures)
	}
}

// TestEvaluationsOutliveTheSink answers though nobody takes the exposures.
func TestEvaluationsOutliveTheSink(t *testing.T) {
	t.Parallel()
	s, sink := layered(t)
	sink.err = errors.New("full")
	if _, err := call(s, []byte(`{"services":["svc"],"exposures":1,`+layeredContext+`}`), nil); err != nil {
		t.Error(err)
	}
}

func TestExposuresAreReturned(t *testing.T) {
	t.Parallel()
	s, _ := layered(t)
	request := &servingv1.EvaluateRequest{Services: []string{"svc", "other"}, Exposures: servingv1.ExposureMode_EXPOSURE_MODE_RETURN}
	r := new(evaluateRequest)
	decodeEvaluate(`{`+layeredContext+`,"services":["svc","other"]}`, r)
	r.exposures = request.GetExposures()
	answer, err := s.evaluate(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	m, err := answer.generated()
	if err != nil {
		t.Fatal(err)
	}
	result := m.GetResults()["svc"]
	checkExposures(t, result.GetExposures())
	wantLeaves := []*servingv1.Leaf{
		{Path: "a", Winner: 0, Exposed: []int32{0}, Hidden: []int32{1, 2}},
		{Path: "b", Winner: 1, Exposed: []int32{1}},
		{Path: `c\.d`, Winner: -1, Exposed: []int32{0}},
	}
	if !slices.EqualFunc(result.GetLeaves(), wantLeaves, func(a, b *servingv1.Leaf) bool { return proto.Equal(a, b) }) {
		t.Errorf("got  %v\nwant %v", result.GetLeaves(), wantLeaves)
	}
	wantBranches := []*servingv1.Branch{{Path: "o", Winner: 0}, {Path: `o.p\.q`, Winner: 1}}
	if !slices.EqualFunc(result.GetBranches(), wantBranches, func(a, b *servingv1.Branch) bool { return proto.Equal(a, b) }) {
		t.Errorf("got  %v\nwant %v", result.GetBranches(), wantBranches)
	}
	if want := []int32{2}; !slices.Equal(result.GetRuled(), want) {
		t.Errorf("got %v, want %v", result.GetRuled(), want)
	}
	if other := m.GetResults()["other"]; len(other.GetExposures())+len(other.GetLeaves())+len(other.GetBranches()) > 0 {
		t.Errorf("nobody matched: %v", other)
	}
	for _, r := range answer.results {
		if got, want := r.size(true), proto.Size(m.GetResults()[r.service]); got < int64(want) {
			t.Errorf("%s: %d, want at least %d", r.service, got, want)
		}
		if got, want := r.size(false), len(appendResult(nil, r)); got < int64(want) {
			t.Errorf("%s: %d, want at least %d", r.service, got, want)
		}
	}
}
