package e2e_test

import (
	"testing"
	"time"

	"github.com/strata-exp/strata/sdk/e2e/fleet"
	"github.com/strata-exp/strata/sdk/e2e/history"
)

func TestMain(m *testing.M) { fleet.Main(m) }

// TestSmoke publishes, takes the control plane and its database away, has a data
// plane start from what it kept, and publishes again.
func TestSmoke(t *testing.T) {
	if testing.Short() {
		t.Skip("boots real planes")
	}
	f := fleet.Start(t, fleet.Options{ControlPlanes: 1, DataPlanes: 2})
	sdk := f.Follow(fleet.FollowerOptions{Name: "sdk", URL: "http://" + f.Data[0].HTTP, Key: f.PlaneKey})
	f.Tap("tap", "control-plane", f.PlaneKey, nil, func() string { return "http://" + f.Control[0].Push })
	load := f.Load(f.Data[0], 100)
	publisher := f.NewPublisher("publisher")
	if err := publisher.Run(t.Context(), 50, 20); err != nil {
		t.Fatal(err)
	}
	f.AwaitHead(10*time.Second, sdk)

	f.Control[0].Kill()
	if err := f.Postgres.Kill(); err != nil {
		t.Fatal(err)
	}
	f.Data[1].Kill()
	if err := f.Data[1].Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.AwaitReady(f.Data[1], 5*time.Second)

	if err := f.Postgres.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := f.Control[0].Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := publisher.Publish(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.Check(15*time.Second, history.Limits{Heartbeat: time.Second, Slack: time.Second}, sdk)
	load.Stop()
	if load.Failed.Load() > 0 || load.Asked.Load() == 0 {
		t.Errorf("%d of %d evaluations failed", load.Failed.Load(), load.Asked.Load())
	}
}
