package api

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/internal/attributes"
	"github.com/strata-exp/strata/sdk/go/engine"
	"github.com/strata-exp/strata/sdk/go/engine/jsonscan"
)

// plain parses JSON into plain Go values.
func plain(tb testing.TB, text []byte) any {
	tb.Helper()
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		tb.Fatalf("%v in %s", err, text)
	}
	return v
}

func result(parameters string, vids []int32, layers ...string) *engine.Result {
	if layers == nil {
		layers = []string{}
	}
	return &engine.Result{Parameters: parameters, VIDs: vids, MatchedLayers: layers}
}

// onDemand are the fields of results that are not there where nobody asked for
// exposures.
var onDemand = []string{"exposures", "leaves", "branches", "ruled"}

// withoutEmpty takes those of them that are empty out of results.
func withoutEmpty(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			if list, ok := member.([]any); ok && len(list) == 0 && slices.Contains(onDemand, name) {
				delete(v, name)
				continue
			}
			withoutEmpty(member)
		}
	case []any:
		for _, item := range v {
			withoutEmpty(item)
		}
	}
	return v
}

// TestJSONIsThatOfProtobuf compares what is appended by hand with what protojson
// makes of the generated messages, which come from the other codec.
func TestJSONIsThatOfProtobuf(t *testing.T) {
	t.Parallel()
	answers := []*evaluateAnswer{
		{revision: math.MaxInt64},
		{revision: 1, results: []serviceResult{{service: "svc", result: result("{}", []int32{})}}},
		{revision: 2, results: []serviceResult{
			{service: "quote\" \\ \n \u2028 é \U0001f600", result: result(`{"a":[1,-2.5e-7,"x\u0000\n",null,true,{}],"é":{"b":{}}}`, []int32{1, math.MaxInt32}, "l\t", "é")},
			{service: "other", result: result(`{"n":9007199254740991}`, []int32{3}, "l")},
		}},
		{revision: 5, results: []serviceResult{{service: "svc", result: result(`{"a":1}`, []int32{1, 2}, "l", "m"), returned: &returned{
			exposures: []*servingv1.Exposure{
				{
					InsertId: "6b1c1b5a-2d43-4b4c-9a26-0d9c7e5d2f11", Time: timestamppb.New(time.UnixMilli(1_700_000_000_120)), Service: "svc",
					LayerId: "l\t", HashKey: "user_id", Key: "é\"", Slot: 9999, Eid: 1, Vid: math.MaxInt32,
					Epoch: math.MaxInt64, Revision: 5, Path: `a\.b`, Hidden: true,
				},
				{Time: timestamppb.New(time.Unix(1_700_000_000, 0))},
			},
			leaves: []engine.Leaf{
				{Path: "a", Reading: &engine.Reading{Exposed: []int32{0, 1}}},
				{Path: `b\\`, Reading: &engine.Reading{Winner: -1, Exposed: []int32{0}, Hidden: []int32{1}}},
			},
			branches: []*servingv1.Branch{{Path: `c\.d`, Winner: 1}, {Path: "e"}}, ruled: []int32{0, 1},
		}}}},
	}
	options := protojson.MarshalOptions{UseProtoNames: true, EmitDefaultValues: true}
	compare := func(codec []byte, m proto.Message, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		want, err := options.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := plain(t, codec), withoutEmpty(plain(t, want)); !reflect.DeepEqual(got, want) {
			t.Errorf("got  %v\nwant %v", got, want)
		}
	}
	batch := &batchEvaluateAnswer{}
	for _, a := range answers {
		got, err := jsonCodec{}.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		m, err := a.generated()
		compare(got, m, err)
		batch.entries = append(batch.entries, *a)
	}
	batch.entries = append(batch.entries, evaluateAnswer{revision: 4, err: &servingv1.Error{
		Code: "invalid_argument", Message: `services[0]: "x"`, Reason: servingv1.ErrorReason_ERROR_REASON_INVALID_REQUEST,
	}})
	got, err := jsonCodec{}.MarshalAppend([]byte("before"), batch)
	if err != nil {
		t.Fatal(err)
	}
	m, err := batch.generated()
	compare([]byte(strings.TrimPrefix(string(got), "before")), m, err)
}

func TestProtoCodec(t *testing.T) {
	t.Parallel()
	answer := &evaluateAnswer{revision: 3, results: []serviceResult{{service: "svc", result: result(`{"a":[1,"x"]}`, []int32{1}, "l")}}}
	data, err := protoCodec{}.Marshal(answer)
	if err != nil {
		t.Fatal(err)
	}
	got := new(servingv1.EvaluateResponse)
	if err := proto.Unmarshal(data, got); err != nil {
		t.Fatal(err)
	}
	want, _ := structpb.NewStruct(map[string]any{"a": []any{1, "x"}})
	if !proto.Equal(got, &servingv1.EvaluateResponse{Revision: 3, Results: map[string]*servingv1.ServiceResult{
		"svc": {Parameters: want, Vids: []int32{1}, MatchedLayers: []string{"l"}},
	}}) {
		t.Errorf("got %v", got)
	}
	if _, err := (protoCodec{}).Marshal(7); err == nil {
		t.Error("it marshals anything")
	}
}

func TestProtoCodecRefuses(t *testing.T) {
	t.Parallel()
	deep := structpb.NewNumberValue(1)
	for range attributes.MaxDepth + 1 {
		deep = structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{deep}})
	}
	context := func(v *structpb.Value) []byte {
		data, err := proto.Marshal(&servingv1.EvaluateRequest{
			Services: []string{"a"}, Context: &structpb.Struct{Fields: map[string]*structpb.Value{"a": v}},
		})
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	list := func(v *structpb.Value) *structpb.Value {
		return structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{v}})
	}
	for _, test := range []struct {
		name string
		data []byte
		want string
	}{
		{"NaN", context(structpb.NewNumberValue(math.NaN())), "context.a: want a finite number, got NaN"},
		{"infinity", context(structpb.NewNumberValue(math.Inf(-1))), "context.a: want a finite number, got -Inf"},
		{"nested", context(list(structpb.NewNumberValue(math.Inf(1)))), "context.a: want a finite number, got +Inf"},
		{"no kind", context(&structpb.Value{}), "context.a: want a value, got one without a kind"},
		{"no kind inside", context(list(&structpb.Value{})), "context.a: want a value, got one without a kind"},
		{"deep", context(deep), "context.a: nested deeper than 198 levels"},
		{"deep, but not too", context(deep.GetListValue().GetValues()[0]), ""},
		{"not UTF-8", []byte("\x0a\x01\xff"), "body: not a valid message: string field contains invalid UTF-8"},
		{"cut off", []byte("\x0a\x05a"), "body: not a valid message: cannot parse invalid wire-format data"},
		{"a bomb", bomb(t), "body: not a valid message: "},
	} {
		var r evaluateRequest
		if err := (protoCodec{}).Unmarshal(test.data, &r); err != nil {
			t.Fatal(err)
		}
		if got := violations(r.err)[0]; test.want == "" && r.err != nil || !strings.HasPrefix(got, test.want) {
			t.Errorf("%s: got %s", test.name, got)
		}
	}
}

// bomb is a request with a list nested deeper than protobuf reads.
func bomb(t *testing.T) []byte {
	t.Helper()
	data := []byte{}
	field := func(number int) {
		length := []byte{}
		n := len(data)
		for n >= 0x80 {
			length = append(length, byte(n)|0x80)
			n >>= 7
		}
		length = append(length, byte(n))
		data = slices.Concat([]byte{byte(number<<3 | 2)}, length, data)
	}
	for range 6000 {
		field(6) // Value.list_value
		field(1) // ListValue.values
	}
	field(6)
	field(2)                                         // of the entry of the map
	data = append([]byte{1<<3 | 2, 1, 'a'}, data...) // its key
	field(1)                                         // Struct.fields
	field(2)                                         // EvaluateRequest.context
	return data
}

// TestLimitsAreThoseOfTheProto compares the checks by hand with those that the
// proto declares.
func TestLimitsAreThoseOfTheProto(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	pick := func(from ...int) int { return from[random.IntN(len(from))] }
	names := func(n int, sizes ...int) []string {
		list := make([]string, n)
		for i := range list {
			list[i] = strings.Repeat("é", pick(sizes...)/2) + strings.Repeat("a", pick(0, 1))
		}
		return list
	}
	refused := 0
	for range 400 {
		m := &servingv1.EvaluateRequest{
			Services: names(pick(0, 1, 2, 99, 100, 101), 2, 254, 256),
			Layers:   names(pick(0, 1, 999, 1000, 1001), 0, 2, 400),

			Exposures: servingv1.ExposureMode(pick(0, 0, 0, 1, 2, 2, 3, -1)),
		}
		if random.IntN(2) == 0 { // or most would be refused for a name
			for i := range m.Services {
				m.Services[i] = "svc"
			}
		}
		want := protovalidate.Validate(m)
		data, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		var r evaluateRequest
		_ = protoCodec{}.Unmarshal(data, &r)
		if got := r.check(); (got == nil) != (want == nil) {
			t.Fatalf("by hand: %v\nby the proto: %v", got, want)
		}
		if want != nil {
			refused++
		}

		explain := &servingv1.ExplainRequest{Services: m.Services, Layers: m.Layers}
		if n := pick(-1, 0, 1, 2); n < 2 {
			explain.At = &servingv1.ExplainRequest_Revision{Revision: int64(n)}
		}
		data, err = proto.Marshal(explain)
		if err != nil {
			t.Fatal(err)
		}
		want = protovalidate.Validate(explain)
		var e explainRequest
		_ = protoCodec{}.Unmarshal(data, &e)
		if got := e.check(); (got == nil) != (want == nil) {
			t.Fatalf("by hand: %v\nby the proto: %v", got, want)
		}
	}
	if refused < 60 || refused > 340 {
		t.Errorf("%d of 400 were refused, so one side was hardly tested", refused)
	}
	for _, n := range []int{0, 1, 1000, 1001} {
		m := &servingv1.BatchEvaluateRequest{Requests: make([]*servingv1.EvaluateRequest, n)}
		for i := range m.Requests {
			m.Requests[i] = &servingv1.EvaluateRequest{}
		}
		data, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		var r batchEvaluateRequest
		_ = protoCodec{}.Unmarshal(data, &r)
		if got, want := r.check(), protovalidate.Validate(m); (got == nil) != (want == nil) {
			t.Errorf("%d requests: by hand: %v\nby the proto: %v", n, got, want)
		}
	}
	var r evaluateRequest
	r.services = []string{"a"}
	r.context = make(engine.Context, 1001)
	if r.check() == nil {
		t.Error("1,001 attributes were taken")
	}
}

// same reports whether two requests are the same, whichever codec they are from.
func same(tb testing.TB, a, b *evaluateRequest) bool {
	tb.Helper()
	values := func(context engine.Context) map[string]any {
		m := map[string]any{}
		for _, a := range context {
			m[a.Name] = plain(tb, a.Value.AppendJSON(nil))
		}
		return m
	}
	return a.exposures == b.exposures && slices.Equal(a.services, b.services) && slices.Equal(a.layers, b.layers) &&
		reflect.DeepEqual(values(a.context), values(b.context))
}

// FuzzDecodeEvaluate compares the decoder with protojson: what both take must
// mean the same.
func FuzzDecodeEvaluate(f *testing.F) {
	for _, seed := range []string{
		`{"services": ["ranker_svc"], "context": {"user_id": "user_12345", "country": "US", "age": 25}, "layers": []}`,
		`{"services": ["a", "\ud83d\ude00"], "context": {"l": [1, {"a": null}], "o": {"b": -1.5e-3}}, "layers": null}`,
		`{"context": {"a": 1e400}}`,
		`{"context": {"a": -0, "b": 9007199254740993}}`,
		`{"services": ["a"], "exposures": "EXPOSURE_MODE_RETURN"}`, `{"exposures": 1}`, `{"exposures": "2"}`, `{"exposures": null}`,
		`{"services": [1]}`, `{"services": ["a"], "services": []}`, `[]`, `{`, ``,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var ours, theirs evaluateRequest
		decodeEvaluate(text, &ours)
		m := new(servingv1.EvaluateRequest)
		if err := protojson.Unmarshal([]byte(text), m); err != nil || ours.err != nil {
			return
		}
		theirs.from(m)
		if theirs.err != nil {
			t.Fatalf("%q: only the decoder takes it: %v", text, theirs.err)
		}
		if !same(t, &ours, &theirs) {
			t.Errorf("%q:\nours   %+v\ntheirs %+v", text, ours, theirs)
		}
	})
}

// FuzzDecodeBatch checks that a request is read in a batch as it is alone.
func FuzzDecodeBatch(f *testing.F) {
	f.Add(`{"services": ["a"], "context": {"b": [1]}}`)
	f.Add(`{"services": [1], "context": {"b": [1]}}`)
	f.Add(`7`)
	f.Fuzz(func(t *testing.T, text string) {
		var alone evaluateRequest
		decodeEvaluate(text, &alone)
		var batch batchEvaluateRequest
		decodeBatch(`{"requests":[{"services":["x"]},`+text+`,{"services":["y"]}]}`, &batch)
		if batch.err != nil {
			return // no JSON, or nested too deep two levels further down
		}
		if s := jsonscan.New(text); s.Skip() == "" || !s.End() {
			return // such as `{},{}`, which is two entries
		}
		if len(batch.requests) != 3 || batch.requests[2].services[0] != "y" {
			t.Fatalf("%q: got %+v", text, batch.requests)
		}
		entry := &batch.requests[1]
		if fmt.Sprint(entry.err) != fmt.Sprint(alone.err) || alone.err == nil && !same(t, entry, &alone) {
			t.Errorf("%q: got %+v, alone %+v", text, entry, alone)
		}
	})
}
