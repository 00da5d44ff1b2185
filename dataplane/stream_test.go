package dataplane_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	"github.com/strata-exp/strata/dataplane"
	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/internal/auth"
	"github.com/strata-exp/strata/internal/obs"
	"github.com/strata-exp/strata/internal/push"
	"github.com/strata-exp/strata/internal/rpc"
	"github.com/strata-exp/strata/sdk/go/accesskey"
	"github.com/strata-exp/strata/sdk/go/view"
)

// upstream is what a control plane serves to data planes, without a database.
type upstream struct {
	t    *testing.T
	hub  *push.Hub
	keys *auth.Keyring
	key  *accesskey.Key // of a plane
	view *view.View
	addr string
	stop func()
}

const heartbeat = 100 * time.Millisecond

func newUpstream(t *testing.T) *upstream {
	t.Helper()
	u := &upstream{t: t, hub: push.NewHub("prod", push.NewSealer(nil)), keys: auth.NewKeyring(), view: view.Empty(), addr: "127.0.0.1:0"}
	u.key = u.grant(1, servingv1.Role_ROLE_PLANE)
	u.start()
	return u
}

// grant makes a key. It is the only one then.
func (u *upstream) grant(version int64, role servingv1.Role) *accesskey.Key {
	u.t.Helper()
	key, err := accesskey.Generate()
	if err == nil {
		err = u.keys.Set(version, []*servingv1.PublicKey{{AccessKey: key.AccessKey(), PublicKey: key.PublicKey(), Name: "test", Role: role}})
	}
	if err != nil {
		u.t.Fatal(err)
	}
	return key
}

// start serves at the same address as before.
func (u *upstream) start() {
	u.t.Helper()
	listener, err := net.Listen("tcp", u.addr)
	if err != nil {
		u.t.Fatal(err)
	}
	u.addr = listener.Addr().String()
	options := push.DefaultOptions()
	options.Heartbeat, options.ReportEvery = heartbeat, heartbeat/10
	server := push.NewServer(push.Config{
		Environments: func(_ context.Context, name string) (*push.Hub, error) {
			if name != "prod" {
				return nil, push.NotServed(name)
			}
			return u.hub, nil
		},
		Keyring: u.keys, Options: options, Log: obs.Discard(),
	})
	edge := rpc.NewEdge(obs.Discard(), func(string, connect.Code) {})
	stop := make(chan struct{})
	path, handler := push.NewHandler(server, edge, stop)
	a := &auth.Authenticator{Keys: u.keys, Nonces: auth.NewMemoryNonces(0, nil), Audience: "control-plane"}
	mux := http.NewServeMux()
	mux.Handle(path, a.Service(edge, push.Policies(), handler))
	s := rpc.NewServer(mux, obs.Discard())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(listener)
	}()
	u.stop = sync.OnceFunc(func() {
		close(stop)
		_ = s.Close()
		<-done
	})
	u.t.Cleanup(u.stop)
}

// publish puts the README's configuration, with a parameter.
func (u *upstream) publish(revision int64, algorithm string) {
	u.t.Helper()
	layer := &configv1.Layer{
		LayerId: "click_experiment", Version: "v1", Priority: 200, HashKey: "user_id", Salt: "click_exp_2024", Enabled: true,
		Ranges: []*configv1.Range{{Start: 0, End: 5000, Vid: 1001}, {Start: 5000, End: 10000, Vid: 1002}},
	}
	experiment := &configv1.Experiment{Eid: 100, Service: "ranker_svc", Variants: []*configv1.Variant{
		{Vid: 1001, ParamsJson: `{"algorithm":"baseline"}`}, {Vid: 1002, ParamsJson: `{"algorithm":"` + algorithm + `"}`},
	}}
	u.put(revision, u.entity(view.LayerKey("click_experiment"), layer), u.entity(view.ExperimentKey(100), experiment))
}

func (u *upstream) entity(key view.Key, message proto.Message) *view.Entity {
	u.t.Helper()
	payload, err := proto.Marshal(message)
	if err != nil {
		u.t.Fatal(err)
	}
	return view.NewEntity(key, payload)
}

func (u *upstream) put(revision int64, puts ...*view.Entity) {
	u.t.Helper()
	u.view = u.view.With(view.Position{Epoch: 5, Revision: revision}, puts, nil)
	u.hub.Publish(u.view)
	u.hub.Confirm(0)
}

// follow starts a data plane that follows a server.
func follow(t *testing.T, url, audience string, key *accesskey.Key, configure ...func(*dataplane.Config)) *plane {
	t.Helper()
	return start(t, append([]func(*dataplane.Config){func(c *dataplane.Config) {
		c.Source, c.Environment = dataplane.SourceStream, "prod"
		c.Stream.URL, c.Stream.Audience, c.Stream.Instance = url, audience, t.Name()
		c.Stream.AccessKey, c.Stream.SecretKey = key.AccessKey(), key.SecretKey()
		c.Relay.Heartbeat = heartbeat
	}}, configure...)...)
}

// until waits until the probe says something.
func (p *plane) until(parts ...string) {
	p.t.Helper()
	deadline := time.Now().Add(limit)
	for {
		_, data := p.do(http.MethodGet, p.metrics+"/readyz", "", nil)
		missing := ""
		for _, part := range parts {
			if !strings.Contains(string(data), part) {
				missing = part
			}
		}
		if missing == "" {
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("%s is never in %s", missing, data)
		}
		select {
		case <-time.After(time.Millisecond):
		case <-p.t.Context().Done():
		}
	}
}

func (p *plane) algorithm() string {
	p.t.Helper()
	text, _ := p.evaluate(request).Results["ranker_svc"].Parameters["algorithm"].(string)
	return text
}

func TestStream(t *testing.T) {
	u := newUpstream(t)
	p := follow(t, "http://"+u.addr, "control-plane", u.key)
	if status, data := p.post("/experiment", request); status != http.StatusServiceUnavailable || !strings.Contains(string(data), "no configuration yet") {
		t.Errorf("without a configuration: %d %s", status, data)
	}
	if status, data := p.do(http.MethodGet, p.metrics+"/readyz", "", nil); status != http.StatusServiceUnavailable {
		t.Errorf("without a configuration: %d %s", status, data)
	}
	u.publish(2, "first")
	p.until(`"revision":2`, `"epoch":5`, `"stale_seconds":0`)
	if got := p.algorithm(); got != "first" {
		t.Errorf("got %q", got)
	}

	// A data plane that follows this one has the same, and so has what follows it.
	relay := follow(t, p.api, "data-plane", u.key)
	relay.until(`"revision":2`)
	last := follow(t, relay.api, "data-plane", u.key)
	last.until(`"revision":2`)
	u.publish(3, "second")
	for _, each := range []*plane{p, relay, last} {
		each.until(`"revision":3`)
		if got := each.algorithm(); got != "second" {
			t.Errorf("got %q", got)
		}
	}

	// What can not be run here stops nothing but itself, and is handed on.
	u.put(4, view.NewEntity(view.LayerKey("broken"), []byte("\xff")))
	for _, each := range []*plane{p, relay, last} {
		each.until(`"revision":3`, "layer broken")
		if got := each.algorithm(); got != "second" {
			t.Errorf("got %q", got)
		}
	}
	u.view = u.view.With(view.Position{Epoch: 5, Revision: 4}, nil, []view.Key{view.LayerKey("broken")})
	u.publish(5, "third")
	for _, each := range []*plane{p, relay, last} {
		each.until(`"revision":5`)
		if got := each.algorithm(); got != "third" {
			t.Errorf("got %q", got)
		}
	}

	// A key that is revoked follows nobody, and what it had stays.
	u.grant(2, servingv1.Role_ROLE_SDK)
	u.publish(6, "fourth")
	for _, each := range []*plane{p, relay, last} {
		if got := each.algorithm(); got != "third" {
			t.Errorf("after the key was revoked: %q", got)
		}
	}
}

func TestStreamFromDisk(t *testing.T) {
	u := newUpstream(t)
	cache := filepath.Join(t.TempDir(), "cache")
	cached := func(c *dataplane.Config) { c.Stream.CacheDir = cache }
	u.publish(2, "first")
	p := follow(t, "http://"+u.addr, "control-plane", u.key, cached)
	p.until(`"revision":2`)
	if err := p.wait(); err != nil {
		t.Fatal(err)
	}
	u.stop()

	p = follow(t, "http://"+u.addr, "control-plane", u.key, cached)
	p.until(`"revision":2`, `"status":"healthy"`)
	if got := p.algorithm(); got != "first" {
		t.Errorf("got %q", got)
	}
	// It hands on what it has, to those whose keys it has.
	relay := follow(t, p.api, "data-plane", u.key)
	relay.until(`"revision":2`)

	u.publish(3, "second")
	u.start()
	relay.until(`"revision":3`)
	if got := relay.algorithm(); got != "second" {
		t.Errorf("got %q", got)
	}

	u.stop()
	if err := p.wait(); err != nil {
		t.Fatal(err)
	}
	for what, other := range map[string]*plane{
		"environment": follow(t, "http://"+u.addr, "control-plane", u.key, cached, func(c *dataplane.Config) { c.Environment = "staging" }),
		"upstream":    follow(t, "http://127.0.0.1:1", "control-plane", u.key, cached),
	} {
		other.until(`"stream":{"state":"waiting","error":"`)
		if status, data := other.post("/experiment", request); status != http.StatusServiceUnavailable {
			t.Errorf("another %s's configuration is served: %d %s", what, status, data)
		}
	}
}

// TestStreamIsObserved has a stream that does not begin, goes well, brings what can
// not be run and ends, and a disk that can not be written.
func TestStreamIsObserved(t *testing.T) {
	u := newUpstream(t)
	u.stop()
	cache := filepath.Join(t.TempDir(), "cache")
	if err := os.WriteFile(cache, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p := follow(t, "http://"+u.addr, "control-plane", u.key, func(c *dataplane.Config) { c.Stream.CacheDir = cache })
	stream := func() (s struct {
		State          string
		ConnectedSince *time.Time `json:"connected_since"`
		Error          string
	},
	) {
		t.Helper()
		_, data := p.do(http.MethodGet, p.metrics+"/readyz", "", nil)
		if err := json.Unmarshal(data, &struct{ Stream any }{&s}); err != nil {
			t.Fatal(err)
		}
		return s
	}
	p.until(`"stream":{"state":"waiting","error":"`)
	if s := stream(); s.ConnectedSince != nil || !strings.Contains(s.Error, "unavailable") || p.metric("strata_stream_connected") != "0" ||
		p.metric("strata_last_good_failures_total") != "0" {
		t.Errorf("without a server: %+v", s)
	}
	u.publish(2, "first")
	u.start()
	p.until(`"stream":{"state":"synced","connected_since":"`)
	p.await("the failure to write", func() bool { return p.metric("strata_last_good_failures_total") != "0" })
	if s := stream(); time.Since(*s.ConnectedSince) > limit || s.Error != "" || p.metric("strata_stream_connected") != "1" {
		t.Errorf("it goes well: %+v", s)
	}
	u.put(3, view.NewEntity(view.LayerKey("broken"), []byte("\xff")))
	p.until(`"stream":{"state":"rejected","connected_since":"`)
	u.stop()
	p.await("the end", func() bool { return p.metric("strata_stream_connected") == "0" })
	if s := stream(); s.State != "rejected" || s.ConnectedSince != nil || s.Error == "" {
		t.Errorf("after the end: %+v", s)
	}
	if _, data := p.do(http.MethodGet, p.api+"/health", "", nil); strings.Contains(string(data), "stream") {
		t.Errorf("callers are told %s", data)
	}

	files := start(t)
	if _, data := files.do(http.MethodGet, files.metrics+"/readyz", "", nil); strings.Contains(string(data), "stream") {
		t.Errorf("without a stream: %s", data)
	}
	if got := files.metric("strata_stream_connected"); got != "" {
		t.Errorf("without a stream there is a metric: %s", got)
	}
}

// TestRelayOfFiles hands on what stands in files, to keys that stand in a file.
func TestRelayOfFiles(t *testing.T) {
	key, err := accesskey.Generate()
	if err != nil {
		t.Fatal(err)
	}
	public, err := json.Marshal(key.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	keys := filepath.Join(t.TempDir(), "keys.yaml")
	text := "access_keys:\n- key: {access_key: " + key.AccessKey() + ", public_key: " + string(public) + ", name: n, role: ROLE_PLANE}\n"
	if err := os.WriteFile(keys, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, func(c *dataplane.Config) {
		c.Relay.KeysFile, c.Relay.Heartbeat, c.Environment = keys, heartbeat, "prod"
	})
	relay := follow(t, p.api, "data-plane", key)
	relay.until(`"revision":1`)
	if got := relay.algorithm(); got != "new_model" {
		t.Errorf("got %q", got)
	}
	p.save(experimentText("newer_model"))
	relay.until(`"revision":2`)
	if got := relay.algorithm(); got != "newer_model" {
		t.Errorf("got %q", got)
	}
}

// TestSecretsStayInside looks for the secret key in all that a plane says.
func TestSecretsStayInside(t *testing.T) {
	key, err := accesskey.Generate()
	if err != nil {
		t.Fatal(err)
	}
	log := &syncBuffer{}
	logged := slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	p := follow(t, "http://127.0.0.1:1", "control-plane", key, func(c *dataplane.Config) { c.Log = logged })
	p.until("starting")
	if err := p.wait(); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(log.String(), key.SecretKey()) {
		t.Error("the secret is in the log")
	}
}
