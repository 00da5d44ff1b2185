package access_test

import (
	"context"
	"testing"
	"time"

	"github.com/strata-exp/strata/controlplane/internal/access"
	"github.com/strata-exp/strata/db/dbtest"
)

func lastUsed(t *testing.T, s *replica) time.Time {
	t.Helper()
	keys, err := s.List(t.Context(), access.Position{}, 1, false)
	if err != nil {
		t.Fatal(err)
	}
	if keys[0].GetLastUsedAt() == nil {
		return time.Time{}
	}
	return keys[0].GetLastUsedAt().AsTime()
}

func TestUsed(t *testing.T) {
	t.Parallel()
	s := newReplica(dbtest.Open(t))
	key := create(t, s, request(t, "shop", roleSDK)).GetKey().GetAccessKey()
	version := s.ring.Version()
	noon := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	for _, step := range []struct{ used, want time.Time }{
		{noon.Add(17 * time.Minute), noon},
		{noon.Add(59 * time.Minute), noon},
		{noon.Add(61 * time.Minute), noon.Add(time.Hour)},
		{noon, noon.Add(time.Hour)}, // a clock that goes back
	} {
		s.Used(key, step.used)
		if err := s.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := lastUsed(t, s); !got.Equal(step.want) {
			t.Errorf("used at %v: got %v, want %v", step.used, got, step.want)
		}
	}
	// What can not be written is written later.
	s.Used(key, noon.Add(3*time.Hour))
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Flush(ended); err == nil {
		t.Error("it was written without a context")
	}
	s.run(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for !lastUsed(t, s).Equal(noon.Add(3 * time.Hour)) {
		if ctx.Err() != nil {
			t.Fatal("it is not written")
		}
	}
	if err := s.Load(t.Context()); err != nil || s.ring.Version() != version {
		t.Errorf("that it was used made it another key: version %d, want %d, %v", s.ring.Version(), version, err)
	}
}

func TestNoncesAreRemoved(t *testing.T) {
	t.Parallel()
	pool := dbtest.Open(t)
	s := newReplica(pool)
	for nonce, expires := range map[string]time.Duration{"new": time.Minute, "just gone": -time.Minute, "gone": -time.Hour} {
		if fresh, err := s.Use(t.Context(), "k", nonce, time.Now().Add(expires)); !fresh || err != nil {
			t.Fatalf("%s is %v, %v", nonce, fresh, err)
		}
	}
	if _, err := pool.Exec(t.Context(), "INSERT INTO request_nonce SELECT 'many', i::text, now() - interval '1 day' FROM generate_series(1, 12000) i"); err != nil {
		t.Fatal(err)
	}
	if err := s.CleanNonces(t.Context()); err != nil {
		t.Fatal(err)
	}
	var left int
	if err := pool.QueryRow(t.Context(), "SELECT count(*) FROM request_nonce").Scan(&left); err != nil || left != 2 {
		t.Errorf("%d are left, %v", left, err)
	}
}
