package ingest

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/sdk/go/engine/jsonscan"
)

func exposure() *servingv1.Exposure {
	return &servingv1.Exposure{
		InsertId: "i", Time: timestamppb.New(time.Unix(1_700_000_000, 0)), Service: "svc", LayerId: "l", HashKey: "user_id", Key: "u",
		Slot: 1, Eid: 1, Vid: 1, Epoch: 1, Revision: 1, Path: "a",
	}
}

func event() *servingv1.Event {
	return &servingv1.Event{
		InsertId: "i", Time: timestamppb.New(time.Unix(1_700_000_000, 0)), Name: "checkout",
		Units: map[string]string{"user_id": "u"}, Value: new(1.5),
	}
}

// TestLimitsAreThoseOfTheProto compares the checks by hand with those that the
// proto declares, on entries of which each field may be at or beyond a limit.
func TestLimitsAreThoseOfTheProto(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	seldom := func() bool { return random.IntN(12) == 0 }
	text := func(sizes ...int) string {
		n := sizes[random.IntN(len(sizes))]
		return strings.Repeat("é", n/2) + strings.Repeat("a", n%2)
	}
	number := func(from ...int64) int64 { return from[random.IntN(len(from))] }
	refused := 0
	compare := func(m proto.Message, got problem) {
		t.Helper()
		want := protovalidate.Validate(m)
		if (got.text == "") != (want == nil) {
			t.Fatalf("by hand: %v\nby the proto: %v\n%v", got, want, m)
		}
		if want != nil {
			refused++
		}
	}
	const rounds = 2000
	for range rounds {
		e := exposure()
		for _, field := range []struct {
			set   *string
			sizes []int
		}{
			{&e.InsertId, []int{0, 1, 64, 65}},
			{&e.Service, []int{0, 1, 256, 257}},
			{&e.LayerId, []int{0, 1, 256, 257}},
			{&e.HashKey, []int{0, 1, 256, 257}},
			{&e.Key, []int{0, 1, 4096, 4097}},
			{&e.Path, []int{0, 1, 4096, 4097}},
		} {
			if seldom() {
				*field.set = text(field.sizes...)
			}
		}
		if seldom() {
			e.Time = nil
		}
		for _, set := range []*int32{&e.Slot, &e.Eid, &e.Vid} {
			if seldom() {
				*set = int32(number(math.MinInt32, -1, 0, 1, 9999, 10_000, math.MaxInt32))
			}
		}
		for _, set := range []*int64{&e.Epoch, &e.Revision} {
			if seldom() {
				*set = number(math.MinInt64, -1, 0, math.MaxInt64)
			}
		}
		compare(e, checkExposure(e))

		v := event()
		if seldom() {
			v.InsertId = text(0, 1, 64, 65)
		}
		if seldom() {
			v.Name = text(0, 1, 256, 257)
		}
		if seldom() {
			v.Time = nil
		}
		if seldom() {
			v.Units = map[string]string{}
			for i := range number(0, 1, 16, 17) {
				v.Units[strconv.FormatInt(i, 10)] = "u"
			}
		}
		if seldom() {
			v.Units[text(0, 1, 256, 257)] = text(0, 1, 4096, 4097)
		}
		if seldom() {
			v.Value = []*float64{nil, new(0.0), new(math.NaN()), new(math.Inf(1)), new(math.Inf(-1)), new(math.MaxFloat64)}[random.IntN(6)]
		}
		compare(v, checkEvent(v))
	}
	if refused < rounds/4 || refused > 2*rounds*3/4 {
		t.Errorf("%d of %d were refused, so one side was hardly tested", refused, 2*rounds)
	}
	for _, n := range []int{0, 1, 1000, 1001} {
		for _, client := range []string{"", strings.Repeat("c", 256), strings.Repeat("c", 257)} {
			m := &servingv1.RecordRequest{Exposures: make([]*servingv1.Exposure, n), Client: client}
			for i := range m.Exposures {
				m.Exposures[i] = new(servingv1.Exposure)
			}
			r := decoded(t, m)
			// None at all is refused too, which the proto says in words.
			if got, want := r.check(), protovalidate.Validate(m); (got == nil) != (want == nil) && n > 0 || n == 0 && got == nil {
				t.Errorf("%d entries: by hand: %v\nby the proto: %v", n, got, want)
			}
		}
	}
}

// decoded is a request as it comes in.
func decoded(t *testing.T, m *servingv1.RecordRequest) *request {
	t.Helper()
	data, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	r := new(request)
	if err := (protoCodec{}).Unmarshal(data, r); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestBothListsCountTogether is what protovalidate does not say.
func TestBothListsCountTogether(t *testing.T) {
	t.Parallel()
	m := &servingv1.RecordRequest{}
	for range 500 {
		m.Exposures, m.Events = append(m.Exposures, exposure()), append(m.Events, event())
	}
	if err := decoded(t, m).check(); err != nil {
		t.Error(err)
	}
	m.Events = append(m.Events, event())
	if decoded(t, m).check() == nil {
		t.Error("1,001 entries were taken")
	}
}

func TestTimesHaveToBeReal(t *testing.T) {
	t.Parallel()
	e := exposure()
	e.Time = &timestamppb.Timestamp{Seconds: math.MaxInt64}
	if got := checkExposure(e); got != (problem{"time", "want a time between the years 1 and 9999"}) {
		t.Errorf("got %v", got)
	}
}

func TestProperties(t *testing.T) {
	t.Parallel()
	list := func(v *structpb.Value) *structpb.Value {
		return structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{v}})
	}
	deep := structpb.NewNullValue()
	for range maxDepth - 1 {
		deep = list(deep)
	}
	one := func(v *structpb.Value) *structpb.Struct {
		return &structpb.Struct{Fields: map[string]*structpb.Value{"a": v}}
	}
	room := maxProperties - len(`{"a":""}`)
	for _, test := range []struct {
		name       string
		properties *structpb.Struct
		want       string
	}{
		{"absent", nil, ""},
		{"empty", &structpb.Struct{}, ""},
		{"just fits", one(structpb.NewStringValue(strings.Repeat("x", room))), ""},
		{"one byte more", one(structpb.NewStringValue(strings.Repeat("x", room+1))), "want at most 16 KiB of JSON text, got more"},
		{"escaped", one(structpb.NewStringValue(strings.Repeat("\n", room/2+1))), "want at most 16 KiB of JSON text, got more"},
		{"much more", one(structpb.NewStringValue(strings.Repeat("x", 1<<20))), "want at most 16 KiB of JSON text, got more"},
		{"NaN", one(list(structpb.NewNumberValue(math.NaN()))), "want finite numbers, got one that is not"},
		{"no kind", one(&structpb.Value{}), "want values, got one without a kind"},
		{"deep", one(deep), ""},
		{"too deep", one(list(deep)), "want at most 64 levels, got more"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			e := event()
			e.Properties = test.properties
			if got := checkEvent(e).text; got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// TestMeasure compares the measure with JSON text.
func TestMeasure(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`{}`, `{"a":1}`, `{"a":"b\n\"é","b":[],"c":[1,2.5,{"x":{}}],"d":null,"e":true,"f":false}`, `{"a":{"b":{"c":[[],[[]]]}}}`,
	} {
		s := new(structpb.Struct)
		if err := json.Unmarshal([]byte(text), s); err != nil {
			t.Fatal(err)
		}
		m := measure{left: 1000}
		m.object(s, 1)
		if got := 1000 - m.left; got != len(text) {
			t.Errorf("%s: %d bytes, want %d", text, got, len(text))
		}
	}
}

// TestOneBadEntryIsRefusedAlone in both forms, with where it is.
func TestOneBadEntryIsRefusedAlone(t *testing.T) {
	t.Parallel()
	bad := exposure()
	bad.InsertId, bad.Slot = "bad", 10_000
	nameless := event()
	nameless.Name = ""
	for name, r := range map[string]*request{
		"binary": decoded(t, &servingv1.RecordRequest{
			Exposures: []*servingv1.Exposure{exposure(), bad, exposure()}, Events: []*servingv1.Event{nameless, event()},
		}),
		"JSON": scanned(t, `{"exposures":[`+exposureText+`,{"insert_id":"bad","slot":10000,`+rest+`,`+exposureText+`],
			"events":[{"insert_id":"i","time":"2026-01-31T12:00:00Z","units":{"user_id":"u"}},
				{"insert_id":"j","time":"2026-01-31T12:00:00Z","name":"checkout","units":{"user_id":"u"}}]}`),
	} {
		if err := r.check(); err != nil {
			t.Fatal(err)
		}
		exposures, refused := sift("exposures", r.exposures, checkExposure)
		events, more := sift("events", r.events, checkEvent)
		if len(exposures) != 2 || len(events) != 1 || len(refused) != 1 || len(more) != 1 {
			t.Fatalf("%s: %v, %v, %v, %v", name, exposures, events, refused, more)
		}
		if refused[0].GetInsertId() != "bad" || refused[0].GetProblem() != "exposures[1].slot: want 0 to 9999, got 10000" {
			t.Errorf("%s: got %v", name, refused[0])
		}
		if more[0].GetInsertId() != "i" || more[0].GetProblem() != "events[0].name: want 1 to 256 bytes, got none" {
			t.Errorf("%s: got %v", name, more[0])
		}
	}
}

const (
	rest         = `"time":"2026-01-31T12:00:00Z","service":"svc","layer_id":"l","hash_key":"user_id","key":"u","eid":1,"vid":1,"epoch":"1","revision":"1"}`
	exposureText = `{"insert_id":"i","slot":1,` + rest
)

func scanned(t *testing.T, text string) *request {
	t.Helper()
	r := new(request)
	if err := (jsonCodec{}).Unmarshal([]byte(text), r); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestUnreadableEntriesAreRefusedAlone is for JSON, where an entry can be read or
// not by itself.
func TestUnreadableEntriesAreRefusedAlone(t *testing.T) {
	t.Parallel()
	r := scanned(t, `{"client":"c/1","exposures":[7,null,{"slot":"many"},{"slot":1,"slot":2},`+exposureText+`]}`)
	if err := r.check(); err != nil || r.client != "c/1" {
		t.Fatal(err, r.client)
	}
	good, refused := sift("exposures", r.exposures, checkExposure)
	if len(good) != 1 || len(refused) != 4 {
		t.Fatalf("took %v, refused %v", good, refused)
	}
	for i, refusal := range refused {
		if at := fmt.Sprintf("exposures[%d]: ", i); !strings.HasPrefix(refusal.GetProblem(), at) || len(refusal.GetProblem()) == len(at) {
			t.Errorf("got %q, want %s...", refusal.GetProblem(), at)
		}
	}
}

// TestNewerEntriesAreTaken without what is not known here, as in protobuf.
func TestNewerEntriesAreTaken(t *testing.T) {
	t.Parallel()
	r := scanned(t, `{"exposures":[{"insert_id":"i","slot":1,"later":{"a":[1]},`+rest+`,{"insert_id":"j","later":1,"slot":10000,`+rest+`],
		"events":[{"insert_id":"k","time":"2026-01-31T12:00:00Z","name":"checkout","units":{"user_id":"u"},"later":null}]}`)
	if err := r.check(); err != nil {
		t.Fatal(err)
	}
	exposures, refused := sift("exposures", r.exposures, checkExposure)
	events, more := sift("events", r.events, checkEvent)
	if len(exposures) != 1 || exposures[0].GetInsertId() != "i" || len(events) != 1 || len(more) != 0 {
		t.Errorf("took %v and %v, refused %v", exposures, events, more)
	}
	if len(refused) != 1 || refused[0].GetInsertId() != "j" || refused[0].GetProblem() != "exposures[1].slot: want 0 to 9999, got 10000" {
		t.Errorf("refused %v", refused)
	}
}

func TestMalformedBatches(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		``:                          "body: not valid JSON at byte 0: ",
		`[]`:                        "body: want an object, got a list",
		`{"exposures":[}`:           "body: not valid JSON at byte 14: ",
		`{"exposures":7}`:           "exposures: want a list, got a number",
		`{"events":{}}`:             "events: want a list, got an object",
		`{"client":7}`:              "client: want a string, got a number",
		`{"batch":[]}`:              "batch: unknown field, want exposures, events or client",
		`{"events":[],"events":[]}`: "events: stands twice",
		`{"exposures":[]}`:          "exposures: want 1 to 1000 entries in exposures and events together, got none",
		`{"exposures":null} {}`:     "body: not valid JSON at byte 19: ",
		`{"events":[` + strings.Repeat("{},", 1000) + `{}]}`: "events: want 1 to 1000 entries in exposures and events together, got more",
	} {
		r := scanned(t, text)
		if err := r.check(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%.40s: got %v, want %s", text, err, want)
		}
	}
	r := new(request)
	_ = protoCodec{}.Unmarshal([]byte("\x0a\x05a"), r)
	if err := r.check(); err == nil || !strings.HasPrefix(err.Error(), "body: not a valid message: ") {
		t.Errorf("got %v", err)
	}
}

// FuzzScan reads any text as a batch, and as an entry of one: neither may panic,
// and what is no JSON is never taken.
func FuzzScan(f *testing.F) {
	f.Add(`{"exposures":[` + exposureText + `]}`)
	f.Add(`{"events":[{"insert_id":"i","time":"2026-01-31T12:00:00Z","name":"n","units":{"a":"b"},"properties":{"a":[1]}}]}`)
	f.Add(`{"client":"\ud83d\ude00","events":[null]}`)
	f.Fuzz(func(t *testing.T, text string) {
		r := new(request)
		err := scan(text, r)
		if s := jsonscan.New(text); err == nil && (s.Skip() == "" || !s.End()) {
			t.Errorf("%q was taken", text)
		}
		r = new(request)
		if err := scan(`{"exposures":[`+text+`]}`, r); err != nil {
			return
		}
		for _, e := range r.exposures {
			if e.fault == "" {
				checkExposure(e.entry)
			}
		}
	})
}
