package push

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/internal/auth"
	"github.com/strata-exp/strata/internal/rpc"
	"github.com/strata-exp/strata/sdk/go/accesskey"
	"github.com/strata-exp/strata/sdk/go/view"
)

const production = "production"

// keys are the access keys of a test, and the keyring that knows them.
type keys struct {
	t       testing.TB
	ring    *auth.Keyring
	version int64
	list    []*servingv1.PublicKey
}

func newKeys(tb testing.TB) *keys {
	tb.Helper()
	return &keys{t: tb, ring: auth.NewKeyring()}
}

// add makes a key, and returns its name.
func (k *keys) add(role servingv1.Role, services ...string) string {
	k.t.Helper()
	key, err := accesskey.Generate()
	if err != nil {
		k.t.Fatal(err)
	}
	k.list = append(k.list, &servingv1.PublicKey{
		AccessKey: key.AccessKey(), PublicKey: key.PublicKey(), Role: role, Services: services, Environments: []string{production},
	})
	k.set()
	return key.AccessKey()
}

// set takes the list as the keys of now.
func (k *keys) set() {
	k.t.Helper()
	k.version++
	if err := k.ring.Set(k.version, slices.Clone(k.list)); err != nil {
		k.t.Fatal(err)
	}
}

func (k *keys) revoke(name string) {
	k.t.Helper()
	k.list = slices.DeleteFunc(k.list, func(key *servingv1.PublicKey) bool { return key.GetAccessKey() == name })
	k.set()
}

// alter replaces what a key may do.
func (k *keys) alter(name string, services []string, expires time.Time) {
	k.t.Helper()
	i := slices.IndexFunc(k.list, func(key *servingv1.PublicKey) bool { return key.GetAccessKey() == name })
	old := k.list[i]
	k.list[i] = &servingv1.PublicKey{
		AccessKey: old.GetAccessKey(), PublicKey: old.GetPublicKey(), Role: old.GetRole(),
		Environments: old.GetEnvironments(), Services: services,
	}
	if !expires.IsZero() {
		k.list[i].ExpiresAt = timestamppb.New(expires)
	}
	k.set()
}

// context returns the context of a call by the owner of a key.
func (k *keys) context(ctx context.Context, name string) context.Context {
	k.t.Helper()
	p, err := k.ring.Principal(name, time.Now())
	if err != nil {
		k.t.Fatal(err)
	}
	return auth.NewContext(ctx, p)
}

// newServer returns a server of one hub.
func newServer(hub *Hub, keys *keys, change func(*Config)) *Server {
	c := Config{
		Environments: func(_ context.Context, name string) (*Hub, error) {
			if name != "" && name != hub.Environment() {
				return nil, NotServed(name)
			}
			return hub, nil
		},
		Keyring: keys.ring, Options: DefaultOptions(), Log: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&c)
	}
	return NewServer(c)
}

// oracle knows what was at each position, and what each scope should have of it.
type oracle struct {
	mu    sync.Mutex
	views map[view.Position][]*view.View // several where what was there was repaired
	seen  map[string]*view.View
}

func newOracle() *oracle {
	return &oracle{views: map[view.Position][]*view.View{}, seen: map[string]*view.View{}}
}

func (o *oracle) tell(v *view.View) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.views[v.Position()] = append(o.views[v.Position()], v)
}

// newest returns what is at a position, nil if nothing ever was there.
func (o *oracle) newest(at view.Position) *view.View {
	o.mu.Lock()
	defer o.mu.Unlock()
	views := o.views[at]
	if len(views) == 0 {
		return nil
	}
	return views[len(views)-1]
}

// ask returns what a scope should have at a position.
func (o *oracle) ask(at view.Position, s Scope) *view.View {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.project(len(o.views[at])-1, at, s)
}

// was reports whether a scope had something at its position.
func (o *oracle) was(v *view.View, s Scope) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range o.views[v.Position()] {
		if o.project(i, v.Position(), s).Hash() == v.Hash() {
			return true
		}
	}
	return false
}

func (o *oracle) project(i int, at view.Position, s Scope) *view.View {
	key := fmt.Sprint(i, at, s.id)
	if o.seen[key] == nil {
		o.seen[key] = naive(o.views[at][i], s)
	}
	return o.seen[key]
}

// reader is a follower: it takes frames, and checks each. It stands for a client
// that keeps what it has across streams.
type reader struct {
	oracle *oracle
	scope  Scope
	commit func(*view.View) // told of each configuration that it has whole; may be nil

	mu      sync.Mutex
	held    *view.View
	token   []byte
	stage   view.Stage
	hello   *servingv1.Hello
	goodbye *servingv1.Goodbye
	keys    *servingv1.AccessKeys
	frames  []string
	err     error
	updates int
	beats   int
}

func newReader(o *oracle, s Scope) *reader {
	return &reader{oracle: o, scope: s, held: view.Empty()}
}

// Send implements sink.
func (r *reader) Send(frame *servingv1.WatchResponse) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.take(frame); err != nil {
		r.err = errors.Join(r.err, err)
		return err
	}
	return nil
}

func (r *reader) take(frame *servingv1.WatchResponse) error {
	if r.goodbye != nil {
		return errors.New("a frame came after goodbye")
	}
	switch f := frame.GetFrame().(type) {
	case *servingv1.WatchResponse_Hello:
		r.frames = append(r.frames, "hello")
		r.hello, r.stage = f.Hello, view.Stage{}
	case *servingv1.WatchResponse_AccessKeys:
		r.frames = append(r.frames, "keys")
		r.keys = f.AccessKeys
	case *servingv1.WatchResponse_Update:
		r.frames = append(r.frames, "update")
		return r.update(f.Update)
	case *servingv1.WatchResponse_Heartbeat:
		r.frames = append(r.frames, "heartbeat")
		r.beats++
		at, hash := r.held.Position(), r.held.Hash()
		if got := (view.Position{Epoch: f.Heartbeat.GetEpoch(), Revision: f.Heartbeat.GetRevision()}); got != at {
			return fmt.Errorf("a heartbeat says %v, held is %v", got, at)
		}
		if string(f.Heartbeat.GetHash()) != string(hash[:]) {
			return fmt.Errorf("a heartbeat says hash %x, held is %v", f.Heartbeat.GetHash(), hash)
		}
	case *servingv1.WatchResponse_Goodbye:
		r.frames = append(r.frames, "goodbye")
		r.goodbye = f.Goodbye
	}
	return nil
}

func (r *reader) update(u *servingv1.Update) error {
	next, err := r.stage.Add(r.held, u)
	if err != nil || next == nil {
		return err
	}
	if next.Position().Compare(r.held.Position()) < 0 {
		return fmt.Errorf("it went back from %v to %v", r.held.Position(), next.Position())
	}
	if !r.oracle.was(next, r.scope) {
		return fmt.Errorf("what was sent for %v is not what is there", next.Position())
	}
	r.held, r.token = next, u.GetResumeToken()
	r.updates++
	if r.commit != nil {
		r.commit(next)
	}
	return nil
}

// at returns where the reader is.
func (r *reader) at() view.Position {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.held.Position()
}

// peek reads something of a reader while its stream runs.
func peek[T any](r *reader, read func() T) T {
	r.mu.Lock()
	defer r.mu.Unlock()
	return read()
}

// log returns what frames came.
func (r *reader) log() string { return peek(r, func() string { return strings.Join(r.frames, " ") }) }

// left reports whether goodbye came.
func (r *reader) left() bool { return peek(r, func() bool { return r.goodbye != nil }) }

// running is a stream that runs.
type running struct {
	cancel context.CancelFunc
	done   chan struct{}
	err    error
}

// follow runs a stream of a server to a sink.
func follow(ctx context.Context, s *Server, r *servingv1.WatchRequest, out sink, id string) *running {
	ctx, cancel := context.WithCancel(ctx)
	run := &running{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(run.done)
		run.err = s.serve(ctx, r, out, id)
	}()
	return run
}

func (r *running) stop() {
	r.cancel()
	<-r.done
}

func watchRequest(token []byte, services ...string) *servingv1.WatchRequest {
	return &servingv1.WatchRequest{Environment: production, Instance: "test", Client: "test/1", Services: services, ResumeToken: token}
}

func reasonOf(err error) servingv1.ErrorReason {
	if declined, ok := errors.AsType[*rpc.Declined](err); ok {
		return declined.Reason
	}
	return 0
}
