package plane_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/strata-exp/strata/controlplane/internal/plane"
	"github.com/strata-exp/strata/db/dbtest"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/internal/obs"
	"github.com/strata-exp/strata/internal/rpc"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

const (
	env       = "prod"
	epoch     = 1000
	heartbeat = 15 * time.Second
	// patience is how long things may take that are done at once. Only a test that
	// fails takes so long.
	patience = 30 * time.Second
)

// database is one that has an environment at revision 10.
type database struct {
	*testing.T

	pool *pgxpool.Pool
}

func open(t *testing.T) *database {
	t.Helper()
	d := &database{t, dbtest.Open(t)}
	d.exec("INSERT INTO environment (name, description, cooling_seconds, created_at) VALUES ($1, '', 0, now())", env)
	d.exec(`INSERT INTO environment_head (env_id, revision, checksum, hash, updated_at, epoch)
		SELECT env_id, 10, '', '', now(), $1 FROM environment`, epoch)
	return d
}

func (d *database) exec(sql string, args ...any) {
	d.Helper()
	if _, err := d.pool.Exec(d.Context(), sql, args...); err != nil {
		d.Fatal(err)
	}
}

func (d *database) store() *plane.Store { return plane.New(d.pool, heartbeat, obs.Discard()) }

// status is that of a plane that runs what it was sent.
func status(instance string, revision int64) *servingv1.Status {
	return &servingv1.Status{
		Instance: instance, State: servingv1.PlaneState_PLANE_STATE_SYNCED, Epoch: epoch,
		ReplicatedRevision: revision, ActiveRevision: revision,
	}
}

// rejected is that of a plane that can not run what it was sent.
func rejected(instance string, replicated, active int64) *servingv1.Status {
	s := status(instance, active)
	s.State, s.ReplicatedRevision = servingv1.PlaneState_PLANE_STATE_REJECTED, replicated
	s.Rejections = []*servingv1.Rejection{{Key: "x", Problem: "is wrong"}}
	return s
}

func report(t *testing.T, s *plane.Store, statuses ...*servingv1.Status) {
	t.Helper()
	for _, status := range statuses {
		if err := s.Report(t.Context(), env, "sak_x", status); err != nil {
			t.Fatal(err)
		}
	}
}

func list(t *testing.T, s *plane.Store, all bool) *plane.View {
	t.Helper()
	v, err := s.List(t.Context(), env, all)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func wantRefusal(t *testing.T, err error, reason adminv1.ErrorReason) {
	t.Helper()
	if refusal, ok := errors.AsType[*rpc.Refusal](err); !ok || refusal.Reason != reason {
		t.Fatalf("got %v, want %v", err, reason)
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	d := open(t)
	s := d.store()
	d.exec(`INSERT INTO access_key (access_key, public_key, name, role, environments, services, not_before, expires_at, created_at, created_by)
		VALUES ('sak_x', decode(repeat('00', 32), 'hex'), 'the planes', 3, '{}', '{}', now(), now(), now(), '')`)
	report(t, s, status("b", 10), status("a", 7))
	v := list(t, s, false)
	if v.Revision != 10 || v.Epoch != epoch || len(v.Planes) != 2 {
		t.Fatalf("got %+v", v)
	}
	first := v.Planes[0]
	if first.GetStatus().GetInstance() != "a" || first.GetBehind() != 3 || !first.GetConnected() || first.GetAccessKey() != "sak_x" ||
		first.GetKeyName() != "the planes" || !first.GetActiveSince().AsTime().Equal(first.GetReportedAt().AsTime()) {
		t.Errorf("got %v", first)
	}
	// The same revision is since then, another one since now.
	report(t, s, status("a", 7))
	again := list(t, s, false).Planes[0]
	if !again.GetActiveSince().AsTime().Equal(first.GetActiveSince().AsTime()) || !again.GetReportedAt().AsTime().After(first.GetReportedAt().AsTime()) {
		t.Errorf("got %v after %v", again, first)
	}
	moved := status("a", 7)
	moved.Epoch++
	for _, next := range []*servingv1.Status{moved, status("a", 8)} {
		report(t, s, next)
		if p := list(t, s, false).Planes[0]; !p.GetActiveSince().AsTime().Equal(p.GetReportedAt().AsTime()) {
			t.Errorf("of %v got %v", next, p)
		}
	}
}

func TestConnected(t *testing.T) {
	t.Parallel()
	d := open(t)
	s := d.store()
	report(t, s, status("a", 10), status("b", 10), status("c", 10), status("d", 10))
	for instance, ago := range map[string]string{"b": "40 seconds", "c": "50 seconds", "d": "25 hours"} {
		d.exec("UPDATE plane SET reported_at = clock_timestamp() - $2::text::interval WHERE instance = $1", instance, ago)
	}
	if v := list(t, s, false); len(v.Planes) != 2 || v.Planes[1].GetStatus().GetInstance() != "b" {
		t.Errorf("connected are %v", v.Planes)
	}
	v := list(t, s, true)
	if len(v.Planes) != 3 || v.Planes[2].GetStatus().GetInstance() != "c" || v.Planes[2].GetConnected() {
		t.Errorf("there are %v", v.Planes)
	}
	if err := s.Clean(t.Context()); err != nil {
		t.Fatal(err)
	}
	var left int
	if err := d.pool.QueryRow(t.Context(), "SELECT count(*) FROM plane").Scan(&left); err != nil || left != 3 {
		t.Errorf("%d are kept, %v", left, err)
	}
}

// TestDeletedEnvironment reports to what is not there any more.
func TestDeletedEnvironment(t *testing.T) {
	t.Parallel()
	d := open(t)
	s := d.store()
	report(t, s, status("a", 10))
	d.exec("DELETE FROM environment")
	wantRefusal(t, s.Report(t.Context(), env, "sak_x", status("a", 10)), adminv1.ErrorReason_ERROR_REASON_ENVIRONMENT_NOT_FOUND)
	_, err := s.List(t.Context(), env, true)
	wantRefusal(t, err, adminv1.ErrorReason_ERROR_REASON_ENVIRONMENT_NOT_FOUND)
	_, err = s.Wait(t.Context(), plane.Goal{Environment: env})
	wantRefusal(t, err, adminv1.ErrorReason_ERROR_REASON_ENVIRONMENT_NOT_FOUND)
}

// TestReportMeetsDeletion deletes the environment between what a report reads and
// what it writes.
func TestReportMeetsDeletion(t *testing.T) {
	t.Parallel()
	d := open(t)
	s := d.store()
	tx, err := d.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.Background()) }()
	if _, err := tx.Exec(t.Context(), "DELETE FROM environment"); err != nil {
		t.Fatal(err)
	}
	reported := make(chan error, 1)
	go func() { reported <- s.Report(t.Context(), env, "sak_x", status("a", 10)) }()
	d.waitFor("SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')")
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantRefusal(t, <-reported, adminv1.ErrorReason_ERROR_REASON_ENVIRONMENT_NOT_FOUND)
}

// waitFor asks until the answer is yes.
func (d *database) waitFor(sql string) {
	d.Helper()
	ctx, cancel := context.WithTimeout(d.Context(), patience)
	defer cancel()
	for yes := false; !yes; {
		if err := d.pool.QueryRow(ctx, sql).Scan(&yes); err != nil {
			d.Fatal(err)
		}
	}
}
