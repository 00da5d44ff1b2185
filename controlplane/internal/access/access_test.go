package access_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/strata-exp/strata/controlplane/internal/access"
	"github.com/strata-exp/strata/db"
	"github.com/strata-exp/strata/db/dbtest"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/internal/auth"
	"github.com/strata-exp/strata/internal/obs"
	"github.com/strata-exp/strata/internal/rpc"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// replica is a store as one process has it.
type replica struct {
	*access.Store

	ring *auth.Keyring
}

func newReplica(pool *pgxpool.Pool) *replica {
	ring := auth.NewKeyring()
	return &replica{access.New(pool, ring, obs.Discard()), ring}
}

// run follows what other replicas change until the test ends.
func (r *replica) run(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// soon waits until the ring is as a test wants it, at most for as long as the
// contract says.
func (r *replica) soon(t *testing.T, what string, is func() bool) {
	t.Helper()
	late := time.After(2 * time.Second)
	for {
		changed := r.ring.Changed()
		if is() {
			return
		}
		select {
		case <-changed:
		case <-late:
			t.Fatalf("after two seconds still not: %s", what)
		}
	}
}

func (r *replica) knows(accessKey string) bool {
	_, err := r.ring.Principal(accessKey, time.Now())
	return err == nil
}

func public(t *testing.T) []byte {
	t.Helper()
	key, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func request(t *testing.T, name string, role servingv1.Role) access.Request {
	t.Helper()
	return access.Request{Name: name, Role: role, PublicKey: public(t), By: "test"}
}

func create(t *testing.T, s *replica, r access.Request) *adminv1.AccessKey {
	t.Helper()
	key, err := s.Create(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func wantRefusal(t *testing.T, err error, reason adminv1.ErrorReason) {
	t.Helper()
	if refusal, ok := errors.AsType[*rpc.Refusal](err); !ok || refusal.Reason != reason {
		t.Fatalf("got %v, want %v", err, reason)
	}
}

func addEnvironment(t *testing.T, pool *pgxpool.Pool, name string) {
	t.Helper()
	_, err := pool.Exec(t.Context(), `INSERT INTO environment (name, description, cooling_seconds, created_at) VALUES ($1, '', 0, now())`, name)
	if err != nil {
		t.Fatal(err)
	}
}

const (
	roleAdmin = servingv1.Role_ROLE_ADMIN
	rolePlane = servingv1.Role_ROLE_PLANE
	roleSDK   = servingv1.Role_ROLE_SDK
)

func TestCreate(t *testing.T) {
	t.Parallel()
	pool := dbtest.Open(t)
	addEnvironment(t, pool, "prod")
	addEnvironment(t, pool, "dev")
	s := newReplica(pool)
	r := request(t, "shop", roleSDK)
	r.Environments, r.Services, r.TTL = []string{"prod", "dev", "prod"}, []string{"web"}, time.Hour
	made := create(t, s, r)
	k := made.GetKey()
	if !slices.Equal(k.GetEnvironments(), []string{"dev", "prod"}) || !slices.Equal(k.GetServices(), []string{"web"}) ||
		k.GetExpiresAt().AsTime().Sub(made.GetCreatedAt().AsTime()) != time.Hour || made.GetCreatedBy() != "test" ||
		!k.GetNotBefore().AsTime().Before(made.GetCreatedAt().AsTime()) || made.GetRevokedAt() != nil || made.GetLastUsedAt() != nil {
		t.Errorf("made %v", made)
	}
	p, err := s.ring.Principal(k.GetAccessKey(), time.Now())
	if err != nil || p.Name != "shop" || p.Role != roleSDK || !p.Environment("prod") || p.Environment("other") {
		t.Errorf("the key is not in effect at once: %+v, %v", p, err)
	}
	_, err = s.Create(t.Context(), r)
	wantRefusal(t, err, adminv1.ErrorReason_ERROR_REASON_ALREADY_EXISTS)
	lost := request(t, "shop", rolePlane)
	lost.Environments = []string{"prod", "none"}
	_, err = s.Create(t.Context(), lost)
	wantRefusal(t, err, adminv1.ErrorReason_ERROR_REASON_ENVIRONMENT_NOT_FOUND)
	if refusal, _ := errors.AsType[*rpc.Refusal](err); refusal.Violations[0].Field != "environments[1]" {
		t.Errorf("got %+v", refusal)
	}
	for field, change := range map[string]func(*access.Request){
		"name":       func(r *access.Request) { r.Name = "" },
		"ttl":        func(r *access.Request) { r.TTL = -1 },
		"body":       func(r *access.Request) { r.Name = "a\x00" },
		"public_key": func(r *access.Request) { r.PublicKey = r.PublicKey[:31] },
		"services":   func(r *access.Request) { r.Services = []string{"web"} },
	} {
		r := request(t, "shop", rolePlane)
		change(&r)
		_, err := s.Create(t.Context(), r)
		if invalid, ok := errors.AsType[*rpc.Invalid](err); !ok || invalid.Violations[0].Field != field {
			t.Errorf("%s: got %v", field, err)
		}
	}
}

// TestTwoKeysOfAName makes keys of one name at once, in two processes.
func TestTwoKeysOfAName(t *testing.T) {
	t.Parallel()
	pool := dbtest.Open(t)
	replicas := []*replica{newReplica(pool), newReplica(pool)}
	const tries = 12
	errs := make(chan error, tries)
	for i := range tries {
		r := request(t, "shop", roleSDK)
		go func() {
			_, err := replicas[i%2].Create(t.Context(), r)
			errs <- err
		}()
	}
	made := 0
	for range tries {
		if err := <-errs; err == nil {
			made++
		} else {
			wantRefusal(t, err, adminv1.ErrorReason_ERROR_REASON_KEY_LIMIT)
		}
	}
	if made != 2 {
		t.Fatalf("%d keys of one name are in use", made)
	}
	// One that is revoked or has expired does not count.
	keys, err := replicas[0].List(t.Context(), access.Position{}, 10, true)
	if err != nil || len(keys) != 2 {
		t.Fatalf("got %v, %v", keys, err)
	}
	if _, err := replicas[0].Revoke(t.Context(), keys[0].GetKey().GetAccessKey()); err != nil {
		t.Fatal(err)
	}
	create(t, replicas[1], request(t, "shop", roleSDK))
	if _, err := pool.Exec(t.Context(), "UPDATE access_key SET expires_at = now() WHERE access_key = $1", keys[1].GetKey().GetAccessKey()); err != nil {
		t.Fatal(err)
	}
	create(t, replicas[1], request(t, "shop", roleSDK))
}

func TestList(t *testing.T) {
	t.Parallel()
	pool := dbtest.Open(t)
	s := newReplica(pool)
	var want []string
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		want = append(want, create(t, s, request(t, name, roleSDK)).GetKey().GetAccessKey())
	}
	slices.Reverse(want)
	// Keys of one time are in order too.
	if _, err := pool.Exec(t.Context(), "UPDATE access_key SET created_at = (SELECT max(created_at) FROM access_key) WHERE name < 'e'"); err != nil {
		t.Fatal(err)
	}
	slices.Sort(want)
	var got []string
	for at := (access.Position{}); ; {
		page, err := s.List(t.Context(), at, 2, false)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range page {
			got = append(got, k.GetKey().GetAccessKey())
			at = access.Position{Before: k.GetCreatedAt().AsTime(), After: k.GetKey().GetAccessKey()}
		}
		if len(page) < 2 {
			break
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if _, err := s.Revoke(t.Context(), want[0]); err != nil {
		t.Fatal(err)
	}
	if inUse, err := s.List(t.Context(), access.Position{}, 10, true); err != nil || len(inUse) != 4 {
		t.Errorf("in use are %v, %v", inUse, err)
	}
}

func TestRevoke(t *testing.T) {
	t.Parallel()
	s := newReplica(dbtest.Open(t))
	key := create(t, s, request(t, "shop", roleSDK)).GetKey().GetAccessKey()
	revoked, err := s.Revoke(t.Context(), key)
	if err != nil || revoked.GetRevokedAt() == nil || s.knows(key) {
		t.Fatalf("got %v, %v", revoked, err)
	}
	version := s.ring.Version()
	again, err := s.Revoke(t.Context(), key)
	if err != nil || !again.GetRevokedAt().AsTime().Equal(revoked.GetRevokedAt().AsTime()) || s.ring.Version() != version {
		t.Errorf("revoked again, it is %v, %v", again, err)
	}
	_, err = s.Revoke(t.Context(), "sak_none")
	wantRefusal(t, err, adminv1.ErrorReason_ERROR_REASON_KEY_NOT_FOUND)
}

// TestLastAdminKey revokes all admin keys at once, in two processes.
func TestLastAdminKey(t *testing.T) {
	t.Parallel()
	pool := dbtest.Open(t)
	addEnvironment(t, pool, "prod")
	replicas := []*replica{newReplica(pool), newReplica(pool)}
	limited := request(t, "limited", roleAdmin)
	limited.Environments = []string{"prod"}
	create(t, replicas[0], limited) // which does not count
	expired := create(t, replicas[0], request(t, "expired", roleAdmin)).GetKey().GetAccessKey()
	if _, err := pool.Exec(t.Context(), "UPDATE access_key SET expires_at = now() WHERE access_key = $1", expired); err != nil {
		t.Fatal(err)
	}
	const all = 6
	var keys []string
	for _, name := range []string{"a", "b", "c"} {
		for range 2 {
			keys = append(keys, create(t, replicas[0], request(t, name, roleAdmin)).GetKey().GetAccessKey())
		}
	}
	errs := make(chan error, all)
	for i, key := range keys {
		go func() {
			_, err := replicas[i%2].Revoke(t.Context(), key)
			errs <- err
		}()
	}
	refused := 0
	for range all {
		if err := <-errs; err != nil {
			refused++
			wantRefusal(t, err, adminv1.ErrorReason_ERROR_REASON_LAST_ADMIN_KEY)
		}
	}
	if refused != 1 {
		t.Errorf("%d of %d were refused", refused, all)
	}
	for _, key := range []string{expired} {
		if _, err := replicas[0].Revoke(t.Context(), key); err != nil {
			t.Errorf("a key that nobody can use any more can not be revoked: %v", err)
		}
	}
}

func TestBootstrap(t *testing.T) {
	t.Parallel()
	pool := dbtest.Open(t)
	s := newReplica(pool)
	s.run(t)
	first, err := access.Bootstrap(t.Context(), pool, request(t, "me", rolePlane), false)
	if err != nil || first.GetKey().GetRole() != roleAdmin {
		t.Fatalf("got %v, %v", first, err)
	}
	s.soon(t, "the first key is known", func() bool { return s.knows(first.GetKey().GetAccessKey()) })
	if _, err := access.Bootstrap(t.Context(), pool, request(t, "other", roleAdmin), false); !errors.Is(err, access.ErrHasAdmin) {
		t.Errorf("got %v", err)
	}
	if _, err := access.Bootstrap(t.Context(), pool, request(t, "other", roleAdmin), true); err != nil {
		t.Error(err)
	}
	if _, err := pool.Exec(t.Context(), "UPDATE access_key SET expires_at = now()"); err != nil {
		t.Fatal(err)
	}
	if _, err := access.Bootstrap(t.Context(), pool, request(t, "me", roleAdmin), false); err != nil {
		t.Errorf("with expired keys alone: %v", err)
	}
}

// TestBootstrapAgainAndAgain forces keys of one name, whose secrets are lost each
// time.
func TestBootstrapAgainAndAgain(t *testing.T) {
	t.Parallel()
	pool := dbtest.Open(t)
	for range 4 {
		if _, err := access.Bootstrap(t.Context(), pool, request(t, "me", roleAdmin), true); err != nil {
			t.Fatal(err)
		}
	}
	var inUse int
	if err := pool.QueryRow(t.Context(), "SELECT count(*) FROM access_key WHERE revoked_at IS NULL").Scan(&inUse); err != nil || inUse != 2 {
		t.Errorf("%d keys are in use, %v", inUse, err)
	}
}

// TestBootstrapAtOnce makes the first key many times at once.
func TestBootstrapAtOnce(t *testing.T) {
	t.Parallel()
	pool := dbtest.Open(t)
	errs := make(chan error, 8)
	for range cap(errs) {
		r := request(t, "me", roleAdmin)
		go func() {
			_, err := access.Bootstrap(t.Context(), pool, r, false)
			errs <- err
		}()
	}
	made := 0
	for range cap(errs) {
		if err := <-errs; err == nil {
			made++
		} else if !errors.Is(err, access.ErrHasAdmin) {
			t.Error(err)
		}
	}
	if made != 1 {
		t.Errorf("there are %d first keys", made)
	}
}

// TestFollow has two processes, of which one hears what the other changes.
func TestFollow(t *testing.T) {
	t.Parallel()
	pool := dbtest.Open(t)
	here, there := newReplica(pool), newReplica(pool)
	there.run(t)
	key := create(t, here, request(t, "shop", roleSDK)).GetKey().GetAccessKey()
	there.soon(t, "the new key is known", func() bool { return there.knows(key) })
	if _, err := here.Revoke(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	there.soon(t, "the revoked key is not known", func() bool { return !there.knows(key) })
}

// TestKeysOutliveTheDatabase stops the server, and starts it with other keys.
func TestKeysOutliveTheDatabase(t *testing.T) {
	t.Parallel()
	server := dbtest.Cluster(t)
	open := func() *replica {
		pool, err := db.Open(t.Context(), server.URL())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(pool.Close)
		return newReplica(pool)
	}
	s := open()
	s.run(t)
	key := create(t, s, request(t, "shop", roleSDK)).GetKey().GetAccessKey()
	server.Stop()
	if _, err := s.Use(t.Context(), key, "n", time.Now().Add(time.Minute)); err == nil {
		t.Error("a nonce is fresh without a database")
	} else if _, ok := errors.AsType[*rpc.Unavailable](err); !ok {
		t.Errorf("got %v", err)
	}
	if !s.knows(key) {
		t.Error("the key is forgotten")
	}
	server.Start()
	fresh := create(t, open(), request(t, "shop", roleSDK)).GetKey().GetAccessKey()
	s.soon(t, "the new key is known", func() bool { return s.knows(fresh) })
}

// TestRestoredDatabase takes the database back to fewer changes than were seen.
func TestRestoredDatabase(t *testing.T) {
	t.Parallel()
	pool := dbtest.Open(t)
	s := newReplica(pool)
	for range 2 {
		create(t, s, request(t, "shop", roleSDK))
	}
	seen := s.ring.Version()
	if _, err := pool.Exec(t.Context(), "DELETE FROM access_key"); err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Exec(t.Context(), "UPDATE cluster SET key_version = 1"); err != nil {
		t.Fatal(err)
	}
	s.run(t)
	s.soon(t, "what was restored is in effect", func() bool {
		version, keys := s.ring.Keys()
		return len(keys) == 0 && version > seen
	})
}

// TestNonces uses signatures at once in two processes.
func TestNonces(t *testing.T) {
	t.Parallel()
	pool := dbtest.Open(t)
	replicas := []*replica{newReplica(pool), newReplica(pool)}
	expires := time.Now().Add(time.Minute)
	for _, nonce := range []string{"a", "b"} {
		results := make(chan bool, 8)
		for i := range cap(results) {
			go func() {
				fresh, err := replicas[i%2].Use(t.Context(), "sak_x", nonce, expires)
				if err != nil {
					t.Error(err)
				}
				results <- fresh
			}()
		}
		fresh := 0
		for range cap(results) {
			if <-results {
				fresh++
			}
		}
		if fresh != 1 {
			t.Errorf("a signature was fresh %d times", fresh)
		}
	}
	if fresh, err := replicas[0].Use(t.Context(), "sak_y", "a", expires); !fresh || err != nil {
		t.Errorf("another key's is %v, %v", fresh, err)
	}
	var setting string
	if err := pool.QueryRow(t.Context(), "SELECT current_setting('synchronous_commit')").Scan(&setting); err != nil || setting != "on" {
		t.Errorf("commits are now %s, %v", setting, err)
	}
}
