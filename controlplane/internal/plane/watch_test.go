package plane_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/strata-exp/strata/controlplane/internal/plane"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/internal/obs"
)

// watch hands over what a Watch shows until the test ends.
func watch(t *testing.T, s *plane.Store, all bool) (<-chan *plane.View, <-chan error) {
	t.Helper()
	views, ended := make(chan *plane.View), make(chan error, 1)
	go func() {
		ended <- s.Watch(t.Context(), env, all, func(v *plane.View) error {
			select {
			case views <- v:
				return nil
			case <-t.Context().Done():
				return t.Context().Err()
			}
		})
	}()
	return views, ended
}

func next(t *testing.T, views <-chan *plane.View) *plane.View {
	t.Helper()
	select {
	case v := <-views:
		return v
	case <-time.After(patience):
		t.Fatal("nothing is shown")
		return nil
	}
}

func TestWatch(t *testing.T) {
	t.Parallel()
	d := open(t)
	here, there := d.store(), d.store()
	report(t, here, status("a", 10))
	views, ended := watch(t, here, false)
	if v := next(t, views); len(v.Planes) != 1 || v.Revision != 10 {
		t.Errorf("got %+v", v)
	}
	// That planes have reported is nothing new; what they report is.
	report(t, there, status("a", 10))
	again := status("a", 10)
	again.StaleMillis = 5
	report(t, there, again, status("b", 9))
	if v := next(t, views); len(v.Planes) != 2 || v.Planes[1].GetBehind() != 1 {
		t.Errorf("got %v", v.Planes)
	}
	d.exec("UPDATE environment_head SET revision = 11")
	if v := next(t, views); v.Revision != 11 || v.Planes[0].GetBehind() != 1 {
		t.Errorf("got %+v", v)
	}
	d.exec("UPDATE plane SET reported_at = reported_at - interval '1 minute' WHERE instance = 'a'")
	if v := next(t, views); len(v.Planes) != 1 || v.Planes[0].GetStatus().GetInstance() != "b" {
		t.Errorf("got %v", v.Planes)
	}
	d.exec("DELETE FROM environment")
	wantRefusal(t, <-ended, adminv1.ErrorReason_ERROR_REASON_ENVIRONMENT_NOT_FOUND)
}

// TestWatchTellsOfReports has heartbeats that are over at once.
func TestWatchTellsOfReports(t *testing.T) {
	t.Parallel()
	d := open(t)
	s := plane.New(d.pool, time.Millisecond, obs.Discard())
	report(t, s, status("a", 10))
	views, _ := watch(t, s, true)
	before := next(t, views).Planes[0]
	report(t, s, status("a", 10))
	for !next(t, views).Planes[0].GetReportedAt().AsTime().After(before.GetReportedAt().AsTime()) {
	}
}

func TestWatchEnds(t *testing.T) {
	t.Parallel()
	d := open(t)
	s := d.store()
	broken, stopped := errors.New("the client is gone"), errors.New("the server stops")
	if err := s.Watch(t.Context(), env, true, func(*plane.View) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	err := s.Watch(ctx, env, true, func(*plane.View) error {
		cancel(stopped)
		return nil
	})
	if !errors.Is(err, stopped) {
		t.Errorf("got %v", err)
	}
	err = s.Watch(t.Context(), "none", true, func(*plane.View) error { return nil })
	wantRefusal(t, err, adminv1.ErrorReason_ERROR_REASON_ENVIRONMENT_NOT_FOUND)
}

// TestStatusIsWhole reports all that there is to say.
func TestStatusIsWhole(t *testing.T) {
	t.Parallel()
	d := open(t)
	s := d.store()
	whole := rejected("a", 10, 9)
	whole.Followers = []*servingv1.Followers{{Client: "sdk", Services: []string{"web"}, Revision: 9, Count: 1200}}
	report(t, s, whole)
	got := list(t, s, false).Planes[0].GetStatus()
	if got.GetFollowers()[0].GetCount() != 1200 || got.GetRejections()[0].GetKey() != "x" || got.GetReplicatedRevision() != 10 {
		t.Errorf("got %v", got)
	}
}
