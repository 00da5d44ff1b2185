//go:build faults

package faults_test

import (
	"context"
	"testing"
	"time"

	"github.com/strata-exp/strata/sdk/e2e/fleet"
	"github.com/strata-exp/strata/sdk/e2e/history"
)

// TestF1 kills the only control plane at random points of many publishes.
func TestF1(t *testing.T) {
	t.Parallel()
	s := setup(t, fleet.Options{ControlPlanes: 1, DataPlanes: 3})
	sdk := s.sdk("sdk", 0)
	s.Tap("tap", "control-plane", s.PlaneKey, nil, s.push(0))
	random := s.Random("kills")
	done := s.publish(4, 240, 100)
	kills := 0
	for {
		select {
		case <-done:
			if kills == 0 {
				t.Fatal("the control plane was never killed")
			}
			s.heal()
			took := s.Check(10*time.Second, limits, sdk)
			t.Logf("%d kills, everybody at the newest revision %v after the last publish", kills, took)
			return
		case <-time.After(time.Duration(100+random.IntN(600)) * time.Millisecond):
			s.fault("kill cp0")
			s.Control[0].Kill()
			s.must(s.Control[0].Start(t.Context()))
			kills++
		}
	}
}

// TestF2 kills one of two control planes.
func TestF2(t *testing.T) {
	t.Parallel()
	s := setup(t, fleet.Options{ControlPlanes: 2, DataPlanes: 3})
	s.Tap("tap", "control-plane", s.PlaneKey, nil, s.push(1))
	stop := s.Go("publisher", func(ctx context.Context) error {
		return s.NewPublisher("publisher").Run(ctx, 40, 1_000_000)
	})
	s.pause(time.Second)
	s.fault("kill cp0")
	s.Control[0].Kill()
	killed := s.Recorder.Now()
	for _, d := range []string{"dp0", "dp2"} { // as a balancer does that sees cp0 die
		s.net.Link(d, "cp0").Retarget(s.Control[1].Push)
	}
	s.Admin.Next()
	s.pause(500 * time.Millisecond)
	after := s.lastOK()
	killedAt := time.Now().Add(killed - s.Recorder.Now())
	s.Await("all data planes have what was published after the kill", 3*time.Second, func(ctx context.Context) bool {
		for _, d := range s.Data {
			if r, ok := d.Ready(ctx); !ok || r.Revision < after {
				return false
			}
		}
		return true
	})
	back := time.Since(killedAt)
	s.pause(time.Second)
	stop()
	pause := s.longestPause(killed)
	if pause > 2*time.Second {
		t.Errorf("publishing paused for %v, more than 2s", pause)
	}
	t.Logf("publishing paused for %v, data planes had what was published since %v after the kill", pause, back)
	s.must(s.Control[0].Start(t.Context()))
	s.heal()
	s.Check(10*time.Second, limits)
}

// lastOK is the newest revision that was acknowledged.
func (s *system) lastOK() (revision int64) {
	for _, e := range s.Recorder.Events() {
		if e.What == history.OK {
			revision = max(revision, e.Revision)
		}
	}
	return revision
}

// longestPause is the longest time between acknowledgements that goes on at a
// time or begins later.
func (s *system) longestPause(from time.Duration) (longest time.Duration) {
	last := time.Duration(0)
	for _, e := range s.Recorder.Events() {
		if e.What != history.OK {
			continue
		}
		if e.At > from {
			longest = max(longest, e.At-last)
		}
		last = e.At
	}
	return longest
}

// TestF4 takes the control plane and its database away while evaluations are
// asked for, 2,000 a second in all.
func TestF4(t *testing.T) {
	s := setup(t, fleet.Options{ControlPlanes: 1, DataPlanes: 3})
	var loads []*fleet.Load
	for _, d := range s.Data {
		loads = append(loads, s.Load(d, 667))
	}
	publisher := s.NewPublisher("publisher")
	s.must(publisher.Run(t.Context(), 10, 10))
	s.fault("kill cp0 and postgres")
	s.Control[0].Kill()
	s.must(s.Postgres.Kill())
	s.pause(10 * time.Second)
	for _, d := range s.Data {
		if r, ok := d.Ready(t.Context()); !ok || r.StaleSeconds == nil || *r.StaleSeconds < 8 || *r.StaleSeconds > 15 {
			t.Errorf("%s says %+v after 10 s without a control plane", d.Name, r)
		}
	}
	s.must(s.Postgres.Start(t.Context()))
	s.must(s.Control[0].Start(t.Context()))
	back := s.Recorder.Now()
	_, err := publisher.Publish(t.Context())
	s.must(err)
	s.heal()
	s.AwaitHead(10*time.Second - (s.Recorder.Now() - back))
	t.Logf("converged %v after the return", s.Recorder.Now()-back)
	asked := int64(0)
	for _, l := range loads {
		l.Stop()
		asked += l.Asked.Load()
		if n := l.Failed.Load(); n > 0 {
			t.Errorf("%d evaluations failed", n)
		}
	}
	t.Logf("%d evaluations", asked)
	s.Check(10*time.Second, limits)
}

// TestF34 stops data planes and control planes in order.
func TestF34(t *testing.T) {
	t.Parallel()
	s := setup(t, fleet.Options{ControlPlanes: 1, DataPlanes: 2, DataFlags: []string{"--drain-delay", "1s"}, ControlFlags: []string{"--drain-delay", "1s"}})
	s.Tap("of-dp0", "data-plane", s.PlaneKey, nil, s.data(0))
	s.Tap("of-cp0", "control-plane", s.PlaneKey, nil, s.push(0))
	load := s.Load(s.Data[0], 200)
	s.awaitEvents("of-dp0", history.Beat, "")
	s.awaitEvents("of-cp0", history.Beat, "")
	stopping := s.Go("stop dp0", func(context.Context) error { return s.Data[0].Stop() })
	s.Await("dp0 says that it stops", 5*time.Second, func(ctx context.Context) bool {
		_, ok := s.Data[0].Ready(ctx)
		return !ok
	})
	load.Stop() // as a balancer does
	began := s.Recorder.Now()
	stopping()
	s.awaitEvents("of-dp0", history.Goodbye, "REASON_DRAIN")
	s.must(s.Control[0].Stop())
	s.awaitEvents("of-cp0", history.Goodbye, "REASON_DRAIN")
	if took := s.Recorder.Now() - began; took > 30*time.Second {
		t.Errorf("stopping two planes took %v, more than twice 15s", took)
	}
	if n := load.Failed.Load(); n > 0 {
		t.Errorf("%d of %d evaluations failed while a data plane stopped", n, load.Asked.Load())
	}
	s.must(s.Control[0].Start(t.Context()))
	s.must(s.Data[0].Start(t.Context()))
	s.heal()
	s.Check(10*time.Second, limits)
}

// awaitEvents waits until an observer has seen something.
func (s *system) awaitEvents(observer string, what history.What, kind string) {
	s.t.Helper()
	s.Await(observer+" sees "+string(what)+" "+kind, 20*time.Second, func(context.Context) bool {
		return s.count(observer, what, kind) > 0
	})
}

func (s *system) count(observer string, what history.What, kind string) (n int) {
	for _, e := range s.Recorder.Events() {
		if e.Observer == observer && e.What == what && (kind == "" || e.Kind == kind) {
			n++
		}
	}
	return n
}
