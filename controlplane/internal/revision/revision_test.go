package revision_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/strata-exp/strata/controlplane/internal/revision"
	"github.com/strata-exp/strata/controlplane/internal/state"
	"github.com/strata-exp/strata/db/dbtest"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	"github.com/strata-exp/strata/internal/obs"
	"github.com/strata-exp/strata/internal/rpc"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

const env = "prod"

// sums is a plan of checksums alone: what stands in plans is tested elsewhere.
func sums(before, after *state.State, _ func(string) []revision.Rest) *adminv1.Plan {
	return &adminv1.Plan{
		BaseRevision: before.Revision(), BaseChecksum: before.Checksum().String(), Checksum: after.Checksum().String(),
	}
}

func newStore(pool *pgxpool.Pool) *revision.Store {
	return revision.New(pool, sums, prometheus.NewRegistry(), obs.Discard())
}

// open returns a store with one environment.
func open(t *testing.T) (*revision.Store, *pgxpool.Pool) {
	t.Helper()
	pool := dbtest.Open(t)
	s := newStore(pool)
	if _, err := s.CreateEnvironment(t.Context(), &adminv1.Environment{Name: env}, false, "test"); err != nil {
		t.Fatal(err)
	}
	return s, pool
}

func layer(id string, ranges ...*configv1.Range) state.Change {
	return state.Change{Layer: &adminv1.Layer{LayerId: id, Version: "v1", Priority: 100, HashKey: "user_id", Ranges: ranges}}
}

func slots(start, end, vid int32) *configv1.Range {
	return &configv1.Range{Start: start, End: end, Vid: vid}
}

func service(name string, most int) state.Change {
	return state.Change{Service: &adminv1.Service{Service: name, SchemaJson: fmt.Sprintf(`{"maxProperties":%d}`, most)}}
}

func experiment(eid int32, vids ...int32) state.Change {
	x := &adminv1.Experiment{Eid: eid, Service: "shop"}
	for _, vid := range vids {
		x.Variants = append(x.Variants, &configv1.Variant{Vid: vid, ParamsJson: fmt.Sprintf(`{"vid":%d}`, vid)})
	}
	return state.Change{Experiment: x}
}

func field(name string) state.Change {
	return state.Change{Field: &configv1.Field{Name: name, Type: configv1.FieldType_FIELD_TYPE_STRING}}
}

func request(changes ...state.Change) revision.Request {
	return revision.Request{
		Environment: env, Author: "test",
		Changes: func(revision.Head) ([]state.Change, error) { return changes, nil },
	}
}

func apply(t *testing.T, s *revision.Store, changes ...state.Change) *revision.Outcome {
	t.Helper()
	outcome, err := s.Apply(t.Context(), request(changes...))
	if err != nil {
		t.Fatal(err)
	}
	return outcome
}

func head(t *testing.T, s *revision.Store) *state.State {
	t.Helper()
	h, err := s.Head(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func wantRefusal(t *testing.T, err error, reason adminv1.ErrorReason, parts ...string) {
	t.Helper()
	got := adminv1.ErrorReason_ERROR_REASON_UNSPECIFIED
	if refusal, ok := errors.AsType[*rpc.Refusal](err); ok {
		got = refusal.Reason
	} else if refused, ok := errors.AsType[state.Refused](err); ok {
		got = refused.Reason()
	}
	if got != reason {
		t.Fatalf("got %v: %v, want %v", got, err, reason)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %q", err, part)
		}
	}
}

func TestApply(t *testing.T) {
	t.Parallel()
	s, pool := open(t)
	if got := head(t, s).Revision(); got != 1 {
		t.Fatalf("the first revision is %d", got)
	}
	made := apply(t, s, layer("a", slots(0, 5000, 11), slots(5000, 10000, 12)), experiment(1, 11, 12), field("country"))
	if made.Revision != 2 || made.Plan.GetBaseRevision() != 1 {
		t.Fatalf("got revision %d from %d", made.Revision, made.Plan.GetBaseRevision())
	}
	now := head(t, s)
	if now.Layer("a").GetSalt() != "a_v1" || !now.Layer("a").GetEnabled() {
		t.Errorf("defaults are not filled in: %v", now.Layer("a"))
	}
	x := now.Experiment(1)
	if x.GetState() != adminv1.ExperimentState_EXPERIMENT_STATE_RUNNING || x.GetLayerId() != "a" {
		t.Errorf("the experiment does not follow its slots: %v", x)
	}
	if now.Checksum().String() != made.Plan.GetChecksum() {
		t.Error("the plan promises another checksum")
	}
	// What another process reads is the same.
	other := newStore(pool)
	if got := head(t, other); got.Checksum() != now.Checksum() || got.Version() != now.Version() {
		t.Errorf("another process reads %v at %v, want %v at %v", got.Checksum(), got.Version(), now.Checksum(), now.Version())
	}
	again := apply(t, s, layer("a", slots(5000, 10000, 12), slots(0, 2500, 11), slots(2500, 5000, 11)), field("country"))
	if again.Revision != 2 {
		t.Errorf("a change of nothing made revision %d", again.Revision)
	}
}
