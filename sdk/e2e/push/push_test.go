package push_test

import (
	"context"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/strata-exp/strata/sdk/e2e/fleet"
)

func TestMain(m *testing.M) { fleet.Main(m) }

// number returns a number of the environment, or another one.
func number(variable string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(variable)); err == nil {
		return n
	}
	return otherwise
}

// every is the time between two publishes.
const every = 100 * time.Millisecond

// publishes is how many publishes a run makes.
func publishes() int { return number("STRATA_PUBLISHES", 200) }

func quantile(sorted []time.Duration, q float64) float64 {
	return float64(sorted[int(q*float64(len(sorted)-1))].Microseconds()) / 1000
}

// BenchmarkPushServed is the time from sending a publish until each of three data
// planes answers evaluations from its revision, at 10 publishes a second. An
// iteration is a run of 200 publishes.
func BenchmarkPushServed(b *testing.B) {
	f := fleet.Start(b, fleet.Options{ControlPlanes: 1, DataPlanes: 3, Heartbeat: 15 * time.Second, World: fleet.World{Layers: 100}})
	publisher := f.NewPublisher("publisher")
	var acknowledged, served []time.Duration
	for b.Loop() {
		w := newWatch(f)
		tick := time.NewTicker(every)
		for range publishes() {
			sent := time.Now()
			revision, err := publisher.Publish(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			acknowledged = append(acknowledged, time.Since(sent))
			w.published(revision, sent)
			<-tick.C
		}
		tick.Stop()
		served = append(served, w.stop()...)
	}
	if len(served) == 0 {
		b.Fatal("nothing was served")
	}
	slices.Sort(acknowledged)
	slices.Sort(served)
	b.ReportMetric(quantile(acknowledged, 0.5), "ms-acknowledged-p50")
	b.ReportMetric(quantile(acknowledged, 0.99), "ms-acknowledged-p99")
	b.ReportMetric(quantile(served, 0.5), "ms-served-p50")
	b.ReportMetric(quantile(served, 0.99), "ms-served-p99")
	b.ReportMetric(0, "ns/op")
}

// watch asks data planes all the time which revision they answer from.
type watch struct {
	mu   sync.Mutex
	seen map[string]map[int64]time.Time // by data plane: when a revision was seen first
	sent map[int64]time.Time
	end  context.CancelFunc
	wait sync.WaitGroup
}

func newWatch(f *fleet.Fleet) *watch {
	ctx, cancel := context.WithCancel(context.Background())
	w := &watch{seen: map[string]map[int64]time.Time{}, sent: map[int64]time.Time{}, end: cancel}
	for _, d := range f.Data {
		seen := map[int64]time.Time{}
		w.seen[d.Name] = seen
		w.wait.Go(func() {
			transport := &http.Transport{}
			defer transport.CloseIdleConnections()
			client := &http.Client{Transport: transport}
			last := int64(0)
			for fleet.Pause(ctx, time.Millisecond) == nil {
				revision, _, err := fleet.Ask(ctx, client, d.HTTP, "search/u1")
				if err != nil || revision == last {
					continue
				}
				now := time.Now()
				w.mu.Lock()
				for r := last + 1; r <= revision && last > 0; r++ {
					seen[r] = now
				}
				w.mu.Unlock()
				last = revision
			}
		})
	}
	return w
}

func (w *watch) published(revision int64, sent time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent[revision] = sent
}

// stop returns how long each publish took to each data plane.
func (w *watch) stop() (all []time.Duration) {
	w.end()
	w.wait.Wait()
	for _, seen := range w.seen {
		for revision, sent := range w.sent {
			if at, ok := seen[revision]; ok {
				all = append(all, at.Sub(sent))
			}
		}
	}
	return all
}

// BenchmarkPushFanOut is the time from sending a publish until each of 10,000
// SDKs, or STRATA_STREAMS, that follow one data plane has it, at 10 publishes a
// second, and what the data plane needs for them. The SDKs are in a process of
// their own on the same machine, with a connection each, and do not compile what
// they get.
func BenchmarkPushFanOut(b *testing.B) {
	streams := number("STRATA_STREAMS", 10_000)
	f := fleet.Start(b, fleet.Options{ControlPlanes: 1, DataPlanes: 1, Heartbeat: 15 * time.Second, World: fleet.World{Layers: 100}})
	d := f.Data[0]
	if _, err := f.NewPublisher("warm").Publish(b.Context()); err != nil {
		b.Fatal(err)
	}
	f.AwaitHead(10 * time.Second)
	before := d.RSS()
	swarm := f.Swarm(d, streams)
	head, err := f.Head(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	connected, first := f.AwaitSwarm(swarm, streams, head, 5*time.Minute)
	b.Logf("%d streams after %v, streams that ended before: %v", streams, connected, first.Ended)
	idle := d.RSS()
	publisher := f.NewPublisher("publisher")
	published := map[int64]int64{}
	for b.Loop() {
		tick := time.NewTicker(every)
		for range publishes() {
			sent := time.Now()
			revision, err := publisher.Publish(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			published[revision] = sent.UnixNano()
			head = revision
			<-tick.C
		}
		tick.Stop()
	}
	busy := d.RSS()
	settled, _ := f.AwaitSwarm(swarm, streams, head, time.Minute)
	a, err := swarm.Ask(fleet.SwarmQuestion{Revision: head, Published: published})
	if err != nil {
		b.Fatal(err)
	}
	dropped := int64(0)
	for cause, n := range a.Ended {
		dropped += n - first.Ended[cause]
	}
	if a.Arrivals != streams*len(published) {
		b.Errorf("%d arrivals of %d publishes at %d streams", a.Arrivals, len(published), streams)
	}
	b.Logf("all at head %v after the last publish; ended: %v", settled, a.Ended)
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	b.ReportMetric(connected.Seconds(), "s-until-connected")
	b.ReportMetric(ms(a.P50), "ms-fan-out-p50")
	b.ReportMetric(ms(a.P99), "ms-fan-out-p99")
	b.ReportMetric(ms(a.Longest), "ms-fan-out-longest")
	b.ReportMetric(float64(idle-before)/float64(streams)/1024, "KiB/stream-idle")
	b.ReportMetric(float64(max(busy, d.PeakRSS())-before)/float64(streams)/1024, "KiB/stream-peak")
	b.ReportMetric(float64(dropped), "dropped")
	b.ReportMetric(0, "ns/op")
}
