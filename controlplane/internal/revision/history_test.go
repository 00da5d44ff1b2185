package revision_test

import (
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/strata-exp/strata/controlplane/internal/revision"
	"github.com/strata-exp/strata/controlplane/internal/state"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
)

func rollback(t *testing.T, s *revision.Store, to int64) *revision.Outcome {
	t.Helper()
	then, err := s.At(t.Context(), env, to)
	if err != nil {
		t.Fatal(err)
	}
	outcome, err := s.Apply(t.Context(), revision.Request{
		Environment: env, Author: "test",
		Origin: adminv1.RevisionOrigin_REVISION_ORIGIN_ROLLBACK, OriginRevision: to,
		Changes: func(h revision.Head) ([]state.Change, error) { return h.Restore(then, nil), nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	return outcome
}

func TestRollbackOfRollback(t *testing.T) {
	t.Parallel()
	s, pool := open(t)
	apply(t, s, layer("a", slots(0, 5000, 11), slots(5000, 10000, 12)), experiment(1, 11, 12), field("country"), service("shop", 1))
	two := head(t, s).Checksum()
	apply(t, s, layer("b", slots(0, 100, 21)), experiment(2, 21), state.Change{Delete: state.FieldID("country")},
		state.Change{Delete: state.ServiceID("shop")}, service("mail", 1))
	apply(t, s, layer("a", slots(0, 1000, 11), slots(5000, 10000, 12)), service("mail", 2))
	four := head(t, s).Checksum()
	if got := rollback(t, s, 2); got.Revision != 5 || got.State.Checksum() != two {
		t.Errorf("a rollback to 2 is revision %d with %v, want 5 with %v", got.Revision, got.State.Checksum(), two)
	}
	if got := rollback(t, s, 4); got.Revision != 6 || got.State.Checksum() != four {
		t.Errorf("a rollback of the rollback is revision %d with %v, want 6 with %v", got.Revision, got.State.Checksum(), four)
	}
	for _, store := range []*revision.Store{s, newStore(pool)} {
		for at, want := range map[int64]state.Checksum{2: two, 4: four, 5: two, 6: four} {
			then, err := store.At(t.Context(), env, at)
			if err != nil {
				t.Fatal(err)
			}
			if then.Checksum() != want || then.Revision() != at {
				t.Errorf("at revision %d is revision %d with %v, want %v", at, then.Revision(), then.Checksum(), want)
			}
		}
	}
	entry, err := s.Revision(t.Context(), env, 6)
	if err != nil {
		t.Fatal(err)
	}
	r := entry.Revision
	if r.GetOrigin() != adminv1.RevisionOrigin_REVISION_ORIGIN_ROLLBACK || r.GetOriginRevision() != 4 || r.GetChecksum() != four.String() {
		t.Errorf("got %v", r)
	}
	before, err := s.Revision(t.Context(), env, 5)
	if err != nil || before.Revision.GetHash() != r.GetParentHash() {
		t.Errorf("the chain is broken: %v, %v", before, err)
	}
	_, err = s.At(t.Context(), env, 7)
	wantRefusal(t, err, adminv1.ErrorReason_ERROR_REASON_REVISION_NOT_FOUND, "1 to 6")
}

func TestAtTime(t *testing.T) {
	t.Parallel()
	s, pool := open(t)
	apply(t, s, field("a"))
	apply(t, s, field("b"))
	reader := newStore(pool)
	for at := int64(1); at <= 3; at++ {
		entry, err := s.Revision(t.Context(), env, at)
		if err != nil {
			t.Fatal(err)
		}
		made := entry.Revision.GetCreateTime().AsTime()
		for _, test := range []struct {
			time time.Time
			want int64
		}{{made, at}, {made.Add(-time.Microsecond), at - 1}} {
			then, err := reader.AtTime(t.Context(), env, test.time)
			if test.want == 0 {
				wantRefusal(t, err, adminv1.ErrorReason_ERROR_REASON_REVISION_NOT_FOUND, "did not exist")
				continue
			}
			if err != nil || then.Revision() != test.want {
				t.Errorf("at %v is %v (%v), want %d", test.time, then, err, test.want)
			}
		}
	}
}

func TestCompact(t *testing.T) {
	t.Parallel()
	s, pool := open(t)
	apply(t, s, field("gone"), field("kept"))
	apply(t, s, layer("a", slots(0, 100, 11)), experiment(1, 11))
	apply(t, s, state.Change{Delete: state.FieldID("gone")})
	for end := int32(200); end <= 1000; end += 100 {
		apply(t, s, layer("a", slots(0, end, 11)))
	}
	last := head(t, s).Revision()
	want := map[int64]state.Checksum{}
	for at := last - 3; at <= last; at++ {
		then, err := s.At(t.Context(), env, at)
		if err != nil {
			t.Fatal(err)
		}
		want[at] = then.Checksum()
	}
	for range 2 { // twice, as it may be broken off and done again
		if err := s.Compact(t.Context(), 0, 3); err != nil {
			t.Fatal(err)
		}
	}
	fresh := newStore(pool)
	for at, checksum := range want {
		then, err := fresh.At(t.Context(), env, at)
		if err != nil {
			t.Fatal(err)
		}
		if then.Checksum() != checksum {
			t.Errorf("revision %d has the checksum %v after compaction, want %v", at, then.Checksum(), checksum)
		}
	}
	_, err := fresh.At(t.Context(), env, last-4)
	wantRefusal(t, err, adminv1.ErrorReason_ERROR_REASON_REVISION_COMPACTED, "compacted")
	var rows int
	if err := pool.QueryRow(t.Context(), "SELECT count(*) FROM changelog").Scan(&rows); err != nil {
		t.Fatal(err)
	}
	// The layer, the experiment and the kept field at the floor, and three changes
	// of the layer and the experiment's slots since.
	if rows != 9 {
		t.Errorf("the changelog has %d rows left, want 9", rows)
	}
	if page, err := fresh.Revisions(t.Context(), env, 0, 1000, ""); err != nil || int64(len(page)) != last {
		t.Errorf("%d revisions are listed (%v), want all %d", len(page), err, last)
	}
}

func TestResting(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	apply(t, s, layer("a", slots(0, 1000, 11), slots(1000, 2000, 21)), experiment(1, 11), experiment(2, 21))
	apply(t, s, layer("a", slots(0, 400, 11), slots(1000, 2000, 21)))
	resting := func() []revision.Rest {
		t.Helper()
		got, err := s.Resting(t.Context(), env, "a")
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	got := resting()
	if len(got) != 1 || got[0].Start != 400 || got[0].End != 1000 || got[0].EID != 1 || got[0].VID != 11 {
		t.Fatalf("rests %+v", got)
	}
	entry, err := s.Revision(t.Context(), env, 0)
	if err != nil {
		t.Fatal(err)
	}
	if want := entry.Revision.GetCreateTime().AsTime().Add(7 * 24 * time.Hour); !got[0].Until.Equal(want) {
		t.Errorf("rests until %v, want %v", got[0].Until, want)
	}
	// Slots that are taken rest no more, those that are held are not given up.
	apply(t, s, layer("a", slots(0, 400, 11), slots(500, 600, 11), slots(1000, 2000, 21)))
	if got := resting(); len(got) != 2 || got[0].End != 500 || got[1].Start != 600 {
		t.Errorf("rests %+v", got)
	}
	counts, err := s.RestingSlots(t.Context(), env)
	if err != nil || counts["a"] != 500 {
		t.Errorf("%v rest (%v), want 500", counts, err)
	}
	_, err = s.UpdateEnvironment(t.Context(), &adminv1.Environment{Name: env, CoolingPeriod: &durationpb.Duration{}}, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	if got := resting(); len(got) != 0 {
		t.Errorf("rests %+v though nothing has to", got)
	}
}

func TestIdempotency(t *testing.T) {
	t.Parallel()
	s, pool := open(t)
	r := request(field("a"))
	r.IdempotencyKey, r.Body = "once", [32]byte{1}
	first, err := s.Apply(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	apply(t, s, field("b"))
	again, err := newStore(pool).Apply(t.Context(), r)
	if err != nil || again.Revision != first.Revision || !proto.Equal(again.Plan, first.Plan) {
		t.Errorf("sent again it is %+v (%v), want %+v", again, err, first)
	}
	r.Body = [32]byte{2}
	_, err = s.Apply(t.Context(), r)
	wantRefusal(t, err, adminv1.ErrorReason_ERROR_REASON_IDEMPOTENCY_KEY_REUSED, "revision 2")
	nothing := request(field("a"))
	nothing.IdempotencyKey = "nothing"
	for range 2 {
		if got, err := s.Apply(t.Context(), nothing); err != nil || got.Revision != 3 {
			t.Errorf("a change of nothing is revision %+v (%v)", got, err)
		}
	}
	if got := head(t, s).Revision(); got != 3 {
		t.Errorf("the head is at %d, want 3", got)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	apply(t, s, layer("a", slots(0, 1000, 11)), experiment(1, 11))
	one := int64(1)
	for _, test := range []struct {
		name   string
		change func(*revision.Request)
		want   adminv1.ErrorReason
		parts  []string
	}{
		{"environment", func(r *revision.Request) { r.Environment = "dev" }, adminv1.ErrorReason_ERROR_REASON_ENVIRONMENT_NOT_FOUND, []string{`"dev"`}},
		{"stale", func(r *revision.Request) { r.Expected = &one }, adminv1.ErrorReason_ERROR_REASON_STALE_REVISION, []string{"at revision 2, not 1", "revision 2 by test"}},
		{"checksum", func(r *revision.Request) { r.Checksum = "00" }, adminv1.ErrorReason_ERROR_REASON_PLAN_MISMATCH, []string{"plan again"}},
	} {
		r := request(field("x"))
		test.change(&r)
		_, err := s.Apply(t.Context(), r)
		wantRefusal(t, err, test.want, test.parts...)
	}
	if got := head(t, s).Revision(); got != 2 {
		t.Errorf("what was refused made revision %d", got)
	}
}

func TestIdentities(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	if _, err := s.CreateEnvironment(t.Context(), &adminv1.Environment{Name: "dev"}, false, "test"); err != nil {
		t.Fatal(err)
	}
	apply(t, s, experiment(100, 1001, 1002))
	elsewhere := func(c state.Change) error {
		r := request(c)
		r.Environment = "dev"
		_, err := s.Apply(t.Context(), r)
		return err
	}
	if err := elsewhere(experiment(100, 1001)); err != nil {
		t.Errorf("a promotion is refused: %v", err)
	}
	wantRefusal(t, elsewhere(experiment(101, 1002)), adminv1.ErrorReason_ERROR_REASON_ID_TAKEN, "vid 1002 belongs to experiment 100")
	other := experiment(100, 1003)
	other.Experiment.Service = "search"
	wantRefusal(t, elsewhere(other), adminv1.ErrorReason_ERROR_REASON_INVALID_VALUE, "service") // it is there already
	apply(t, s, state.Change{Delete: state.ExperimentID(100)})
	_, err := s.Apply(t.Context(), request(experiment(200, 1001)))
	wantRefusal(t, err, adminv1.ErrorReason_ERROR_REASON_ID_TAKEN, "vid 1001 belongs to experiment 100")

	fresh := state.Change{Experiment: &adminv1.Experiment{Service: "shop", Variants: []*configv1.Variant{{ParamsJson: "{}"}, {ParamsJson: "{}"}}}}
	plan := request(fresh)
	plan.ValidateOnly = true
	planned, err := s.Apply(t.Context(), plan)
	if err != nil {
		t.Fatal(err)
	}
	made := apply(t, s, fresh)
	x := made.Changes[0].Experiment
	if x.GetEid() != 101 || x.GetVariants()[0].GetVid() != 1003 || x.GetVariants()[1].GetVid() != 1004 {
		t.Errorf("got ids %v", x)
	}
	if planned.Plan.GetChecksum() != made.Plan.GetChecksum() {
		t.Error("the plan has other ids")
	}
	if fresh.Experiment.GetEid() != 0 {
		t.Error("the caller's message was changed")
	}
}

func TestEnvironments(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	_, err := s.CreateEnvironment(t.Context(), &adminv1.Environment{Name: env}, false, "test")
	wantRefusal(t, err, adminv1.ErrorReason_ERROR_REASON_ALREADY_EXISTS, env)
	if _, err := s.CreateEnvironment(t.Context(), &adminv1.Environment{Name: "tried"}, true, "test"); err != nil {
		t.Fatal(err)
	}
	all, total, err := s.Environments(t.Context(), "", 10, nil)
	if err != nil || total != 1 || all[0].GetName() != env {
		t.Fatalf("got %v, %d, %v", all, total, err)
	}
	apply(t, s, layer("a"), field("f"))
	e, err := s.Environment(t.Context(), env)
	if err != nil || e.GetLayerCount() != 1 || e.GetFieldCount() != 1 || e.GetRevision() != 2 {
		t.Fatalf("got %v, %v", e, err)
	}
	changed, err := s.UpdateEnvironment(t.Context(), &adminv1.Environment{Name: env, Description: "live", Etag: e.GetEtag()}, []string{"description"}, false)
	if err != nil || changed.GetDescription() != "live" || changed.GetCoolingPeriod().GetSeconds() != 7*24*3600 {
		t.Fatalf("got %v, %v", changed, err)
	}
	tried, err := s.UpdateEnvironment(t.Context(), &adminv1.Environment{Name: env, Description: "tried"}, []string{"description"}, true)
	if err != nil || tried.GetDescription() != "tried" {
		t.Errorf("what is only validated answers %v, %v", tried, err)
	}
	if e, err := s.Environment(t.Context(), env); err != nil || e.GetDescription() != "live" {
		t.Errorf("what was only validated is written: %v, %v", e, err)
	}
	wantRefusal(t, s.DeleteEnvironment(t.Context(), env, e.GetEtag(), true, false), adminv1.ErrorReason_ERROR_REASON_STALE_ETAG)
	wantRefusal(t, s.DeleteEnvironment(t.Context(), env, "", false, false), adminv1.ErrorReason_ERROR_REASON_STILL_REFERENCED, "1 layers")
	if err := s.DeleteEnvironment(t.Context(), env, changed.GetEtag(), true, false); err != nil {
		t.Fatal(err)
	}
	_, err = s.Head(t.Context(), env)
	wantRefusal(t, err, adminv1.ErrorReason_ERROR_REASON_ENVIRONMENT_NOT_FOUND)
}

// TestNobodyGetsRoundTheHead writes a resource by hand.
func TestNobodyGetsRoundTheHead(t *testing.T) {
	t.Parallel()
	s, pool := open(t)
	apply(t, s, field("a"))
	for _, statement := range []string{
		"UPDATE resource SET payload = '' WHERE key = 'a'",
		"INSERT INTO resource SELECT env_id, kind, 'b', payload, 1, now(), 7, now() FROM resource",
	} {
		if _, err := pool.Exec(t.Context(), statement); err == nil {
			t.Errorf("%s: is let through", statement)
		}
	}
}
