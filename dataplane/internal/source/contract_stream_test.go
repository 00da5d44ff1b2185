package source

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/strata-exp/strata/dataplane/internal/snapshot"
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/internal/auth"
	"github.com/strata-exp/strata/internal/manifest"
	"github.com/strata-exp/strata/internal/obs"
	"github.com/strata-exp/strata/internal/push"
	"github.com/strata-exp/strata/internal/rpc"
	"github.com/strata-exp/strata/sdk/go/accesskey"
	"github.com/strata-exp/strata/sdk/go/engine"
	"github.com/strata-exp/strata/sdk/go/follow"
)

func TestStreamContract(t *testing.T) {
	t.Parallel()
	testContract(t, func(t *testing.T) fixture {
		t.Helper()
		return newStreamFixture(t)
	})
}

// streamFixture is a real server of the config stream, fed with documents as a
// control plane is: what does not compile is refused there, and what changes
// nothing is no revision.
type streamFixture struct {
	t         *testing.T
	documents *manifest.Documents
	encoder   encoder
	ruleset   *engine.Ruleset
	hub       *push.Hub
	keys      *auth.Keyring
	key       *accesskey.Key
	address   string
	stop      func()
}

func newStreamFixture(t *testing.T) *streamFixture {
	t.Helper()
	key, err := accesskey.Generate()
	if err != nil {
		t.Fatal(err)
	}
	f := &streamFixture{
		t: t, documents: manifest.NewDocuments(""), encoder: newEncoder(), hub: push.NewHub("prod", push.NewSealer(nil)),
		keys: auth.NewKeyring(), key: key, address: "127.0.0.1:0",
	}
	if err := f.keys.Set(1, []*servingv1.PublicKey{{
		AccessKey: key.AccessKey(), PublicKey: key.PublicKey(), Role: servingv1.Role_ROLE_PLANE,
	}}); err != nil {
		t.Fatal(err)
	}
	f.mend()
	t.Cleanup(func() { f.stop() })
	return f
}

func (*streamFixture) promises() promises {
	return promises{transactions: true, outages: true, waits: true}
}

func (f *streamFixture) edit(tb testing.TB, edits ...edit) {
	tb.Helper()
	for _, e := range edits {
		if e.text == "" {
			f.documents.Delete(e.name)
		} else {
			f.documents.Put(e.name, e.text)
		}
	}
	set, err := f.documents.Load()
	if err != nil {
		return // half of what is to come
	}
	next, err := set.Compile(f.ruleset, f.ruleset.Revision()+1)
	if err != nil {
		return
	}
	if f.ruleset != nil && equal(&manifest.Set{Snapshot: f.ruleset.Snapshot()}, &manifest.Set{Snapshot: next.Snapshot()}) {
		return
	}
	f.ruleset = next
	v, err := f.encoder.advance(&snapshot.Snapshot{Ruleset: next, Epoch: 7})
	if err != nil {
		tb.Fatal(err)
	}
	f.hub.Publish(v)
	f.hub.Confirm(0)
}

func (f *streamFixture) source(holder *snapshot.Holder, log *slog.Logger) Source {
	stream, err := NewStream(follow.Config{
		URL: "http://" + f.address, Environment: "prod", Instance: f.t.Name(), Key: f.key,
		Timers: follow.Timers{FirstWait: time.Millisecond, LongestWait: 20 * time.Millisecond},
	}, holder, noRelay{}, log)
	if err != nil {
		f.t.Fatal(err)
	}
	return &startedStream{Stream: stream, holder: holder}
}

// startedStream has its Start wait for the first configuration, as those of other
// stores do, for which it has to run already.
type startedStream struct {
	*Stream

	holder *snapshot.Holder
	cancel context.CancelFunc
	done   chan error
}

func (s *startedStream) Start(ctx context.Context) error {
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.cancel, s.done = cancel, make(chan error, 1)
	go func() { s.done <- s.Stream.Run(running) }()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		// The first heartbeat comes after the first configuration.
		if _, confirmed := s.holder.Stale(); confirmed && s.holder.Current() != nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			cancel()
			return errors.Join(context.Cause(ctx), <-s.done)
		}
	}
}

func (s *startedStream) Run(ctx context.Context) error {
	<-ctx.Done()
	s.cancel()
	return <-s.done
}

func (f *streamFixture) cut() { f.stop() }

func (f *streamFixture) mend() {
	f.t.Helper()
	listener, err := net.Listen("tcp", f.address)
	if err != nil {
		f.t.Fatal(err)
	}
	f.address = listener.Addr().String()
	options := push.DefaultOptions()
	options.Heartbeat, options.ReportEvery = 50*time.Millisecond, 10*time.Millisecond
	server := push.NewServer(push.Config{
		Environments: func(context.Context, string) (*push.Hub, error) { return f.hub, nil },
		Keyring:      f.keys, Options: options, Log: obs.Discard(),
	})
	edge := rpc.NewEdge(obs.Discard(), func(string, connect.Code) {})
	ended, done := make(chan struct{}), make(chan struct{})
	path, handler := push.NewHandler(server, edge, ended)
	a := &auth.Authenticator{Keys: f.keys, Nonces: auth.NewMemoryNonces(0, nil), Audience: "control-plane"}
	mux := http.NewServeMux()
	mux.Handle(path, a.Service(edge, push.Policies(), handler))
	s := rpc.NewServer(mux, obs.Discard())
	go func() {
		defer close(done)
		_ = s.Serve(listener) // until it is closed
	}()
	f.stop = sync.OnceFunc(func() {
		close(ended)
		_ = s.Close()
		<-done
	})
}
