//go:build faults

package faults_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/strata-exp/strata/sdk/e2e/fleet"
	"github.com/strata-exp/strata/sdk/go/lastgood"
)

const failpointCode = 86

// TestF3 kills a data plane in the middle of writing what it has, and starts it
// with nobody to follow.
func TestF3(t *testing.T) {
	t.Parallel()
	s := setup(t, fleet.Options{ControlPlanes: 1, DataPlanes: 1})
	d, link := s.Data[0], s.net.Link("dp0", "cp0")
	publisher := s.NewPublisher("publisher")
	stop := s.Go("publisher", func(ctx context.Context) error { return publisher.Run(ctx, 5, 1_000_000) })
	random := s.Random("failpoints")
	for _, point := range []string{"before-fsync", "before-rename", "between-renames", "after-rename"} {
		for range 2 {
			d.Kill()
			d.SetEnv("STRATA_FAILPOINT", fmt.Sprintf("lastgood/%s:%d", point, 1+random.IntN(2)))
			s.must(d.Start(t.Context()))
			s.wait("dp0 ends at "+point, d.Done(), 15*time.Second)
			if code := d.ExitCode(); code != failpointCode {
				t.Fatalf("dp0 ended with %d at %s, want %d", code, point, failpointCode)
			}
			link.Close()
			d.SetEnv("STRATA_FAILPOINT", "")
			began := time.Now()
			s.must(d.Start(t.Context()))
			s.AwaitReady(d, 5*time.Second)
			took := time.Since(began)
			r, _ := d.Ready(t.Context())
			t.Logf("after %s: ready at revision %d in %v", point, r.Revision, took)
			if took > time.Second+slack {
				t.Errorf("after %s: ready only after %v", point, took)
			}
			s.ask(d) // against the oracle
			link.Open()
		}
	}
	stop()
	s.heal()
	s.Check(10*time.Second, limits)
}

// ask asks a data plane all questions, and records the answers.
func (s *system) ask(d *fleet.DataPlane) {
	s.t.Helper()
	s.must(s.Ask(s.t.Context(), d))
}

// TestF19 damages the file of a last good configuration: at each byte, in length,
// and as a whole.
func TestF19(t *testing.T) {
	t.Parallel()
	s := setup(t, fleet.Options{ControlPlanes: 1, DataPlanes: 1, World: fleet.World{Layers: 3}})
	d := s.Data[0]
	publisher := s.NewPublisher("publisher")
	current, previous := filepath.Join(d.CacheDir, "current.strata"), filepath.Join(d.CacheDir, "previous.strata")
	for range 3 {
		_, err := publisher.Publish(t.Context())
		s.must(err)
		s.pause(1500 * time.Millisecond) // until it is written
	}
	s.AwaitHead(5 * time.Second)
	s.must(d.Stop())
	newest, err := os.ReadFile(current)
	s.must(err)
	older, err := os.ReadFile(previous)
	s.must(err)

	s.damage(d.Upstream, newest)
	link := s.net.Link("dp0", "cp0")
	link.Close()
	start := func(name string, newest, older []byte, ready bool) {
		s.must(os.RemoveAll(d.CacheDir))
		s.must(os.MkdirAll(d.CacheDir, 0o700))
		for file, data := range map[string][]byte{current: newest, previous: older} {
			if data != nil {
				s.must(os.WriteFile(file, data, 0o600))
			}
		}
		s.must(d.Start(t.Context()))
		if ready {
			s.AwaitReady(d, 5*time.Second)
			s.ask(d)
		} else {
			s.pause(300 * time.Millisecond)
			if r, ok := d.Ready(t.Context()); ok || r.Revision != 0 {
				t.Errorf("%s: the data plane is ready with %+v", name, r)
			}
		}
		if !d.Running() {
			t.Errorf("%s: the data plane has ended", name)
		}
		s.must(d.Stop())
	}
	damaged := bytes.Clone(newest)
	damaged[len(damaged)/2] ^= 1
	start("whole", newest, older, true)
	start("damaged, with an older one", damaged, older, true)
	start("empty, with an older one", []byte{}, older, true)
	start("between renames", nil, older, true)
	start("both damaged", damaged, damaged, false)
	start("none", nil, nil, false)
	link.Open()
	s.must(d.Start(t.Context()))
	s.heal()
	s.Check(10*time.Second, limits)
}

// damage demands that no damage to a file goes unseen.
func (s *system) damage(upstream string, whole []byte) {
	s.t.Helper()
	dir, quiet := s.t.TempDir(), slog.New(slog.DiscardHandler)
	load := func(environment string, data []byte) *lastgood.Content {
		s.must(os.WriteFile(filepath.Join(dir, "current.strata"), data, 0o600))
		return lastgood.New(dir, quiet).Load(upstream, environment, nil)
	}
	if load(fleet.Environment, whole) == nil {
		s.t.Fatal("what the data plane wrote can not be read")
	}
	if load("other", whole) != nil {
		s.t.Error("the configuration of another environment is used")
	}
	for i := range whole {
		damaged := bytes.Clone(whole)
		damaged[i] ^= 1 << (i % 8)
		if load(fleet.Environment, damaged) != nil {
			s.t.Errorf("byte %d is another one, and it is read all the same", i)
		}
		if load(fleet.Environment, whole[:i]) != nil {
			s.t.Errorf("there are %d bytes alone, and it is read all the same", i)
		}
	}
	if load(fleet.Environment, append(bytes.Clone(whole), 0)) != nil {
		s.t.Error("there is a byte more, and it is read all the same")
	}
}
