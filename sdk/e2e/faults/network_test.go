//go:build faults

package faults_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/gen/go/strata/serving/v1/servingv1connect"
	"github.com/strata-exp/strata/sdk/e2e/fleet"
	"github.com/strata-exp/strata/sdk/e2e/history"
	"github.com/strata-exp/strata/sdk/e2e/network"
	"github.com/strata-exp/strata/sdk/go/accesskey"
	"github.com/strata-exp/strata/sdk/go/follow"
)

// TestF11 has a follower go to a control plane that was stopped for a while, and
// does not know what it has missed.
func TestF11(t *testing.T) {
	t.Parallel()
	s := setup(t, fleet.Options{ControlPlanes: 2})
	at := new(atomic.Int64)
	s.Tap("tap", "control-plane", s.PlaneKey, nil, func() string { return "http://" + s.Control[at.Load()].Push })
	balancer := s.Between("sdk", "balancer", s.Control[0].Push)
	sdk := s.Follow(fleet.FollowerOptions{Name: "sdk", URL: "http://" + balancer, Audience: "control-plane", Key: s.PlaneKey})
	publisher := s.NewPublisher("publisher")
	s.must(publisher.Run(t.Context(), 20, 3))
	s.AwaitHead(5*time.Second, sdk)
	s.fault("pause cp1")
	s.must(s.Control[1].Signal(syscall.SIGSTOP))
	defer func() { _ = s.Control[1].Signal(syscall.SIGCONT) }()
	s.must(publisher.Run(t.Context(), 20, 20))
	s.AwaitHead(5*time.Second, sdk)
	s.fault("move everybody to cp1")
	at.Store(1)
	s.net.Link("sdk", "balancer").Retarget(s.Control[1].Push)
	s.Control[0].Kill()
	s.pause(3 * time.Second)
	s.must(s.Control[1].Signal(syscall.SIGCONT))
	s.Admin.Next()
	s.must(publisher.Run(t.Context(), 20, 22))
	s.must(s.Control[0].Start(t.Context()))
	s.heal()
	s.Check(20*time.Second, limits, sdk)
}

// protocol is a way to follow.
type protocol struct {
	name     string
	protocol follow.Protocol
	http2    bool
}

var protocols = []protocol{
	{"connect-http1", follow.Connect, false},
	{"connect-http2", follow.Connect, true},
	{"grpc", follow.GRPC, true},
	{"grpcweb", follow.GRPCWeb, false},
}

// TestF12 silences connections in one direction or both, over all protocols, both
// of data planes to the control plane and of SDKs to a data plane.
func TestF12(t *testing.T) {
	t.Parallel()
	s := setup(t, fleet.Options{ControlPlanes: 1, DataPlanes: 3})
	// No rest after a failure is longer than a second, or healing would be slow.
	type silenced struct {
		observer string
		link     *network.Link
		ways     []string
	}
	var all []silenced
	var followers []*fleet.Follower
	for _, p := range protocols {
		for _, ways := range [][]string{{network.Down}, {network.Up}, {network.Up, network.Down}} {
			name := fmt.Sprintf("%s-%v", p.name, ways)
			followers = append(followers, s.sdk(name, 0, func(o *fleet.FollowerOptions) { o.Protocol, o.HTTP2 = p.protocol, p.http2 }))
			all = append(all, silenced{name, s.net.Link(name, "dp0"), ways})
		}
	}
	all = append(all,
		silenced{"dp1/log", s.net.Link("dp1", "cp0"), []string{network.Down}},
		silenced{"dp2/log", s.net.Link("dp2", "cp0"), []string{network.Up, network.Down}},
	)
	s.AwaitHead(10*time.Second, followers...)
	s.pause(2 * heartbeat) // so that all have reported
	events := len(s.Recorder.Events())
	for _, x := range all {
		if len(x.ways) > 1 || x.ways[0] == network.Down {
			s.Recorder.Add(history.Event{Observer: x.observer, What: history.Silence})
		}
		x.link.Silence(x.ways...)
	}
	began := s.Recorder.Now()
	left := func() map[string]string {
		since, _ := s.Recorder.Since(events)
		found := map[string]string{}
		for _, e := range since {
			if _, ok := found[e.Observer]; !ok && e.What == history.End {
				found[e.Observer] = e.Kind + " after " + (e.At - began).Round(time.Millisecond).String()
			}
		}
		return found
	}
	deadline := 3*heartbeat + 2*slack // those who are silenced upwards alone end with their lease
	for s.Recorder.Now()-began < deadline && len(left()) < len(all) {
		s.pause(20 * time.Millisecond)
	}
	for _, x := range all {
		if how, ok := left()[x.observer]; !ok {
			t.Errorf("%s still follows %v after it was silenced %v", x.observer, s.Recorder.Now()-began, x.ways)
		} else {
			t.Logf("%s: %s", x.observer, how)
		}
	}
	for _, x := range all {
		x.link.Heal()
	}
	s.heal()
	_, err := s.NewPublisher("publisher").Publish(t.Context())
	s.must(err)
	t.Logf("converged in %v", s.Check(15*time.Second, limits, followers...))
}

// TestF13 cuts the connection at many places of the first update.
func TestF13(t *testing.T) {
	t.Parallel()
	s := setup(t, fleet.Options{ControlPlanes: 1, DataPlanes: 1, World: fleet.World{Layers: 24, Padding: 8 << 10}})
	random := s.Random("offsets")
	s.Between("cut", "dp0", s.Data[0].HTTP)
	link := s.net.Link("cut", "dp0")
	for i := range 24 {
		offset := int64(i) * 150 // headers, Hello, the first parts
		if i%2 == 1 {
			offset = random.Int64N(400 << 10) // and all of it
		}
		link.Cut(offset)
		name := fmt.Sprintf("cut-%d-at-%d", i, offset)
		sdk, stop := s.FollowUntil(fleet.FollowerOptions{Name: name, URL: "http://" + s.Between("cut", "dp0", ""), Key: s.PlaneKey})
		s.Await(name+" is cut or through", 10*time.Second, func(context.Context) bool {
			return s.count(name, history.End, "") > 0 || sdk.Status().Active.Revision > 0
		})
		link.Heal()
		if err := sdk.Until(10*time.Second, func(status follow.Status) bool { return status.Active.Revision > 0 }); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		stop()
	}
	s.heal()
	s.Check(5*time.Second, limits)
}

// TestF14 slows connections down: what is late is not lost.
func TestF14(t *testing.T) {
	t.Parallel()
	s := setup(t, fleet.Options{ControlPlanes: 1, DataPlanes: 1, World: fleet.World{Layers: 12, Padding: 2 << 10}})
	slow := s.sdk("slow", 0)
	narrow := s.sdk("narrow", 0)
	sliced := s.sdk("sliced", 0)
	s.AwaitHead(10*time.Second, slow, narrow, sliced)
	s.net.Link("slow", "dp0").Slow(0, 700, 300)
	s.net.Link("narrow", "dp0").Slow(64, 0, 0)
	s.net.Link("sliced", "dp0").Slice(64)
	s.net.Link("dp0", "cp0").Slow(64, 300, 100)
	done := s.publish(1, 30, 5)
	s.wait("all is published", done, 30*time.Second)
	took := s.Check(15*time.Second, limits, slow, narrow, sliced)
	t.Logf("converged in %v", took)
	for _, name := range []string{"slow", "narrow", "sliced", "dp0/log"} {
		if n := s.count(name, history.End, ""); n > 0 {
			t.Errorf("%s left its stream %d times, although nothing was lost", name, n)
		}
	}
}

// stuck is a connection whose reader stops.
type stuck struct {
	net.Conn
	stopped <-chan struct{}
	closed  chan struct{}
}

func (c *stuck) Read(p []byte) (int, error) {
	select {
	case <-c.stopped:
		<-c.closed
		return 0, net.ErrClosed
	default:
		return c.Conn.Read(p)
	}
}

// TestF15 has one follower that does not read and one that reads slowly, while
// much is published.
func TestF15(t *testing.T) {
	t.Parallel()
	s := setup(t, fleet.Options{ControlPlanes: 1, DataPlanes: 1, World: fleet.World{Layers: 12, Padding: 24 << 10}})
	s.Sparse(10)
	healthy := s.sdk("healthy", 0)
	slow := s.sdk("slow", 0)
	s.AwaitHead(10*time.Second, healthy, slow)
	before := s.publish(1, 40, 20)
	s.wait("all is published", before, 20*time.Second)
	s.AwaitHead(10*time.Second, healthy, slow)
	calm := slices.Sorted(slices.Values(s.delays("healthy")))

	stopped, closed := make(chan struct{}), make(chan struct{})
	transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, address)
		return &stuck{c, stopped, closed}, err
	}}
	client := servingv1connect.NewConfigServiceClient(&http.Client{Transport: &accesskey.Transport{
		Key: s.PlaneKey, Audience: "data-plane", Next: transport, Sessions: func(string) bool { return true },
	}}, "http://"+s.Data[0].HTTP)
	stream, err := client.Watch(t.Context(), &servingv1.WatchRequest{Environment: fleet.Environment, Instance: "stuck"})
	s.must(err)
	for range 2 {
		if !stream.Receive() {
			t.Fatal(stream.Err())
		}
	}
	defer func() { close(closed); _ = stream.Close() }()
	close(stopped)
	s.net.Link("slow", "dp0").Slow(512, 0, 0)
	streams := func(ctx context.Context) float64 {
		n, _ := fleet.Metric(ctx, s.Data[0].Metrics, "strata_push_streams")
		return n
	}
	if n := streams(t.Context()); n != 3 {
		t.Errorf("there are %v streams, want 3", n)
	}
	p := s.NewPublisher("many")
	stop := s.Go("publisher", func(ctx context.Context) error { return p.Run(ctx, 20, 1_000_000) })
	freed := s.Await("the one that does not read is let go", 45*time.Second, func(ctx context.Context) bool { return streams(ctx) == 2 })
	stop()
	s.net.Link("slow", "dp0").Heal()
	s.heal()
	s.Check(20*time.Second, limits, healthy, slow)
	busy := s.delays("healthy")[len(calm):]
	slices.Sort(busy)
	t.Logf("the one that does not read was let go after %v; p50 of others %v, and %v meanwhile; p95 %v and %v", freed,
		calm[len(calm)/2], busy[len(busy)/2], calm[len(calm)*95/100], busy[len(busy)*95/100])
	if p95 := busy[len(busy)*95/100]; p95 > 2*max(calm[len(calm)*95/100], 150*time.Millisecond) {
		t.Errorf("p95 of others is %v, and was %v before", p95, calm[len(calm)*95/100])
	}
}
