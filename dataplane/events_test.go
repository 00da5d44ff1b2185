package dataplane_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/strata-exp/strata/dataplane"
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/gen/go/strata/serving/v1/servingv1connect"
	"github.com/strata-exp/strata/sdk/go/accesskey"
)

const recordPath = servingv1connect.EventServiceRecordProcedure

func anExposure() *servingv1.Exposure {
	return &servingv1.Exposure{
		InsertId: "i", Time: timestamppb.New(time.Unix(1_700_000_000, 0)), Service: "ranker_svc", LayerId: "click_experiment",
		HashKey: "user_id", Key: "user_12345", Slot: 7622, Eid: 100, Vid: 1002, Revision: 1,
	}
}

// TestRecordOverEveryProtocol sends a batch of which one entry is malformed.
func TestRecordOverEveryProtocol(t *testing.T) {
	t.Parallel()
	p := start(t)
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols}
	t.Cleanup(transport.CloseIdleConnections)
	bad := anExposure()
	bad.InsertId, bad.Slot = "bad", -1
	request := &servingv1.RecordRequest{
		Exposures: []*servingv1.Exposure{anExposure(), bad},
		Events: []*servingv1.Event{{
			InsertId: "j", Time: timestamppb.Now(), Name: "checkout", Units: map[string]string{"user_id": "user_12345"}, Value: new(9.5),
		}},
		Client: "test/1",
	}
	calls := 0
	for name, options := range map[string][]connect.ClientOption{
		"Connect": nil, "Connect JSON": {connect.WithProtoJSON()}, "Connect compressed": {connect.WithSendGzip()},
		"gRPC": {connect.WithGRPC()}, "gRPC-Web JSON": {connect.WithGRPCWeb(), connect.WithProtoJSON()},
	} {
		client := servingv1connect.NewEventServiceClient(&http.Client{Transport: transport}, p.api, options...)
		answer, err := client.Record(t.Context(), request)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		calls++
		if r := answer.GetRefusals(); len(r) != 1 || r[0].GetInsertId() != "bad" || r[0].GetProblem() != "exposures[1].slot: want 0 to 9999, got -1" {
			t.Errorf("%s: got %v", name, r)
		}
		_, err = client.Record(t.Context(), &servingv1.RecordRequest{})
		if connect.CodeOf(err) != connect.CodeInvalidArgument || !strings.Contains(err.Error(), "want 1 to 1000 entries") {
			t.Errorf("%s: an empty batch: %v", name, err)
		}
	}
	for metric, want := range map[string]int{
		`strata_exposures_total{hidden="false",service="ranker_svc"}`: calls,
		`strata_events_total`:         calls,
		`strata_event_refusals_total`: calls,
		`experiment_requests_total{procedure="strata.serving.v1.EventService/Record"}`:                             2 * calls,
		`strata_request_failures_total{code="invalid_argument",procedure="strata.serving.v1.EventService/Record"}`: calls,
		`experiment_request_duration_seconds_count{procedure="strata.serving.v1.EventService/Record"}`:             2 * calls,
	} {
		if got := p.metric(metric); got != strconv.Itoa(want) {
			t.Errorf("%s is %s, want %d", metric, got, want)
		}
	}
}

// TestRecordedExposuresAreCounted for what evaluations record by themselves.
func TestRecordedExposuresAreCounted(t *testing.T) {
	t.Parallel()
	var log syncBuffer
	p := start(t, func(c *dataplane.Config) {
		c.Log = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	recorded := strings.Replace(request, `{`, `{"exposures": "EXPOSURE_MODE_RECORD", `, 1)
	for path, body := range map[string]string{
		"/experiment": recorded,
		servingv1connect.EvaluationServiceBatchEvaluateProcedure: `{"requests":[` + recorded + `,` + recorded + `,` + request + `]}`,
	} {
		if status, data := p.post(path, body); status != http.StatusOK || strings.Contains(string(data), "exposures") {
			t.Errorf("%s: %d %s", path, status, data)
		}
	}
	if got := p.metric(`strata_exposures_total{hidden="false",service="ranker_svc"}`); got != "3" {
		t.Errorf("%s exposures, want 3", got)
	}
	if got := strings.Count(log.String(), `"key":"user_12345","slot":7622,"eid":100,"vid":1002`); got != 3 {
		t.Errorf("%d exposures in the log, want 3: %s", got, &log)
	}
}

// TestSignedRecords are let through only if the signature holds.
func TestSignedRecords(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	u.publish(1, "a")
	p := follow(t, "http://"+u.addr, "control-plane", u.key)
	p.until(`"status":"healthy"`)
	stranger, err := accesskey.Generate()
	if err != nil {
		t.Fatal(err)
	}
	batch := &servingv1.RecordRequest{Exposures: []*servingv1.Exposure{anExposure()}}
	call := func(key *accesskey.Key, audience string) error {
		transport := p.client.Transport
		if key != nil {
			transport = &accesskey.Transport{Key: key, Audience: audience, Next: transport}
		}
		_, err := servingv1connect.NewEventServiceClient(&http.Client{Transport: transport}, p.api).Record(t.Context(), batch)
		return err
	}
	for name, err := range map[string]error{"unsigned": call(nil, ""), "signed": call(u.key, "data-plane")} {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, err := range map[string]error{"a stranger": call(stranger, "data-plane"), "for another server": call(u.key, "control-plane")} {
		if connect.CodeOf(err) != connect.CodeUnauthenticated {
			t.Errorf("%s: %v", name, err)
		}
	}
	status, _ := p.do(http.MethodPost, p.api+recordPath, "application/json", []byte(`{}`))
	if status != http.StatusBadRequest {
		t.Errorf("nothing to record: %d", status)
	}
}

// TestSlowSendersKeepNobodyOut holds more calls open than may be taken at once.
func TestSlowSendersKeepNobodyOut(t *testing.T) {
	t.Parallel()
	p := start(t)
	address := strings.TrimPrefix(p.api, "http://")
	const most = 64
	for range most + 1 {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		// Expect makes the server say when the handler reads, and so is there.
		_, err = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n", recordPath)
		line := make([]byte, len("HTTP/1.1 100"))
		_, readErr := conn.Read(line)
		if err := errors.Join(err, readErr); err != nil || string(line) != "HTTP/1.1 100" {
			t.Fatalf("%v: %s", err, line)
		}
	}
	client := servingv1connect.NewEventServiceClient(p.client, p.api)
	if _, err := client.Record(t.Context(), &servingv1.RecordRequest{Exposures: []*servingv1.Exposure{anExposure()}}); err != nil {
		t.Error(err)
	}
}
