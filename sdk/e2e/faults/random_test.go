//go:build faults

package faults_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"testing"
	"time"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/sdk/e2e/fleet"
	"github.com/strata-exp/strata/sdk/e2e/network"
)

// soakVariable says how long TestF18 goes on.
const soakVariable = "STRATA_SOAK"

// measured is for how long a process has to live for its growth to count.
const measured = 5 * time.Minute

// TestF18 breaks whatever is next, in an order that the seed says, while there are
// publishes, evaluations, and followers in several scopes; and demands at the end
// that nobody has grown (F33). It goes on for 45 s, or as long as STRATA_SOAK says.
func TestF18(t *testing.T) {
	long := 45 * time.Second
	if text := os.Getenv(soakVariable); text != "" {
		var err error
		if long, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	s := setup(t, fleet.Options{ControlPlanes: 2, DataPlanes: 3})
	t.Logf("%s=%d %s=%v", fleet.SeedVariable, s.Seed, soakVariable, long)
	followers := s.crowd()
	for _, d := range s.Data {
		s.Load(d, 100)
	}
	stop := s.Go("publisher", func(ctx context.Context) error {
		return s.NewPublisher("publisher").Run(ctx, 5, 1<<40)
	})
	s.AwaitHead(20*time.Second, followers...)
	random := s.Random("faults")
	began := time.Now()
	var grown []sizes
	counts := map[string]int{}
	for round := 0; time.Since(began) < long; round++ {
		name, heal := s.breakSomething(random, long > measured)
		counts[name]++
		s.pause(time.Duration(200+random.IntN(3000)) * time.Millisecond)
		heal()
		s.pause(time.Duration(random.IntN(1500)) * time.Millisecond)
		if round%10 == 9 {
			s.heal()
			s.AwaitHead(60*time.Second, followers...)
			grown = append(grown, s.sizes())
		}
	}
	stop()
	s.heal()
	took := s.AwaitHead(60*time.Second, followers...)
	t.Logf("%v, converged in %v", counts, took)
	// Evaluations fail while their data plane is down, which was done on purpose.
	l := limits
	l.Failures = 1 << 40
	s.Sparse(max(1, int64(long/time.Minute)))
	s.Check(10*time.Second, l, followers...)
	s.flat(grown)
}

// crowd starts followers and taps in several scopes on all planes.
func (s *system) crowd() (followers []*fleet.Follower) {
	s.t.Helper()
	for i, services := range [][]string{nil, {"search"}, {"checkout", "mail"}} {
		role := servingv1.Role_ROLE_SDK
		if services == nil {
			role = servingv1.Role_ROLE_PLANE
		}
		key, err := s.Admin.NewKey(s.t.Context(), fmt.Sprint("crowd ", i), role, services...)
		s.must(err)
		p := protocols[i%len(protocols)]
		followers = append(followers, s.sdk(fmt.Sprint("sdk", i), i%len(s.Data), func(o *fleet.FollowerOptions) {
			o.Key, o.Services, o.Protocol, o.HTTP2 = key, services, p.protocol, p.http2
		}))
		s.Tap(fmt.Sprint("tap", i), "data-plane", key, services, s.data((i+1)%len(s.Data)))
	}
	s.Tap("tap-cp", "control-plane", s.PlaneKey, nil, s.push(0))
	return followers
}

// breakSomething breaks something, and returns what it was and what makes it whole
// again. If one of each is spared, it is never killed, so that it can be seen
// whether it grows.
func (s *system) breakSomething(random *rand.Rand, spare bool) (name string, heal func()) {
	s.t.Helper()
	spared := 0
	if spare {
		spared = 1
	}
	cp, dp := s.Control[random.IntN(len(s.Control)-spared)], s.Data[random.IntN(len(s.Data)-spared)]
	kill := func(kind string, p *fleet.Process) (string, func()) {
		s.fault("kill " + p.Name)
		p.Kill()
		return kind, func() { s.must(p.Start(s.t.Context())) }
	}
	links := []*network.Link{}
	for i := range s.Data {
		links = append(links, s.net.Link(fmt.Sprint("dp", i), s.Control[i%len(s.Control)].Name), s.net.Link(fmt.Sprint("sdk", i), fmt.Sprint("dp", i)))
	}
	link := links[random.IntN(len(links))]
	switch random.IntN(8) {
	case 0:
		return kill("kill control plane", cp.Process)
	case 1:
		return kill("kill data plane", dp.Process)
	case 2:
		s.fault("kill control and data plane")
		cp.Kill()
		dp.Kill()
		return "kill both", func() {
			s.must(dp.Start(s.t.Context())) // the wrong way round
			s.must(cp.Start(s.t.Context()))
		}
	case 3:
		s.fault("kill postgres")
		s.must(s.Postgres.Kill())
		return "kill postgres", func() { s.must(s.Postgres.Start(s.t.Context())) }
	case 4:
		s.fault("silence a link")
		link.Silence(network.Down)
		return "silence", link.Heal
	case 5:
		s.fault("cut a link")
		link.Cut(random.Int64N(4000))
		return "cut", link.Heal
	case 6:
		s.fault("reset a link")
		link.Reset()
		return "reset", func() {}
	default:
		s.fault("slow down a link")
		link.Slow(32, 100, 50)
		return "slow", link.Heal
	}
}

// sizes are how much the parts of a system take.
type sizes struct {
	at         time.Duration
	goroutines int
	rss        map[string]int64
	files      map[string]int
	running    map[string]int // the process, as one that was started anew is small
}

func (s *system) sizes() sizes {
	x := sizes{s.Recorder.Now(), runtime.NumGoroutine(), map[string]int64{}, map[string]int{}, map[string]int{}}
	for _, p := range s.processes() {
		x.rss[p.Name], x.files[p.Name], x.running[p.Name] = p.RSS(), p.Files(), p.PID()
	}
	return x
}

func (s *system) processes() (all []*fleet.Process) {
	for _, c := range s.Control {
		all = append(all, c.Process)
	}
	for _, d := range s.Data {
		all = append(all, d.Process)
	}
	return all
}

// flat demands that nothing has grown from one look to the next ones, where the
// process is the same one and has had a minute to warm up.
func (s *system) flat(looks []sizes) {
	s.t.Helper()
	const perMinute, warm = 1 << 20, time.Minute
	for _, p := range s.processes() {
		first := -1
		for i, x := range looks {
			switch {
			case first < 0 || looks[first].running[p.Name] != x.running[p.Name]:
				first = i
				continue
			case x.at-looks[first].at < warm:
				continue
			}
			since := looks[first]
			grown := float64(x.rss[p.Name]-since.rss[p.Name]) / (x.at - since.at).Minutes()
			s.t.Logf("%s after %v: %+.2f MiB a minute, %d files, was %d", p.Name, x.at-since.at, grown/(1<<20), x.files[p.Name], since.files[p.Name])
			if last := i == len(looks)-1; last && x.at-since.at > measured && grown > perMinute {
				s.t.Errorf("%s grows by %.1f MiB a minute", p.Name, grown/(1<<20))
			}
			if x.files[p.Name] > since.files[p.Name]+50 {
				s.t.Errorf("%s has %d files open, and had %d", p.Name, x.files[p.Name], since.files[p.Name])
			}
		}
	}
	if n := len(looks); n > 2 && looks[n-1].goroutines > looks[0].goroutines+100 {
		s.t.Errorf("the followers here have %d goroutines, and had %d", looks[n-1].goroutines, looks[0].goroutines)
	}
}
