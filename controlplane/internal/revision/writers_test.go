package revision_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/strata-exp/strata/controlplane/internal/revision"
	"github.com/strata-exp/strata/controlplane/internal/state"
	"github.com/strata-exp/strata/db"
	"github.com/strata-exp/strata/db/dbtest"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/internal/rpc"
)

// acknowledged is what writers were told.
type acknowledged struct {
	mu        sync.Mutex
	revisions map[int64][]string // the names of the fields that a revision made
}

func (a *acknowledged) note(revision int64, name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.revisions[revision] = append(a.revisions[revision], name)
}

const (
	writers = 16
	changes = 200
)

// write makes changes, each a field of its own, and sends each again until it
// knows what came of it.
func (a *acknowledged) write(ctx context.Context, t *testing.T, pick func() *revision.Store, writer, n int) {
	t.Helper()
	for i := range n {
		name := fmt.Sprintf("w%d_%d", writer, i)
		r := request(field(name))
		r.IdempotencyKey = name
		copy(r.Body[:], name)
		for {
			outcome, err := pick().Apply(ctx, r)
			if err == nil {
				a.note(outcome.Revision, name)
				break
			}
			if _, ok := errors.AsType[*rpc.Unavailable](err); !ok || ctx.Err() != nil {
				t.Errorf("%s: %v", name, err)
				return
			}
		}
	}
}

// check compares what was acknowledged with the history: no gap, each change in
// exactly one revision, and in the one that was named.
func (a *acknowledged) check(t *testing.T, s *revision.Store, total int) {
	t.Helper()
	if got, want := head(t, s).Revision(), int64(total+1); got != want {
		t.Errorf("the head is at %d after %d changes, want %d", got, total, want)
	}
	seen := map[string]int64{}
	next := int64(0)
	for {
		page, err := s.Revisions(t.Context(), env, next, 500, "")
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, r := range page {
			if next != 0 && r.GetRevision() != next-1 {
				t.Errorf("revision %d follows on %d", next, r.GetRevision())
			}
			next = r.GetRevision()
		}
	}
	if next != 1 {
		t.Errorf("history begins at %d", next)
	}
	for revision, names := range a.revisions {
		for _, name := range names {
			if other, ok := seen[name]; ok {
				t.Errorf("%s is in revisions %d and %d", name, other, revision)
			}
			seen[name] = revision
			r := head(t, s).Resource(state.FieldID(name))
			if r == nil || r.Created.Revision != revision || r.Updated.Revision != revision {
				t.Errorf("%s was acknowledged as revision %d, but is %+v", name, revision, r)
			}
		}
		if len(names) != 1 {
			t.Errorf("revision %d was given to %v", revision, names)
		}
	}
	if len(seen) != total {
		t.Errorf("%d changes were acknowledged, want %d", len(seen), total)
	}
}

func TestWriters(t *testing.T) {
	t.Parallel()
	s, pool := open(t)
	replica := newStore(pool)
	a := &acknowledged{revisions: map[int64][]string{}}
	var wait sync.WaitGroup
	for writer := range writers {
		own := s
		if writer%2 == 1 {
			own = replica
		}
		wait.Go(func() { a.write(t.Context(), t, func() *revision.Store { return own }, writer, changes) })
	}
	wait.Wait()
	a.check(t, s, writers*changes)
	a.check(t, replica, writers*changes)
	a.check(t, newStore(pool), writers*changes)
}

// TestOneSpoilsNothing has requests share a transaction of which one panics, one
// is refused, and two are the same.
func TestOneSpoilsNothing(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	broken := request()
	broken.Changes = func(revision.Head) ([]state.Change, error) { panic("broken") }
	same := request(field("same"))
	same.IdempotencyKey = "same"
	revisions, errs := together(t, s,
		request(field("first")), request(field("a")), broken, request(state.Change{Delete: state.FieldID("none")}), same, same, request(field("b")))
	for i, err := range errs {
		if failed := err != nil; failed != (i == 2 || i == 3) {
			t.Errorf("request %d: %v", i, err)
		}
	}
	if revisions[4] != revisions[5] {
		t.Errorf("one request is revisions %d and %d", revisions[4], revisions[5])
	}
	if got := head(t, s); got.Revision() != 5 || got.Len(state.KindField) != 4 {
		t.Errorf("the head is %d with %d fields, want 5 with 4", got.Revision(), got.Len(state.KindField))
	}
}

// TestTogetherOnOneLayer has requests of one transaction give up and take slots.
func TestTogetherOnOneLayer(t *testing.T) {
	t.Parallel()
	s, pool := open(t)
	apply(t, s, layer("a", slots(0, 1000, 11), slots(2000, 3000, 21)), experiment(1, 11), experiment(2, 21))
	_, errs := together(t, s,
		request(field("first")),
		request(layer("a", slots(0, 400, 11), slots(2000, 3000, 21))),
		request(layer("a", slots(0, 400, 11), slots(2000, 2500, 21))),
		request(layer("a", slots(0, 600, 11), slots(2000, 2500, 21))))
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	got, err := newStore(pool).Resting(t.Context(), env, "a")
	if err != nil {
		t.Fatal(err)
	}
	type run struct{ start, end, eid int32 }
	var runs []run
	for _, r := range got {
		runs = append(runs, run{r.Start, r.End, r.EID})
	}
	if want := []run{{600, 1000, 1}, {2500, 3000, 2}}; !slices.Equal(runs, want) {
		t.Errorf("rests %v, want %v", runs, want)
	}
}

// TestTogetherOnOneID has a request claim ids that is refused, beside one that may
// have them, and one request twice that can be carried out only once.
func TestTogetherOnOneID(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	apply(t, s, experiment(9, 7))
	apply(t, s, state.Change{Delete: state.ExperimentID(9)})
	created := field("once")
	created.Existence = state.MustNotExist
	once := request(created)
	once.IdempotencyKey = "once"
	revisions, errs := together(t, s, request(field("first")), request(experiment(1, 5, 7)), request(experiment(2, 5)), once, once)
	wantRefusal(t, errs[1], adminv1.ErrorReason_ERROR_REASON_ID_TAKEN, "vid 7")
	if err := errors.Join(errs[0], errs[2], errs[3], errs[4]); err != nil {
		t.Error(err)
	}
	if revisions[3] != revisions[4] || head(t, s).Experiment(2) == nil {
		t.Errorf("got revisions %v", revisions)
	}
}

// together has all requests but the first carried out by one transaction, in this
// order.
func together(t *testing.T, s *revision.Store, requests ...revision.Request) (revisions []int64, errs []error) {
	t.Helper()
	release := make(chan struct{})
	changes := requests[0].Changes
	requests[0].Changes = func(h revision.Head) ([]state.Change, error) { // holds the turn until all others wait
		<-release
		return changes(h)
	}
	revisions, errs = make([]int64, len(requests)), make([]error, len(requests))
	var wait sync.WaitGroup
	for i, r := range requests {
		wait.Go(func() {
			outcome, err := s.Apply(t.Context(), r)
			if errs[i] = err; err == nil {
				revisions[i] = outcome.Revision
			}
		})
		for i == 0 && !s.Busy(env) || i > 0 && s.Waiting(env) < i {
			tick(t)
		}
	}
	close(release)
	wait.Wait()
	return revisions, errs
}

// TestDatabaseCrashes kills PostgreSQL while writers write.
func TestDatabaseCrashes(t *testing.T) {
	t.Parallel()
	const each, crashes = 40, 4
	server := dbtest.Cluster(t)
	pool, err := db.Open(t.Context(), server.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	s := newStore(pool)
	if _, err := s.CreateEnvironment(t.Context(), &adminv1.Environment{Name: env}, false, "test"); err != nil {
		t.Fatal(err)
	}
	a := &acknowledged{revisions: map[int64][]string{}}
	var wait sync.WaitGroup
	for writer := range writers {
		wait.Go(func() { a.write(t.Context(), t, func() *revision.Store { return s }, writer, each) })
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range crashes {
		// After a few more revisions, at a random point of the next one.
		until := lastRevision(t, s) + 1 + random.Int64N(int64(each*writers/crashes/2))
		for lastRevision(t, s) < min(until, writers*each+1) {
			tick(t)
		}
		server.Kill()
		server.Start()
	}
	wait.Wait()
	pool.Reset() // of connections to a server that was killed
	a.check(t, s, writers*each)
	a.check(t, newStore(pool), writers*each)
}

func lastRevision(t *testing.T, s *revision.Store) int64 {
	t.Helper()
	h, err := s.Head(t.Context(), env)
	if err != nil {
		return 0
	}
	return h.Revision()
}

// tick waits for the next look at something that other processes do.
func tick(t *testing.T) {
	t.Helper()
	timer := time.NewTimer(time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.Context().Done():
		t.Fatal("the test has ended")
	}
}
