//go:build faults

package faults_test

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/gen/go/strata/admin/v1/adminv1connect"
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/sdk/e2e/fleet"
	"github.com/strata-exp/strata/sdk/e2e/history"
	"github.com/strata-exp/strata/sdk/go/accesskey"
)

// TestF5 restarts PostgreSQL at once, and breaks the connection that listens.
func TestF5(t *testing.T) {
	t.Parallel()
	s := setup(t, fleet.Options{ControlPlanes: 2, DataPlanes: 2})
	done := s.publish(2, 160, 40)
	s.pause(500 * time.Millisecond)
	s.fault("kill postgres")
	s.must(s.Postgres.Kill())
	s.must(s.Postgres.Start(t.Context()))
	s.pause(500 * time.Millisecond)
	s.fault("end the backends that listen")
	s.must(s.Postgres.Exec(t.Context(), "strata", `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query ILIKE 'LISTEN%'`))
	s.wait("all is published", done, 30*time.Second)
	s.heal()
	t.Logf("converged in %v", s.Check(5*time.Second, limits))
	for _, c := range s.Control {
		if holes, ok := fleet.Metric(t.Context(), c.Metrics, "strata_changelog_holes_total"); !ok || holes != 0 {
			t.Errorf("%s has found %v holes in the changelog (%t)", c.Name, holes, ok)
		}
	}
}

// TestF6 has the database fall silent without a word.
func TestF6(t *testing.T) {
	t.Parallel()
	n := setupOverDatabase(t, fleet.Options{ControlPlanes: 1, DataPlanes: 1})
	publisher := n.NewPublisher("publisher")
	n.must(publisher.Run(t.Context(), 20, 5))
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	defer cancel()
	key, err := n.Admin.NewKey(ctx, "patient", servingv1.Role_ROLE_ADMIN)
	n.must(err)
	n.pause(3 * time.Second) // until it is known
	patient := adminv1connect.NewRevisionServiceClient(&http.Client{Transport: &accesskey.Transport{
		Key: key, Audience: "control-plane", Next: plainTransport(t),
	}}, "http://"+n.Control[0].HTTP)
	link := n.net.Link("cp", "pg")
	n.fault("silence the database")
	link.Silence("upstream", "downstream")
	began := time.Now()
	_, err = patient.Apply(ctx, &adminv1.RevisionServiceApplyRequest{
		Environment: fleet.Environment, Changes: fieldChange("silent"), Message: "while silent", IdempotencyKey: "while silent",
	})
	n.Recorder.Add(history.Event{Observer: "direct", What: history.Invoke, Key: "while silent"})
	n.Recorder.Add(history.Event{Observer: "direct", What: history.Unknown, Key: "while silent"})
	if took := time.Since(began); err == nil || took > 12*time.Second {
		t.Errorf("a publish to a silent database took %v, and its error is %v; want one within 10s", took, err)
	} else {
		t.Logf("a publish failed after %v: %v", took, err)
	}
	if r, ok := n.Data[0].Ready(t.Context()); !ok {
		t.Errorf("a data plane is not ready while the database is silent: %+v", r)
	}
	link.Heal()
	n.heal()
	healed := time.Now()
	if _, err := publisher.Publish(t.Context()); err != nil {
		t.Error(err)
	}
	if took := time.Since(healed); took > 10*time.Second {
		t.Errorf("the first publish after the database came back took %v", took)
	}
	n.Check(10*time.Second, limits)
}

// TestF7 loses all notifications: followers of another control plane than the one
// that publishes live from its polls.
func TestF7(t *testing.T) {
	t.Parallel()
	s := setup(t, fleet.Options{ControlPlanes: 2})
	sdk := s.Follow(fleet.FollowerOptions{
		Name: "sdk", URL: "http://" + s.Control[1].Push, Audience: "control-plane", Key: s.PlaneKey,
	})
	s.must(s.Postgres.Exec(t.Context(), "strata", `SET allow_system_table_mods = on;
		ALTER FUNCTION pg_catalog.pg_notify(text, text) RENAME TO pg_notify_lost;
		CREATE FUNCTION pg_catalog.pg_notify(text, text) RETURNS void LANGUAGE sql AS 'SELECT'`))
	publisher := s.NewPublisher("publisher")
	for range 25 {
		_, err := publisher.Publish(t.Context())
		s.must(err)
		s.pause(150 * time.Millisecond)
	}
	s.Check(5*time.Second, limits, sdk)
	delays := slices.Sorted(slices.Values(s.delays("sdk")))
	p99 := delays[len(delays)*99/100]
	t.Logf("without notifications: p50 %v, longest %v", delays[len(delays)/2], delays[len(delays)-1])
	if p99 > 1500*time.Millisecond+slack/3 {
		t.Errorf("without notifications it takes %v until another control plane's followers have it", p99)
	}
}

// delays returns how long it took from when each change was sent first until an
// observer ran its revision or a later one, in the order of publishing.
func (s *system) delays(observer string) (all []time.Duration) {
	events := s.Recorder.Events()
	sent := map[string]time.Duration{}
	active := []history.Event{}
	for _, e := range events {
		if e.Observer == observer && e.What == history.Active {
			active = append(active, e)
		}
	}
	for _, e := range events {
		switch e.What {
		case history.Invoke:
			if _, again := sent[e.Key]; !again {
				sent[e.Key] = e.At
			}
		case history.OK:
			i := slices.IndexFunc(active, func(a history.Event) bool { return a.Revision >= e.Revision })
			if i >= 0 {
				all = append(all, active[i].At-sent[e.Key])
			}
		default:
		}
	}
	return all
}

// TestF8 takes the database back to an earlier time: what was acknowledged since
// is lost, and other content takes its revisions.
func TestF8(t *testing.T) {
	t.Parallel()
	s := setup(t, fleet.Options{ControlPlanes: 1, DataPlanes: 2})
	s.Lose()
	sdk := s.sdk("sdk", 0)
	s.Tap("tap", "control-plane", s.PlaneKey, nil, s.push(0))
	publisher := s.NewPublisher("publisher")
	s.must(publisher.Run(t.Context(), 40, 10))
	data, kept := filepath.Join(s.Dir(), "postgres", "data"), filepath.Join(s.Dir(), "kept")
	s.must(s.Postgres.Stop(t.Context()))
	s.must(exec.CommandContext(t.Context(), "cp", "-a", data, kept).Run())
	s.must(s.Postgres.Start(t.Context()))
	s.must(publisher.Run(t.Context(), 40, 20))
	s.AwaitHead(10*time.Second, sdk)
	s.fault("lose the newest revisions")
	s.Control[0].Kill()
	s.must(s.Postgres.Stop(t.Context()))
	s.must(os.RemoveAll(data))
	s.must(os.Rename(kept, data))
	s.must(s.Postgres.Start(t.Context()))
	s.must(s.Control[0].Start(t.Context()))
	other := s.NewPublisher("other")
	s.must(other.Run(t.Context(), 40, 4))
	s.heal()
	t.Logf("converged in %v", s.Check(20*time.Second, limits, sdk))
	epochs := map[int64]bool{}
	for _, e := range s.Recorder.Events() {
		if e.Observer == "sdk" && e.What == history.Active {
			epochs[e.Epoch] = true
		}
	}
	if len(epochs) != 2 {
		t.Errorf("the follower has seen %d epochs, want the old one and a new one", len(epochs))
	}
	if begun, ok := fleet.Metric(t.Context(), s.Control[0].Metrics, "strata_epochs_begun_total"); !ok || begun != 1 {
		t.Errorf("%v epochs were begun (%t), want 1", begun, ok)
	}
}

// TestF9 has somebody hold the lock of an environment, and a control plane stop
// in the middle of a transaction.
func TestF9(t *testing.T) {
	t.Parallel()
	s := setup(t, fleet.Options{ControlPlanes: 2, DataPlanes: 1})
	s.must(s.Admin.CreateEnvironment(t.Context(), "other"))
	holder, err := pgx.Connect(t.Context(), s.Postgres.URL())
	s.must(err)
	t.Cleanup(func() { _ = holder.Close(context.WithoutCancel(t.Context())) })
	_, err = holder.Exec(t.Context(), `BEGIN; SELECT 1 FROM environment_head h JOIN environment e USING (env_id) WHERE e.name = 'prod' FOR UPDATE OF h`)
	s.must(err)
	s.fault("hold the lock of prod")
	began := time.Now()
	_, err = s.Admin.Apply(t.Context(), &adminv1.RevisionServiceApplyRequest{Environment: "other", Changes: fieldChange("other_field"), Message: "x"})
	if took := time.Since(began); err != nil || took > 2*time.Second {
		t.Errorf("another environment is held up for %v: %v", took, err)
	}
	began = time.Now()
	_, err = s.Admin.Apply(t.Context(), &adminv1.RevisionServiceApplyRequest{Changes: fieldChange("held"), Message: "held", IdempotencyKey: "held"})
	if took := time.Since(began); err == nil || took > 10*time.Second {
		t.Errorf("a publish to a locked environment took %v: %v; want an error within 10s", took, err)
	} else {
		t.Logf("a publish to a locked environment failed after %v: %v", took, err)
	}
	_, err = holder.Exec(t.Context(), "ROLLBACK")
	s.must(err)
	s.heal()
	if _, err := s.NewPublisher("publisher").Publish(t.Context()); err != nil {
		t.Error(err)
	}
	s.Check(10*time.Second, limits)
}
