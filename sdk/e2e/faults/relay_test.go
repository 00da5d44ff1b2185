//go:build faults

package faults_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/gen/go/strata/serving/v1/servingv1connect"
	"github.com/strata-exp/strata/internal/auth"
	"github.com/strata-exp/strata/internal/obs"
	"github.com/strata-exp/strata/internal/push"
	"github.com/strata-exp/strata/internal/rpc"
	"github.com/strata-exp/strata/sdk/e2e/fleet"
	"github.com/strata-exp/strata/sdk/e2e/history"
	"github.com/strata-exp/strata/sdk/go/accesskey"
	"github.com/strata-exp/strata/sdk/go/follow"
	"github.com/strata-exp/strata/sdk/go/view"
)

// newer is a control plane of a later release: it publishes what the planes of
// this one can not know.
type newer struct {
	hub     *push.Hub
	server  *push.Server
	address string

	mu       sync.Mutex
	statuses []*servingv1.Status
}

func newNewer(t *testing.T, key *accesskey.Key) *newer {
	t.Helper()
	n := &newer{hub: push.NewHub(fleet.Environment, push.NewSealer(bytes.Repeat([]byte{7}, 32)))}
	ring := auth.NewKeyring()
	if err := ring.Set(1, []*servingv1.PublicKey{{AccessKey: key.AccessKey(), PublicKey: key.PublicKey(), Name: "planes", Role: servingv1.Role_ROLE_PLANE}}); err != nil {
		t.Fatal(err)
	}
	options := push.DefaultOptions()
	options.Heartbeat, options.ReportEvery, options.StreamsPerSecond, options.StreamsBurst = heartbeat, 50*time.Millisecond, 1e6, 1e6
	log, registry := slog.New(slog.DiscardHandler), obs.NewRegistry()
	n.server = push.NewServer(push.Config{
		Environments: func(context.Context, string) (*push.Hub, error) { return n.hub, nil },
		Keyring:      ring, Options: options, Log: log, Registry: registry,
		Report: func(_ context.Context, _ string, _ *auth.Principal, s *servingv1.Status) error {
			n.mu.Lock()
			defer n.mu.Unlock()
			n.statuses = append(n.statuses, s)
			return nil
		},
	})
	edge := rpc.NewEdge(log, func(string, connect.Code) {})
	authenticator := &auth.Authenticator{Keys: ring, Nonces: auth.NewMemoryNonces(0, nil), Audience: "control-plane", Failures: auth.NewFailures(registry)}
	stopped := make(chan struct{})
	_, handler := push.NewHandler(n.server, edge, stopped)
	mux := http.NewServeMux()
	for procedure, policy := range push.Policies() {
		mux.Handle(procedure, authenticator.Require(edge, procedure, policy, handler))
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: mux}
	served := make(chan struct{})
	go func() { defer close(served); _ = server.Serve(l) }()
	t.Cleanup(func() {
		close(stopped)
		_ = server.Close()
		<-served
	})
	n.address = l.Addr().String()
	return n
}

// configuration makes the entities of one layer and one experiment, which can not
// be run if it is poisoned.
func configuration(t *testing.T, value string) []*view.Entity {
	t.Helper()
	encode := func(m proto.Message) []byte {
		data, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	parameters := fmt.Sprintf(`{"v":%q}`, value)
	if value == "poisoned" {
		parameters = "{"
	}
	return []*view.Entity{
		view.NewEntity(view.LayerKey("l"), encode(&configv1.Layer{LayerId: "l", HashKey: "user", Salt: "s", Enabled: true, Ranges: []*configv1.Range{{End: 10000, Vid: 1}}})),
		view.NewEntity(view.ExperimentKey(1), encode(&configv1.Experiment{Eid: 1, Service: "search", Variants: []*configv1.Variant{{Vid: 1, ParamsJson: parameters}}})),
	}
}

const someEpoch = 1_700_000_000_000_000

func position(revision int64) view.Position {
	return view.Position{Epoch: someEpoch, Revision: revision}
}

// relay starts a data plane behind a newer control plane, and a follower of it.
func (s *system) relay(n *newer) (*fleet.DataPlane, *fleet.Follower) {
	s.t.Helper()
	d := s.NewDataPlane(s.t.Context(), n.address)
	s.must(d.Start(s.t.Context()))
	s.AwaitReady(d, 10*time.Second)
	return d, s.sdk("sdk", 0)
}

// TestF29 publishes a revision that nobody can run: all go on with the one before,
// keep the stream, and run the next one.
func TestF29(t *testing.T) {
	t.Parallel()
	s := setup(t, fleet.Options{ControlPlanes: 1})
	n := newNewer(t, s.PlaneKey)
	first := view.Empty().With(position(1), configuration(t, "first"), nil)
	n.hub.Publish(first)
	d, sdk := s.relay(n)
	s.must(sdk.Await(position(1), 5*time.Second))
	poisoned := first.With(position(2), configuration(t, "poisoned")[1:], nil)
	n.hub.Publish(poisoned)
	s.must(sdk.Until(5*time.Second, func(status follow.Status) bool {
		return status.State == servingv1.PlaneState_PLANE_STATE_REJECTED && status.Replicated == position(2) && status.Active == position(1)
	}))
	var last *servingv1.Status
	defer func() {
		if t.Failed() {
			t.Logf("dp0 reported last: %v", last)
		}
	}()
	s.Await("dp0 reports what it rejects", 5*time.Second, func(context.Context) bool {
		n.mu.Lock()
		defer n.mu.Unlock()
		last = n.statuses[len(n.statuses)-1]
		return last.GetState() == servingv1.PlaneState_PLANE_STATE_REJECTED && last.GetReplicatedRevision() == 2 &&
			last.GetActiveRevision() == 1 && len(last.GetRejections()) == 1 && last.GetRejections()[0].GetKey() == "1"
	})
	if r, ok := d.Ready(t.Context()); !ok || r.Revision != 1 || len(r.LastFailure) == 0 {
		t.Errorf("dp0 says %+v, want revision 1 and why it does not run 2", r)
	}
	n.hub.Publish(poisoned.With(position(3), configuration(t, "third"), nil))
	s.must(sdk.Await(position(3), 5*time.Second))
	s.Await("dp0 runs revision 3", 5*time.Second, func(ctx context.Context) bool {
		r, ok := d.Ready(ctx)
		return ok && r.Revision == 3
	})
	for _, who := range []string{"sdk", "dp0/log"} {
		if s.count(who, history.End, "") > 0 {
			t.Errorf("%s has left its stream for a revision that does not run", who)
		}
	}
	if s.count("sdk", history.Rejected, "") != 1 || s.count("sdk", history.Active, "") != 2 {
		t.Error("want revisions 1 and 3 to run, and 2 to be rejected once")
	}
	for _, v := range history.Check(s.Recorder.Events(), nowhere(position(3)), limits) {
		t.Error(v)
	}
}

// nowhere is the truth where no database knows anything.
func nowhere(head view.Position) *history.Truth {
	return &history.Truth{
		Head: head, Hash: func(string, view.Position) (string, bool) { return "", false },
		Answer: func(int64, string) (string, bool) { return "", false },
	}
}

// TestF32 publishes what a later release may: kinds of entities and fields that
// are not known here. A relay passes them on byte for byte.
func TestF32(t *testing.T) {
	t.Parallel()
	s := setup(t, fleet.Options{ControlPlanes: 1})
	n := newNewer(t, s.PlaneKey)
	entities := configuration(t, "first")
	payload := protowire.AppendTag(bytes.Clone(entities[1].Payload()), 1999, protowire.BytesType)
	payload = protowire.AppendString(payload, "what a later release says")
	entities[1] = view.NewEntity(view.ExperimentKey(1), payload)
	strange := view.NewEntity(view.Key{Kind: 77, Name: "strange"}, []byte("\xff\xfe not even a message"))
	v := view.Empty().With(position(1), append(entities, strange), nil)
	n.hub.Publish(v)
	_, sdk := s.relay(n)
	tap := s.Tap("tap", "data-plane", s.PlaneKey, nil, s.data(0))
	s.awaitEvents("tap", history.Beat, "")
	s.must(sdk.Await(position(1), 5*time.Second))
	held := tap.Entities()
	if got := held[history.Entity{Kind: 77, Key: "strange"}]; !bytes.Equal(got, strange.Payload()) {
		t.Errorf("the entity of an unknown kind is passed on as %q", got)
	}
	if got := held[history.Entity{Kind: 2, Key: "1"}]; !bytes.Equal(got, payload) {
		t.Errorf("the unknown field is passed on as %q", got)
	}
	if got := history.HashOf(held); got != v.Hash().String() || sdk.Status().ActiveHash != v.Hash() {
		t.Errorf("the hashes are %s and %v, want %v", got, sdk.Status().ActiveHash, v.Hash())
	}
	next := v.With(position(2), configuration(t, "second"), []view.Key{strange.TreeKey()})
	n.hub.Publish(next)
	s.must(sdk.Await(position(2), 5*time.Second))
	for _, v := range history.Check(s.Recorder.Events(), nowhere(position(2)), limits) {
		t.Error(v)
	}
}

// TestF30 comes back with tokens around the oldest revision that is remembered.
func TestF30(t *testing.T) {
	t.Parallel()
	const revisions, remembered = 1100, 1024
	key, err := accesskey.Generate()
	if err != nil {
		t.Fatal(err)
	}
	n := newNewer(t, key)
	client := servingv1connect.NewConfigServiceClient(&http.Client{Transport: &accesskey.Transport{
		Key: key, Audience: "control-plane", Next: plainTransport(t), Sessions: func(string) bool { return true },
	}}, "http://"+n.address)
	fetch := func(token []byte) []*servingv1.WatchResponse {
		response, err := client.Fetch(t.Context(), &servingv1.FetchRequest{Watch: &servingv1.WatchRequest{Environment: fleet.Environment, Instance: "x", ResumeToken: token}})
		if err != nil {
			t.Fatal(err)
		}
		return response.GetFrames()
	}
	tokens, held := map[int64][]byte{}, map[int64]history.Entities{}
	v := view.Empty()
	for r := int64(1); r <= revisions; r++ {
		// Each revision puts one field and deletes the one before: a delete that is
		// lost is seen in the hash.
		name := fmt.Sprintf("field_%d", r)
		payload, err := proto.Marshal(&configv1.Field{Name: name, Type: configv1.FieldType_FIELD_TYPE_STRING})
		if err != nil {
			t.Fatal(err)
		}
		v = v.With(position(r), []*view.Entity{view.NewEntity(view.FieldKey(name), payload)}, []view.Key{view.FieldKey(fmt.Sprintf("field_%d", r-1))})
		n.hub.Publish(v)
		if r == 1 || r >= revisions-remembered-2 && r <= revisions-remembered+3 || r >= revisions-2 {
			entities, token, _, err := fleet.TakeAll(history.Entities{}, fetch(nil))
			if err != nil {
				t.Fatal(err)
			}
			tokens[r], held[r] = token, entities
		}
	}
	floor := int64(revisions - remembered + 1)
	for r, token := range tokens {
		frames := fetch(token)
		entities, _, kind, err := fleet.TakeAll(held[r], frames)
		if err != nil {
			t.Errorf("from revision %d: %v", r, err)
			continue
		}
		want := map[bool]string{true: history.Delta, false: history.Full}[r >= floor]
		if r == revisions {
			want = ""
		}
		if kind != want {
			t.Errorf("from revision %d of %d came %q, want %q: the oldest that is remembered is %d", r, revisions, kind, want, floor)
		}
		if got := history.HashOf(entities); got != v.Hash().String() {
			t.Errorf("from revision %d one gets to %s, want %v", r, got, v.Hash())
		}
	}
}

// TestF31 has layers and experiments come into and go out of what SDKs may have.
func TestF31(t *testing.T) {
	t.Parallel()
	s := setup(t, fleet.Options{ControlPlanes: 1, DataPlanes: 1})
	var followers []*fleet.Follower
	for _, services := range [][]string{{"search"}, {"mail"}, {"checkout", "search"}} {
		key, err := s.Admin.NewKey(t.Context(), fmt.Sprint(services), servingv1.Role_ROLE_SDK, services...)
		s.must(err)
		name := fmt.Sprint(services)
		followers = append(followers, s.sdk("sdk"+name, 0, func(o *fleet.FollowerOptions) { o.Key, o.Services = key, services }))
		s.Tap("tap"+name, "control-plane", key, services, s.push(0))
		s.Tap("relayed"+name, "data-plane", key, services, s.data(0))
	}
	s.AwaitHead(10*time.Second, followers...)
	s.wait("all is published", s.publish(1, 120, 40), 30*time.Second)
	t.Logf("converged in %v", s.Check(5*time.Second, limits, followers...))
}
