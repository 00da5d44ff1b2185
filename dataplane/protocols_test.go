package dataplane_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"connectrpc.com/grpcreflect"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/gen/go/strata/serving/v1/servingv1connect"
)

// clients are Connect's clients for every protocol and both versions of HTTP.
func (p *plane) clients() map[string]servingv1connect.EvaluationServiceClient {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols}
	p.t.Cleanup(transport.CloseIdleConnections)
	h2 := &http.Client{Transport: transport}
	all := map[string]servingv1connect.EvaluationServiceClient{}
	add := func(name string, c *http.Client, options ...connect.ClientOption) {
		all[name] = servingv1connect.NewEvaluationServiceClient(c, p.api, options...)
	}
	add("Connect", p.client)
	add("Connect over HTTP/2", h2)
	add("Connect JSON", p.client, connect.WithProtoJSON())
	add("Connect GET", p.client, connect.WithHTTPGet())
	add("Connect JSON GET", h2, connect.WithProtoJSON(), connect.WithHTTPGet())
	add("Connect compressed", p.client, connect.WithSendGzip())
	add("gRPC", h2, connect.WithGRPC())
	add("gRPC JSON", h2, connect.WithGRPC(), connect.WithProtoJSON())
	add("gRPC compressed", h2, connect.WithGRPC(), connect.WithSendGzip())
	add("gRPC-Web", p.client, connect.WithGRPCWeb())
	add("gRPC-Web JSON over HTTP/2", h2, connect.WithGRPCWeb(), connect.WithProtoJSON())
	return all
}

func message[M proto.Message](tb testing.TB, text string, m M) M {
	tb.Helper()
	if err := protojson.Unmarshal([]byte(text), m); err != nil {
		tb.Fatalf("%v in %s", err, text)
	}
	return m
}

func plain(tb testing.TB, data []byte) any {
	tb.Helper()
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		tb.Fatalf("%v in %s", err, data)
	}
	return v
}

func TestOneAnswerOverEveryProtocol(t *testing.T) {
	t.Parallel()
	p := start(t)
	const text = `{"services": ["ranker_svc", "other", "ranker_svc"],
		"context": {"user_id": "user_12345", "country": "US", "age": 25, "tags": ["é", {"a": null}]}, "layers": ["click_experiment", "unknown"]}`
	want := plain(t, []byte(`{"results": {
		"ranker_svc": {"parameters": {"algorithm": "new_model", "timeout": 200}, "vids": [1002], "matched_layers": ["click_experiment"]},
		"other": {"parameters": {}, "vids": [], "matched_layers": []}}, "revision": "1"}`))

	evaluate := servingv1connect.EvaluationServiceEvaluateProcedure
	binary, err := proto.Marshal(message(t, text, new(servingv1.EvaluateRequest)))
	if err != nil {
		t.Fatal(err)
	}
	for name, call := range map[string]func() (int, []byte){
		"the short path": func() (int, []byte) { return p.post("/experiment", text) },
		"the short path, as curl -d has it": func() (int, []byte) {
			return p.do("POST", p.api+"/experiment", "application/x-www-form-urlencoded", []byte(text))
		},
		"the short path, as text": func() (int, []byte) {
			return p.do("POST", p.api+"/experiment", "Text/Plain; charset=utf-8; format=flowed", []byte(text))
		},
		"the short path, without a type": func() (int, []byte) { return p.do("POST", p.api+"/experiment", "", []byte(text)) },
		"POST":                           func() (int, []byte) { return p.post(evaluate, text) },
		"POST with a character set": func() (int, []byte) {
			return p.do("POST", p.api+evaluate, "application/json; charset=UTF-8", []byte(text))
		},
		"GET":           func() (int, []byte) { return p.do("GET", p.api+get(evaluate, "json", text), "", nil) },
		"GET in base64": func() (int, []byte) { return p.do("GET", p.api+getBase64(evaluate, "json", []byte(text)), "", nil) },
	} {
		status, data := call()
		if status != http.StatusOK || !reflect.DeepEqual(plain(t, data), want) {
			t.Errorf("%s: status %d: %s", name, status, data)
		}
	}
	status, data := p.do("GET", p.api+getBase64(evaluate, "proto", binary), "", nil)
	got := new(servingv1.EvaluateResponse)
	if err := proto.Unmarshal(data, got); err != nil || status != http.StatusOK || len(got.GetResults()) != 2 {
		t.Errorf("GET in binary: status %d, %v: %v", status, err, got)
	}

	options := protojson.MarshalOptions{UseProtoNames: true, EmitDefaultValues: true}
	for name, c := range p.clients() {
		response, err := c.Evaluate(t.Context(), message(t, text, new(servingv1.EvaluateRequest)))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		data, err := options.Marshal(response)
		if err != nil {
			t.Fatal(err)
		}
		// Nobody asked for exposures, so in JSON there are none.
		compact := strings.ReplaceAll(string(data), " ", "")
		data = []byte(strings.ReplaceAll(compact, `,"exposures":[],"leaves":[],"branches":[],"ruled":[]`, ""))
		if !reflect.DeepEqual(plain(t, data), want) {
			t.Errorf("%s: got %s", name, data)
		}

		batch, err := c.BatchEvaluate(t.Context(), message(t, `{"requests": [`+text+`, {}]}`, new(servingv1.BatchEvaluateRequest)))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		entries := batch.GetResponses()
		if len(entries) != 2 || !proto.Equal(entries[0], &servingv1.BatchEvaluateResponse_Entry{Results: response.GetResults(), Revision: 1}) ||
			entries[1].GetError().GetReason() != servingv1.ErrorReason_ERROR_REASON_INVALID_REQUEST || entries[1].GetRevision() != 1 {
			t.Errorf("%s: got %v", name, batch)
		}

		explain, err := c.Explain(t.Context(), message(t, text, new(servingv1.ExplainRequest)))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !proto.Equal(explain.GetResults()["ranker_svc"].GetResult(), response.GetResults()["ranker_svc"]) {
			t.Errorf("%s: got %v", name, explain)
		}
	}
}

func TestBatchEvaluate(t *testing.T) {
	t.Parallel()
	p := start(t)
	status, data := p.post(servingv1connect.EvaluationServiceBatchEvaluateProcedure, `{"requests": [
		`+request+`,
		{"services": ["ranker_svc", 7]},
		{"services": ["nobody"], "context": {}},
		{"services": []}]}`)
	invalid := func(message string) string {
		return `{"results": {}, "revision": "1", "error":
			{"code": "invalid_argument", "message": "` + message + `", "reason": "ERROR_REASON_INVALID_REQUEST"}}`
	}
	want := plain(t, []byte(`{"responses": [
		{"results": {"ranker_svc": {"parameters": {"algorithm": "new_model", "timeout": 200}, "vids": [1002], "matched_layers": ["click_experiment"]}}, "revision": "1"},
		`+invalid("services[1]: want a string, got a number")+`,
		{"results": {"nobody": {"parameters": {}, "vids": [], "matched_layers": []}}, "revision": "1"},
		`+invalid("services: want at least one name, got none")+`]}`))
	if status != http.StatusOK || !reflect.DeepEqual(plain(t, data), want) {
		t.Errorf("status %d: %s", status, data)
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	p := start(t)
	explain := servingv1connect.EvaluationServiceExplainProcedure
	with := func(more string) string { return strings.TrimSuffix(request, "}") + more + "}" }
	for _, test := range []struct {
		more, code, reason string
	}{
		{"", "", ""},
		{`, "revision": "1"`, "", ""},
		{`, "revision": 2`, "not_found", "ERROR_REASON_REVISION_NOT_AVAILABLE"},
		{`, "revision": 0`, "invalid_argument", "ERROR_REASON_INVALID_REQUEST"},
		{`, "time": "2020-01-01T00:00:00Z"`, "not_found", "ERROR_REASON_REVISION_NOT_AVAILABLE"},
		{`, "time": "2999-01-01T00:00:00Z"`, "not_found", "ERROR_REASON_REVISION_NOT_AVAILABLE"},
		{`, "context": {}`, "invalid_argument", "ERROR_REASON_INVALID_REQUEST"},
	} {
		status, data := p.post(explain, with(test.more))
		if test.code != "" {
			e := problem(t, data)
			if e.Code != test.code || e.reason() != test.reason {
				t.Errorf("%s: status %d: %s", test.more, status, data)
			}
			continue
		}
		if status != http.StatusOK {
			t.Errorf("%s: status %d: %s", test.more, status, data)
			continue
		}
		m := message(t, string(data), new(servingv1.ExplainResponse))
		layers := m.GetResults()["ranker_svc"].GetLayers()
		if m.GetRevision() != 1 || len(layers) != 1 || layers[0].GetSlot() != 7622 || layers[0].GetKey() != "user_12345" ||
			layers[0].GetOutcome() != servingv1.LayerOutcome_LAYER_OUTCOME_MATCHED || len(layers[0].GetRule().GetChildren()) != 2 {
			t.Errorf("got %s", data)
		}
	}

	// What can not be hashed is skipped, and Explain says so.
	for _, user := range []string{`9007199254740993`, `1.5`, `""`, `null`, `true`, `[1]`} {
		body := `{"services": ["ranker_svc"], "context": {"user_id": ` + user + `, "country": "US", "age": 25}}`
		status, data := p.post(explain, body)
		if status != http.StatusOK {
			t.Errorf("%s: status %d: %s", user, status, data)
			continue
		}
		m := message(t, string(data), new(servingv1.ExplainResponse))
		layer := m.GetResults()["ranker_svc"].GetLayers()[0]
		if layer.GetOutcome() != servingv1.LayerOutcome_LAYER_OUTCOME_NO_KEY || layer.GetDetail() == "" {
			t.Errorf("%s: got %s", user, data)
		}
		if a := p.evaluate(body); len(a.Results["ranker_svc"].VIDs) != 0 {
			t.Errorf("%s: got %v", user, a)
		}
	}
}

func TestReflection(t *testing.T) {
	t.Parallel()
	p := start(t)
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols}
	t.Cleanup(transport.CloseIdleConnections)
	client := grpcreflect.NewClient(&http.Client{Transport: transport}, p.api, connect.WithGRPC())
	stream := client.NewStream(t.Context())
	services, err := stream.ListServices()
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(services)
	want := "[grpc.health.v1.Health strata.serving.v1.ConfigService strata.serving.v1.EvaluationService strata.serving.v1.EventService]"
	if got := fmt.Sprint(services); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	files, err := stream.FileContainingSymbol(servingv1connect.EvaluationServiceName)
	if err != nil || len(files) == 0 {
		t.Errorf("got %v, %v", files, err)
	}
	if _, err := stream.Close(); err != nil {
		t.Error(err)
	}
}
