package strata

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/gen/go/strata/serving/v1/servingv1connect"
	"github.com/strata-exp/strata/internal/auth"
	"github.com/strata-exp/strata/internal/obs"
	"github.com/strata-exp/strata/internal/push"
	"github.com/strata-exp/strata/internal/rpc"
	"github.com/strata-exp/strata/sdk/go/accesskey"
	"github.com/strata-exp/strata/sdk/go/view"
)

// server is what an SDK needs of a data plane: the real config stream and
// authentication, and an event service that keeps what it gets.
type server struct {
	t    *testing.T
	hub  *push.Hub
	keys *auth.Keyring
	key  *accesskey.Key
	view *view.View
	addr string
	stop func()

	recorded chan *servingv1.RecordRequest
}

// heartbeat is long enough for a busy machine not to be silent for three of them.
const heartbeat = 250 * time.Millisecond

func serve(t *testing.T) *server {
	t.Helper()
	key, err := accesskey.Generate()
	if err != nil {
		t.Fatal(err)
	}
	s := &server{
		t: t, hub: push.NewHub("prod", push.NewSealer(nil)), keys: auth.NewKeyring(), key: key, view: view.Empty(),
		addr: "127.0.0.1:0", recorded: make(chan *servingv1.RecordRequest, 100),
	}
	err = s.keys.Set(1, []*servingv1.PublicKey{{
		AccessKey: key.AccessKey(), PublicKey: key.PublicKey(), Name: "test", Role: servingv1.Role_ROLE_SDK,
	}})
	if err != nil {
		t.Fatal(err)
	}
	s.start()
	return s
}

// start serves at the same address as before.
func (s *server) start() {
	s.t.Helper()
	listener, err := net.Listen("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.addr = listener.Addr().String()
	options := push.DefaultOptions()
	options.Heartbeat, options.ReportEvery = heartbeat, heartbeat/10
	stream := push.NewServer(push.Config{
		Environments: func(_ context.Context, name string) (*push.Hub, error) {
			if name != "" && name != "prod" {
				return nil, push.NotServed(name)
			}
			return s.hub, nil
		},
		Keyring: s.keys, Options: options, Log: obs.Discard(),
	})
	edge := rpc.NewEdge(obs.Discard(), func(string, connect.Code) {})
	stop := make(chan struct{})
	a := &auth.Authenticator{Keys: s.keys, Nonces: auth.NewMemoryNonces(0, nil), Audience: "data-plane"}
	mux := http.NewServeMux()
	path, handler := push.NewHandler(stream, edge, stop)
	mux.Handle(path, a.Service(edge, push.Policies(), handler))
	path, handler = servingv1connect.NewEventServiceHandler(s)
	mux.Handle(path, a.Service(edge, map[string]auth.Policy{
		servingv1connect.EventServiceRecordProcedure: {Roles: []servingv1.Role{servingv1.Role_ROLE_SDK}},
	}, handler))
	served := rpc.NewServer(mux, obs.Discard())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = served.Serve(listener)
	}()
	s.stop = sync.OnceFunc(func() {
		close(stop)
		_ = served.Close()
		<-done
	})
	s.t.Cleanup(s.stop)
}

func (s *server) url() string { return "http://" + s.addr }

// Record implements servingv1connect.EventServiceHandler.
func (s *server) Record(_ context.Context, r *servingv1.RecordRequest) (*servingv1.RecordResponse, error) {
	s.recorded <- r
	return new(servingv1.RecordResponse), nil
}

// config leads to the server.
func (s *server) config() Config {
	return Config{URL: s.url(), Environment: "prod", AccessKey: s.key.AccessKey(), SecretKey: s.key.SecretKey()}
}

// client returns one that has the newest configuration. It is closed in the end.
func (s *server) client(configure ...func(*Config)) *Client {
	s.t.Helper()
	config := s.config()
	for _, f := range configure {
		f(&config)
	}
	c := open(s.t, config)
	if err := c.Ready(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		if err := c.Close(); err != nil {
			s.t.Error(err)
		}
	})
	return c
}

func open(tb testing.TB, config Config) *Client {
	tb.Helper()
	c, err := New(config)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// publish makes a revision with entities added or replaced.
func (s *server) publish(revision int64, puts ...*view.Entity) {
	s.t.Helper()
	s.view = s.view.With(view.Position{Epoch: 5, Revision: revision}, puts, nil)
	s.hub.Publish(s.view)
	s.hub.Confirm(0)
}

// layer is one that gives all slots to a variant.
func layer(tb testing.TB, id string, priority, vid int32) *view.Entity {
	tb.Helper()
	return entity(tb, view.LayerKey(id), &configv1.Layer{
		LayerId: id, Version: "v1", Priority: priority, HashKey: "user_id", Salt: id + "_v1", Enabled: true,
		Ranges: []*configv1.Range{{Start: 0, End: 10000, Vid: vid}},
	})
}

// experiment is one of "svc" with one variant.
func experiment(tb testing.TB, eid, vid int32, params string, rule *configv1.Rule) *view.Entity {
	tb.Helper()
	return entity(tb, view.ExperimentKey(eid), &configv1.Experiment{
		Eid: eid, Service: "svc", Rule: rule, Variants: []*configv1.Variant{{Vid: vid, ParamsJson: params}},
	})
}

func entity(tb testing.TB, key view.Key, message proto.Message) *view.Entity {
	tb.Helper()
	payload, err := proto.Marshal(message)
	if err != nil {
		tb.Fatal(err)
	}
	return view.NewEntity(key, payload)
}

// fromUS is a rule on the country.
func fromUS() *configv1.Rule {
	return &configv1.Rule{
		Op: configv1.Operator_OPERATOR_EQ, Field: "country",
		Values: []*configv1.Value{{Kind: &configv1.Value_StringValue{StringValue: "US"}}},
	}
}

// demo publishes a layer over another one: of "svc", the first sets a and
// obj.own, the second, which is under it, a as well, and all the rest.
func (s *server) demo(revision int64) {
	s.t.Helper()
	s.publish(revision,
		layer(s.t, "upper", 200, 21), experiment(s.t, 20, 21, `{"a":"upper","obj":{"own":true}}`, fromUS()),
		layer(s.t, "lower", 100, 11), experiment(s.t, 10, 11,
			`{"a":"lower","text":"line\nbreak","on":true,"count":42,"ratio":0.5,"large":1e300,"null":null,"list":[1,2],"obj":{"n":7}}`, nil))
}

// changes yields what a client is told, as text.
func changes(c *Client) <-chan string {
	told := make(chan string, 100)
	c.OnChange(func(change Change) {
		told <- fmt.Sprintf("%d>%d %s>%s %v", change.RevisionBefore, change.RevisionAfter, change.StateBefore, change.StateAfter, change.Keys)
	})
	return told
}
