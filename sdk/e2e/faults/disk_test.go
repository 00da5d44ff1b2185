//go:build faults && linux

package faults_test

import (
	"context"
	"log/slog"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/strata-exp/strata/sdk/e2e/fleet"
	"github.com/strata-exp/strata/sdk/e2e/history"
	"github.com/strata-exp/strata/sdk/go/lastgood"
)

// TestF20 fills the disk of a data plane's cache, and makes room again.
func TestF20(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("mounts a small file system, which takes root")
	}
	s := setup(t, fleet.Options{ControlPlanes: 1, DataPlanes: 0, World: fleet.World{Layers: 12, Padding: 8 << 10}})
	d := s.NewDataPlane(t.Context(), s.Between("dp0", "cp0", s.Control[0].Push))
	s.must(os.MkdirAll(d.CacheDir, 0o700))
	s.must(syscall.Mount("tmpfs", d.CacheDir, "tmpfs", 0, "size=64k"))
	t.Cleanup(func() {
		d.Kill()
		if err := syscall.Unmount(d.CacheDir, 0); err != nil {
			t.Error(err)
		}
	})
	s.must(d.Start(t.Context()))
	s.AwaitReady(d, 5*time.Second)
	load := s.Load(d, 100)
	publisher := s.NewPublisher("publisher")
	s.must(publisher.Run(t.Context(), 10, 30))
	s.AwaitHead(5 * time.Second)
	failures := s.Await("the failure is counted", 10*time.Second, func(ctx context.Context) bool {
		n, ok := fleet.Metric(ctx, d.Metrics, "strata_last_good_failures_total")
		return ok && n > 0
	})
	t.Logf("the failure was counted after %v", failures)
	s.must(syscall.Mount("tmpfs", d.CacheDir, "tmpfs", syscall.MS_REMOUNT, "size=16m"))
	s.Await("what it has is written once there is room", 15*time.Second, func(context.Context) bool {
		return lastgood.New(d.CacheDir, slog.New(slog.DiscardHandler)).Load(d.Upstream, fleet.Environment, nil) != nil
	})
	load.Stop()
	if load.Failed.Load() > 0 {
		t.Errorf("%d of %d evaluations failed", load.Failed.Load(), load.Asked.Load())
	}
	s.Check(5*time.Second, history.Limits{})
}
