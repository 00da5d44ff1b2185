package revision_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/strata-exp/strata/controlplane/internal/revision"
	"github.com/strata-exp/strata/controlplane/internal/state"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
)

// running returns another store on a database, which follows it until the end of
// the test.
func running(t *testing.T, pool *pgxpool.Pool) *revision.Store {
	t.Helper()
	s := newStore(pool)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s
}

func follow(t *testing.T, s *revision.Store, has *state.State) *state.State {
	t.Helper()
	next, err := s.Follow(t.Context(), env, has)
	if err != nil {
		t.Fatal(err)
	}
	return next
}

func TestFollow(t *testing.T) {
	t.Parallel()
	s, pool := open(t)
	follower := running(t, pool)
	first := follow(t, follower, nil)
	if first.Revision() != 1 || first.Version().Epoch == 0 {
		t.Fatalf("got %+v", first.Version())
	}
	next := make(chan *state.State, 1)
	go func() {
		got, err := follower.Follow(t.Context(), env, first)
		if err != nil {
			t.Error(err)
		}
		next <- got
	}()
	apply(t, s, layer("a", slots(0, 100, 11)), experiment(1, 11), field("f"))
	second := <-next
	if second.Revision() != 2 || second.Checksum() != head(t, s).Checksum() {
		t.Errorf("got %+v", second.Version())
	}
	apply(t, s, state.Change{Delete: state.FieldID("f")})
	apply(t, s, field("g"))
	if last := follow(t, follower, second); last.Revision() != 4 || last.Version().Epoch != first.Version().Epoch {
		t.Errorf("got %+v", last.Version())
	}
	gone := make(chan error, 1)
	last := head(t, follower)
	go func() {
		_, err := follower.Follow(t.Context(), env, last)
		gone <- err
	}()
	if err := s.DeleteEnvironment(t.Context(), env, "", true, false); err != nil {
		t.Fatal(err)
	}
	wantRefusal(t, <-gone, adminv1.ErrorReason_ERROR_REASON_ENVIRONMENT_NOT_FOUND)
}

// lose makes a database what it was at an earlier revision, as a restored or
// promoted copy would be.
func lose(t *testing.T, pool *pgxpool.Pool, to int64) {
	t.Helper()
	for _, statement := range []string{
		"ALTER TABLE resource DISABLE TRIGGER resource_follows_head",
		"DELETE FROM changelog WHERE revision > $1",
		"DELETE FROM revision WHERE revision > $1",
		"DELETE FROM apply_request WHERE revision > $1",
		"DELETE FROM resource WHERE $1 > 0",
		`INSERT INTO resource (env_id, kind, key, payload, create_revision, created_at, revision, updated_at)
			SELECT DISTINCT ON (c.env_id, kind, key) c.env_id, kind, key, payload, create_revision, c.created_at, c.revision, r.created_at
			FROM changelog c JOIN revision r USING (env_id, revision) WHERE $1 > 0
			ORDER BY c.env_id, kind, key, c.revision DESC`,
		"DELETE FROM resource WHERE payload IS NULL AND $1 > 0",
		`UPDATE environment_head h SET revision = r.revision, checksum = r.checksum, hash = r.hash, updated_at = r.created_at
			FROM revision r WHERE r.env_id = h.env_id AND r.revision = $1`,
		"ALTER TABLE resource ENABLE TRIGGER resource_follows_head",
	} {
		args := []any{to}
		if statement[0] == 'A' {
			args = nil
		}
		if _, err := pool.Exec(t.Context(), statement, args...); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

// TestLostHistory loses revisions that a process knows: whatever comes first, a
// write, a read or its own look, a new epoch begins, once, and nothing has two
// meanings.
func TestLostHistory(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]func(t *testing.T, s *revision.Store){
		"write": func(t *testing.T, s *revision.Store) { t.Helper(); apply(t, s, field("other")) },
		"read":  func(t *testing.T, s *revision.Store) { t.Helper(); head(t, s) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, pool := open(t)
			apply(t, s, field("a"))
			apply(t, s, field("b"))
			before := apply(t, s, field("c")).State
			lose(t, pool, 2)
			first(t, s)
			after := head(t, s)
			if after.Version().Epoch <= before.Version().Epoch {
				t.Errorf("the epoch is %d still", after.Version().Epoch)
			}
			if after.Resource(state.FieldID("c")) != nil || after.Resource(state.FieldID("a")) == nil {
				t.Error("what is there is not what the database has")
			}
			fresh := newStore(pool)
			if again := head(t, fresh); again.Version().Epoch != after.Version().Epoch || again.Checksum() != after.Checksum() {
				t.Errorf("another process sees %+v, this one %+v", again.Version(), after.Version())
			}
		})
	}
	t.Run("look", func(t *testing.T) {
		t.Parallel()
		s, pool := open(t)
		follower := running(t, pool)
		apply(t, s, field("a"))
		apply(t, s, field("b"))
		before := head(t, follower)
		lose(t, pool, 2)
		after := follow(t, follower, before)
		if after.Version().Epoch <= before.Version().Epoch || after.Revision() != 2 {
			t.Errorf("got %+v after %+v", after.Version(), before.Version())
		}
	})
}

// TestBeginEpoch takes what followers prove.
func TestBeginEpoch(t *testing.T) {
	t.Parallel()
	s, pool := open(t)
	apply(t, s, field("a"))
	at := head(t, s).Version()
	begin := func(s *revision.Store, seen state.Version, differs bool) int64 {
		t.Helper()
		if err := s.BeginEpoch(t.Context(), env, seen, differs); err != nil {
			t.Fatal(err)
		}
		return head(t, s).Version().Epoch
	}
	if got := begin(s, at, false); got != at.Epoch {
		t.Error("a follower that is up to date begins an epoch")
	}
	if got := begin(s, state.Version{Epoch: at.Epoch - 1, Revision: 99}, true); got != at.Epoch {
		t.Error("a follower of an earlier history begins an epoch")
	}
	ahead := state.Version{Epoch: at.Epoch, Revision: at.Revision + 1}
	second := begin(s, ahead, false)
	if second <= at.Epoch {
		t.Error("a follower that is ahead begins no epoch")
	}
	if got := begin(newStore(pool), ahead, false); got != second {
		t.Error("the same proof begins two epochs")
	}
	third := begin(s, state.Version{Epoch: second, Revision: 1}, true)
	if third <= second {
		t.Error("a follower of other contents begins no epoch")
	}
	future := third + 1_000_000_000_000
	if got := begin(s, state.Version{Epoch: future, Revision: 1}, false); got <= future {
		t.Error("a follower of a later history begins no later one")
	}
	if got := apply(t, s, field("b")).State.Version(); got.Revision != at.Revision+1 {
		t.Errorf("revisions do not go on: %+v", got)
	}
}

// TestRewrittenElsewhere has another process write before this one sees that
// revisions were lost: what this one knew and what there is now are of the same
// number, and must not be of the same epoch.
func TestRewrittenElsewhere(t *testing.T) {
	t.Parallel()
	s, pool := open(t)
	apply(t, s, field("a"))
	apply(t, s, field("b"))
	before := apply(t, s, field("c")).State
	lose(t, pool, 2)
	other := newStore(pool)
	apply(t, other, field("x"))
	apply(t, other, field("y"))
	apply(t, other, field("z"))
	after := head(t, s)
	if after.Version().Epoch <= before.Version().Epoch {
		t.Errorf("revision %d has two contents in one epoch", before.Revision())
	}
	if again := head(t, other); again.Version().Epoch != after.Version().Epoch || again.Checksum() != after.Checksum() {
		t.Errorf("another process sees %+v, this one %+v", again.Version(), after.Version())
	}
}

// TestBrokenEnvironment leaves the others alone.
func TestBrokenEnvironment(t *testing.T) {
	t.Parallel()
	s, pool := open(t)
	if _, err := s.CreateEnvironment(t.Context(), &adminv1.Environment{Name: "aaa"}, false, "test"); err != nil {
		t.Fatal(err)
	}
	follower := running(t, pool)
	first := follow(t, follower, nil)
	if _, err := follower.Follow(t.Context(), "aaa", nil); err != nil {
		t.Fatal(err)
	}
	_, err := pool.Exec(t.Context(), "UPDATE environment_head SET revision = 9, checksum = 'x' WHERE env_id = (SELECT env_id FROM environment WHERE name = 'aaa')")
	if err != nil {
		t.Fatal(err)
	}
	apply(t, s, field("a"))
	if next := follow(t, follower, first); next.Revision() != 2 {
		t.Errorf("got %+v", next.Version())
	}
	for follower.Stale(env) > 5*time.Second {
		tick(t)
	}
}
