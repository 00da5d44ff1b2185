package dataplane_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"connectrpc.com/connect"
	"connectrpc.com/grpchealth"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/strata-exp/strata/dataplane"
	"github.com/strata-exp/strata/gen/go/strata/serving/v1/servingv1connect"
)

func TestHealth(t *testing.T) {
	t.Parallel()
	p := start(t, func(c *dataplane.Config) { c.Version = "v1.2.3" })
	status, data := p.do(http.MethodGet, p.api+"/health", "", nil)
	var health struct {
		Status, Version     string
		Revision            int64
		Layers, Experiments int
		LoadedAt            time.Time `json:"loaded_at"`
	}
	if err := json.Unmarshal(data, &health); err != nil {
		t.Fatal(err)
	}
	if status != http.StatusOK || health.Status != "healthy" || health.Version != "v1.2.3" || health.Revision != 1 ||
		health.Layers != 1 || health.Experiments != 1 || health.LoadedAt.IsZero() {
		t.Errorf("status %d: %s", status, data)
	}
	if status, data := p.do(http.MethodGet, p.metrics+"/healthz", "", nil); status != http.StatusOK {
		t.Errorf("status %d: %s", status, data)
	}
	if status, r := p.ready(); status != http.StatusOK || r.Status != "healthy" || r.LastFailure != nil {
		t.Errorf("status %d: %+v", status, r)
	}
	for service, want := range map[string]string{
		"":                                     `{"status":"SERVING_STATUS_SERVING"}`,
		servingv1connect.EvaluationServiceName: `{"status":"SERVING_STATUS_SERVING"}`,
		"unknown":                              "",
	} {
		status, data := p.post("/"+grpchealth.HealthV1ServiceName+"/Check", `{"service": "`+service+`"}`)
		if want == "" && status != http.StatusNotFound || want != "" && string(data) != want {
			t.Errorf("%q: status %d: %s", service, status, data)
		}
	}
}

// TestHealthWatchSeesTheEnd watches a plane that stops: it says so, and the
// stream does not hold up the end.
func TestHealthWatchSeesTheEnd(t *testing.T) {
	t.Parallel()
	p := start(t, func(c *dataplane.Config) { c.DrainDelay = 100 * time.Millisecond })
	client := connect.NewClient[emptypb.Empty, emptypb.Empty](p.client, p.api+"/"+grpchealth.HealthV1ServiceName+"/Watch")
	stream, err := client.CallServerStream(t.Context(), connect.NewRequest(&emptypb.Empty{}))
	if err != nil {
		t.Fatal(err)
	}
	// The status is field 1, which an empty message keeps as unknown.
	next := func() string {
		if !stream.Receive() {
			return "the end"
		}
		return string(stream.Msg().ProtoReflect().GetUnknown())
	}
	if got := next(); got != "\x08\x01" {
		t.Errorf("got %q, want SERVING", got)
	}
	stopping := time.Now()
	p.stop()
	if got := next(); got != "\x08\x02" {
		t.Errorf("got %q, want NOT_SERVING", got)
	}
	if got := next(); got != "the end" {
		t.Errorf("got %q", got)
	}
	if err := stream.Close(); err != nil {
		t.Error(err)
	}
	if err := p.wait(); err != nil {
		t.Error(err)
	}
	if took := time.Since(stopping); took > dataplane.Default().StopTimeout {
		t.Errorf("it took %v to stop", took)
	}
}
