package controlplane_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/strata-exp/strata/controlplane"
	"github.com/strata-exp/strata/db/dbtest"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/gen/go/strata/admin/v1/adminv1connect"
	"github.com/strata-exp/strata/sdk/go/accesskey"
)

// start runs a control plane until the test ends, and returns a key that may do
// everything there.
func start(t *testing.T) (controlplane.Listening, *accesskey.Key) {
	t.Helper()
	url := dbtest.URL(t)
	key := bootstrap(t, url)
	return startOn(t, url), key
}

// startOn runs a control plane on a database until the test ends.
func startOn(t *testing.T, url string) controlplane.Listening {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c := controlplane.Default()
	c.DatabaseURL, c.AllowUnsafeDatabase = url, true
	c.HTTPAddr, c.PushAddr, c.MetricsAddr, c.DrainDelay = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0", 0
	listening, ended := make(chan controlplane.Listening, 1), make(chan error, 1)
	c.OnListening = func(l controlplane.Listening) { listening <- l }
	go func() { ended <- controlplane.Run(ctx, c) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	select {
	case l := <-listening:
		return l
	case err := <-ended:
		ended <- nil
		t.Fatal(err)
		return controlplane.Listening{}
	}
}

// TestProtocols makes and reads a revision over each protocol, and compares what
// they say of it.
func TestProtocols(t *testing.T) {
	t.Parallel()
	l, key := start(t)
	createEnvironment(t, l.HTTP.String(), key)
	h2 := new(http.Protocols)
	h2.SetUnencryptedHTTP2(true)
	overH2 := &http.Transport{Protocols: h2}
	t.Cleanup(overH2.CloseIdleConnections)
	var first *adminv1.RevisionServiceGetResponse
	for i, protocol := range []struct {
		name    string
		http    *http.Client
		options []connect.ClientOption
	}{
		{"connect", signed(t, key), nil},
		{"connect JSON", signed(t, key), []connect.ClientOption{connect.WithProtoJSON()}},
		{"grpc", signedOver(key, overH2), []connect.ClientOption{connect.WithGRPC()}},
		{"grpc-web", signed(t, key), []connect.ClientOption{connect.WithGRPCWeb()}},
		{"gzip", signed(t, key), []connect.ClientOption{connect.WithSendGzip()}},
	} {
		url := "http://" + l.HTTP.String()
		revisions := adminv1connect.NewRevisionServiceClient(protocol.http, url, protocol.options...)
		made, err := revisions.Apply(t.Context(), &adminv1.RevisionServiceApplyRequest{
			Environment: environment, ExpectedRevision: new(int64(i + 1)),
			Changes: []*adminv1.Change{{Change: &adminv1.Change_UpsertLayer{UpsertLayer: emptyLayer(protocol.name)}}},
		})
		if err != nil || made.GetRevision() != int64(i+2) {
			t.Fatalf("%s: %v, %v", protocol.name, made, err)
		}
		got, err := revisions.Get(t.Context(), &adminv1.RevisionServiceGetRequest{
			Environment: environment, At: &adminv1.RevisionServiceGetRequest_Revision{Revision: 2}, WithContents: true,
		})
		if err != nil {
			t.Fatalf("%s: %v", protocol.name, err)
		}
		if first == nil {
			first = got
		} else if !proto.Equal(first, got) {
			t.Errorf("%s says %v, want %v", protocol.name, got, first)
		}
		_, err = revisions.Apply(t.Context(), &adminv1.RevisionServiceApplyRequest{
			Environment: environment, ExpectedRevision: new(int64(1)),
			Changes: []*adminv1.Change{{Change: &adminv1.Change_DeleteField{DeleteField: "none"}}},
		})
		if connect.CodeOf(err) != connect.CodeAborted || !strings.Contains(err.Error(), "since then") {
			t.Errorf("%s: a stale revision is %v", protocol.name, err)
		}
	}
	previews := adminv1connect.NewPreviewServiceClient(signed(t, key), "http://"+l.HTTP.String())
	context, err := structpb.NewStruct(map[string]any{"user_id": "u"})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := previews.Evaluate(t.Context(), &adminv1.PreviewServiceEvaluateRequest{
		Environment: environment, Services: []string{"service0"}, Context: context, Changes: configuration(1),
	})
	if err != nil || len(answer.GetResults()["service0"].GetVids()) != 1 || answer.GetRevision() != 6 {
		t.Errorf("a preview of changes is %v, %v", answer, err)
	}
}

// emptyLayer is a layer without ranges.
func emptyLayer(id string) *adminv1.Layer {
	return &adminv1.Layer{LayerId: id, Version: "v1", HashKey: "user_id"}
}

func get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := unsigned(t).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(data)
}

func TestPages(t *testing.T) {
	t.Parallel()
	l, _ := start(t)
	for url, part := range map[string]string{
		"http://" + l.HTTP.String() + "/openapi.yaml": "openapi: 3.1",
		"http://" + l.Metrics.String() + "/healthz":   "alive",
		"http://" + l.Metrics.String() + "/readyz":    "ready",
		"http://" + l.Metrics.String() + "/metrics":   "strata_changelog_holes_total 0",
	} {
		if status, body := get(t, url); status != http.StatusOK || !strings.Contains(body, part) {
			t.Errorf("%s is %d:\n%.300s", url, status, body)
		}
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*controlplane.Config){
		"--database-url": func(c *controlplane.Config) { c.DatabaseURL = "" },
		"--http-addr":    func(c *controlplane.Config) { c.HTTPAddr = "8082" },
		"--audience":     func(c *controlplane.Config) { c.Audience = "a b" },
		"--metrics-addr": func(c *controlplane.Config) { c.MetricsAddr = "9092" },
		"--stop-timeout": func(c *controlplane.Config) { c.StopTimeout = 0 },
		"--drain-delay":  func(c *controlplane.Config) { c.DrainDelay = -1 },
	} {
		c := controlplane.Default()
		c.DatabaseURL = "postgres://localhost/strata"
		change(&c)
		if err := controlplane.Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// TestUnsafeDatabase runs on a server that forgets when its machine fails.
func TestUnsafeDatabase(t *testing.T) {
	t.Parallel()
	c := controlplane.Default()
	c.DatabaseURL = dbtest.Cluster(t).URL()
	if err := controlplane.Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), "fsync is off") {
		t.Errorf("got %v", err)
	}
}
