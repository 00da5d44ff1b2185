//go:build faults

package faults_test

import (
	"testing"
	"time"

	"github.com/strata-exp/strata/sdk/e2e/fleet"
	"github.com/strata-exp/strata/sdk/e2e/history"
)

// TestF16 has many SDKs on one data plane, which is then killed (F17): all come
// back. The benchmark of package push has ten thousand.
func TestF16(t *testing.T) {
	t.Parallel()
	const streams, publishes = 600, 40
	s := setup(t, fleet.Options{ControlPlanes: 1, DataPlanes: 1})
	d := s.Data[0]
	before := d.RSS()
	swarm := s.Swarm(d, streams)
	head, err := s.Head(t.Context())
	s.must(err)
	s.AwaitSwarm(swarm, streams, head, 30*time.Second)
	publisher, published := s.NewPublisher("publisher"), map[int64]int64{}
	for range publishes {
		sent := time.Now()
		head, err = publisher.Publish(t.Context())
		s.must(err)
		published[head] = sent.UnixNano()
		s.pause(max(0, 100*time.Millisecond-time.Since(sent)))
	}
	steady := d.RSS()
	s.AwaitSwarm(swarm, streams, head, 10*time.Second)
	a, err := swarm.Ask(fleet.SwarmQuestion{Revision: head, Published: published})
	s.must(err)
	t.Logf("fan-out: p50 %v, p99 %v, %d KiB a stream", a.P50, a.P99, (steady-before)/streams>>10)
	if a.Arrivals != streams*publishes {
		t.Errorf("%d arrivals of %d publishes at %d streams", a.Arrivals, publishes, streams)
	}
	if a.P99 > 2*time.Second {
		t.Errorf("p99 of the fan-out is %v", a.P99)
	}
	s.Recorder.Add(history.Event{Observer: d.Name, What: history.Memory, Bytes: steady - before, Streams: streams})

	s.fault("kill dp0 with all of its followers")
	d.Kill()
	s.must(d.Start(t.Context()))
	back, _ := s.AwaitSwarm(swarm, streams, head, time.Minute)
	peak := d.PeakRSS()
	t.Logf("all were back after %v, at most %d MiB, %d MiB before", back, peak>>20, steady>>20)
	if float64(peak) > 1.5*float64(steady)+16<<20 {
		t.Errorf("the herd takes %d MiB, and %d MiB are steady", peak>>20, steady>>20)
	}
	s.heal()
	l := limits
	l.Stream = 96 << 10
	s.Check(10*time.Second, l)
}
