//go:build faults

// Package faults_test breaks a running system, and checks what everybody saw
// meanwhile. README.md lists the cases.
package faults_test

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/strata-exp/strata/sdk/e2e/fleet"
	"github.com/strata-exp/strata/sdk/e2e/history"
	"github.com/strata-exp/strata/sdk/e2e/network"
)

func TestMain(m *testing.M) {
	fleet.Main(m,
		goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2/toxics.(*ToxicStub).WriteOutput"),
		goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2.(*ToxicLink).write"),
		goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2.(*ToxicLink).read"),
		goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2/toxics.(*ToxicStub).Run"),
	)
}

// raceVariable has the planes built with the race detector.
const raceVariable = "STRATA_E2E_RACE"

// heartbeat is that of all streams, and slack what a busy machine may add.
const (
	heartbeat = time.Second
	slack     = 1500 * time.Millisecond
)

var limits = history.Limits{Heartbeat: heartbeat, Slack: slack, Revoke: 5 * time.Second}

// system is a fleet with a network between its parts.
type system struct {
	*fleet.Fleet
	t   *testing.T
	net *network.Network
}

// setup starts a system. All of its parts reach each other over links, the
// database too if that is asked for.
func setup(t *testing.T, o fleet.Options) *system {
	t.Helper()
	return setupOn(t, network.New(t), o)
}

func setupOn(t *testing.T, n *network.Network, o fleet.Options) *system {
	t.Helper()
	o.Link, o.Heartbeat = n.Between, heartbeat
	o.Build.Race = os.Getenv(raceVariable) != ""
	o.Build.Tags = strings.TrimSuffix("faults,"+os.Getenv(tagsVariable), ",")
	return &system{fleet.Start(t, o), t, n}
}

// push is the URL of a control plane's config stream.
func (s *system) push(i int) func() string {
	return func() string { return "http://" + s.Control[i].Push }
}

// data is the URL of a data plane.
func (s *system) data(i int) func() string {
	return func() string { return "http://" + s.Data[i].HTTP }
}

// sdk starts a follower on a data plane, over a link.
func (s *system) sdk(name string, i int, more ...func(*fleet.FollowerOptions)) *fleet.Follower {
	s.t.Helper()
	o := fleet.FollowerOptions{
		Name: name, URL: "http://" + s.Between(name, s.Data[i].Name, s.Data[i].HTTP), Key: s.PlaneKey,
	}
	for _, change := range more {
		change(&o)
	}
	return s.Follow(o)
}

// publish makes changes at a rate with so many publishers, and returns when each
// has made its number.
func (s *system) publish(publishers, changes int, perSecond float64) (done <-chan struct{}) {
	finished := make(chan struct{})
	left := make(chan struct{}, publishers)
	for i := range publishers {
		p := s.NewPublisher(s.t.Name() + "-" + string(rune('a'+i)))
		s.Go("publisher", func(ctx context.Context) error {
			defer func() { left <- struct{}{} }()
			return p.Run(ctx, perSecond/float64(publishers), changes/publishers)
		})
	}
	go func() {
		for range publishers {
			<-left
		}
		close(finished)
	}()
	return finished
}

// wait waits for a channel, and fails the test if that takes too long.
func (s *system) wait(what string, c <-chan struct{}, most time.Duration) {
	s.t.Helper()
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-c:
	case <-timer.C:
		s.t.Fatalf("not within %v: %s", most, what)
	}
}

// pause lets time pass.
func (s *system) pause(d time.Duration) {
	s.t.Helper()
	if err := fleet.Pause(s.t.Context(), d); err != nil {
		s.t.Fatal(err)
	}
}

// must fails the test on an error.
func (s *system) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// fault notes in the history what was done.
func (s *system) fault(text string) {
	s.Recorder.Add(history.Event{Observer: "test", What: history.Fault, Text: text})
}

// heal notes that everything is whole again.
func (s *system) heal() { s.Recorder.Add(history.Event{Observer: "test", What: history.Heal}) }
