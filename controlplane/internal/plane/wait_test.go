package plane_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/strata-exp/strata/controlplane/internal/plane"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
)

// waiting is a Wait that goes on.
type waiting chan struct {
	waited *plane.Waited
	err    error
}

func wait(t *testing.T, s *plane.Store, goal plane.Goal) waiting {
	t.Helper()
	goal.Environment = env
	w := make(waiting, 1)
	go func() {
		waited, err := s.Wait(t.Context(), goal)
		w <- struct {
			waited *plane.Waited
			err    error
		}{waited, err}
	}()
	return w
}

func (w waiting) want(t *testing.T, reached bool, running, lagging, rejecting int) *plane.Waited {
	t.Helper()
	got := <-w
	if got.err != nil {
		t.Fatal(got.err)
	}
	p := got.waited
	if p.Reached != reached || len(p.Running) != running || len(p.Lagging) != lagging || len(p.Rejecting) != rejecting {
		t.Fatalf("got reached %v, %d running, %d lagging, %d rejecting, want %v, %d, %d, %d",
			p.Reached, len(p.Running), len(p.Lagging), len(p.Rejecting), reached, running, lagging, rejecting)
	}
	return p
}

// TestReached waits for what is so already, and for what will be: reported here
// and in another process.
func TestReached(t *testing.T) {
	t.Parallel()
	d := open(t)
	here, there := d.store(), d.store()
	report(t, here, status("a", 10), status("b", 9))
	w := wait(t, here, plane.Goal{Planes: 1, Timeout: patience}).want(t, true, 1, 1, 0)
	if w.Revision != 10 {
		t.Errorf("the newest revision is %d", w.Revision)
	}
	wait(t, here, plane.Goal{Revision: 9, Timeout: patience}).want(t, true, 2, 0, 0)
	wait(t, here, plane.Goal{Revision: 9, Planes: 2}).want(t, true, 2, 0, 0)
	for i, reporter := range []*plane.Store{here, there} {
		// Reached by those who run a later one, too.
		d.exec("UPDATE environment_head SET revision = revision + 1")
		waits := []waiting{wait(t, here, plane.Goal{Timeout: patience}), wait(t, here, plane.Goal{Planes: 2, Timeout: patience})}
		joined(t, here, 2)
		report(t, reporter, status("a", int64(11+i)), status("b", int64(12+i)))
		for _, w := range waits {
			w.want(t, true, 2, 0, 0)
		}
	}
	if lookouts, _ := here.Lookouts(); lookouts != 0 {
		t.Error("it goes on looking for nobody")
	}
}

// joined waits until so many want to know of the environment.
func joined(t *testing.T, s *plane.Store, members int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for ctx.Err() == nil {
		if lookouts, now := s.Lookouts(); now == members && lookouts == 1 {
			return
		}
	}
	t.Fatal("nobody waits")
}

func TestNotReached(t *testing.T) {
	t.Parallel()
	d := open(t)
	s := d.store()
	// Nobody at all is not all.
	wait(t, s, plane.Goal{Timeout: time.Millisecond}).want(t, false, 0, 0, 0)
	report(t, s, status("a", 10), status("b", 9), rejected("c", 10, 8), rejected("d", 8, 7), rejected("e", 11, 10), status("gone", 10))
	d.exec("UPDATE plane SET reported_at = reported_at - interval '1 minute' WHERE instance = 'gone'")
	p := wait(t, s, plane.Goal{Timeout: time.Millisecond}).want(t, false, 2, 2, 1)
	if p.Rejecting[0].GetStatus().GetRejections()[0].GetProblem() != "is wrong" {
		t.Errorf("got %v", p.Rejecting)
	}
	wait(t, s, plane.Goal{Planes: 3}).want(t, false, 2, 2, 1)
	_, err := s.Wait(t.Context(), plane.Goal{Environment: env, Revision: 11})
	wantRefusal(t, err, adminv1.ErrorReason_ERROR_REASON_REVISION_NOT_FOUND)
}

// TestEpochs has planes that run another history.
func TestEpochs(t *testing.T) {
	t.Parallel()
	d := open(t)
	s := d.store()
	earlier := status("a", 50)
	earlier.Epoch--
	report(t, s, earlier, status("b", 10))
	if v := list(t, s, false); v.Planes[0].GetBehind() != 10 {
		t.Errorf("got %v", v.Planes[0])
	}
	wait(t, s, plane.Goal{Planes: 2, Timeout: time.Millisecond}).want(t, false, 1, 1, 0)
	// The history begins anew while somebody waits for what is still there in it,
	// and for what is not.
	report(t, s, status("b", 5))
	still, gone := wait(t, s, plane.Goal{Revision: 6, Timeout: patience}), wait(t, s, plane.Goal{Revision: 9, Timeout: patience})
	joined(t, s, 2)
	d.exec("UPDATE environment_head SET epoch = epoch + 1, revision = 8")
	got := <-gone
	wantRefusal(t, got.err, adminv1.ErrorReason_ERROR_REASON_REVISION_NOT_FOUND)
	a, b := status("a", 6), status("b", 7)
	a.Epoch, b.Epoch = epoch+1, epoch+1
	report(t, s, a, b)
	still.want(t, true, 2, 0, 0)
}

// TestWaitEnds ends waits by what is not their time.
func TestWaitEnds(t *testing.T) {
	t.Parallel()
	d := open(t)
	s := d.store()
	why := errors.New("the server stops")
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := s.Wait(ctx, plane.Goal{Environment: env, Timeout: patience})
		ended <- err
	}()
	joined(t, s, 1)
	cancel(why)
	if err := <-ended; !errors.Is(err, why) {
		t.Errorf("got %v", err)
	}
	w := wait(t, s, plane.Goal{Timeout: patience})
	joined(t, s, 1)
	d.exec("DELETE FROM environment")
	wantRefusal(t, (<-w).err, adminv1.ErrorReason_ERROR_REASON_ENVIRONMENT_NOT_FOUND)
}

// TestManyWait has many wait for planes that report to two processes.
func TestManyWait(t *testing.T) {
	t.Parallel()
	d := open(t)
	stores := []*plane.Store{d.store(), d.store()}
	const planes, revisions = 10, 5
	for revision := int64(11); revision < 11+revisions; revision++ {
		d.exec("UPDATE environment_head SET revision = $1", revision)
		var waits []waiting
		for i := range 20 {
			waits = append(waits, wait(t, stores[i%2], plane.Goal{Revision: revision, Planes: planes, Timeout: patience}))
		}
		for i := range planes {
			report(t, stores[i%2], status(fmt.Sprint("plane", i), revision))
		}
		for _, w := range waits {
			w.want(t, true, planes, 0, 0)
		}
	}
}
