package follow

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/encoding/protowire"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/sdk/go/view"
)

var (
	one   = conf(7, 1, "a", "b", "c")
	two   = conf(7, 2, "a", "x")
	three = conf(7, 3, "y", "w", "z")
)

func at(t *testing.T, f *Follower, state servingv1.PlaneState, replicated, active *view.View) {
	t.Helper()
	synctest.Wait()
	s := f.Status()
	if s.State != state {
		t.Errorf("the state is %v, want %v", s.State, state)
	}
	if s.Replicated != position(replicated) {
		t.Errorf("replicated is %v, want %v", s.Replicated, position(replicated))
	}
	if s.Active != position(active) {
		t.Errorf("active is %v, want %v", s.Active, position(active))
	}
}

func position(v *view.View) view.Position {
	if v == nil {
		return view.Position{}
	}
	return v.Position()
}

const (
	unspecified = servingv1.PlaneState_PLANE_STATE_UNSPECIFIED
	synced      = servingv1.PlaneState_PLANE_STATE_SYNCED
	stale       = servingv1.PlaneState_PLANE_STATE_STALE
	rejected    = servingv1.PlaneState_PLANE_STATE_REJECTED
)

func TestFollow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t)
		f := start(t, s, func(c *Config) { c.Services = []string{"b", "a", "b"} })
		w, _ := s.expect()
		if w.GetEnvironment() != "prod" || !slices.Equal(w.GetServices(), []string{"a", "b"}) || len(w.GetResumeToken()) > 0 ||
			w.GetInstance() != "one" || w.GetClient() != "test/1" {
			t.Errorf("it asks for %v", w.WatchRequest)
		}
		at(t, f, unspecified, nil, nil)
		w.send(hello())
		if got := f.Status(); got.Connected != time.Now() || got.Stream != "stream" || got.Environment != "prod" {
			t.Errorf("%+v", got)
		}
		parts := update(nil, one)
		w.send(parts[:2]...)
		at(t, f, unspecified, nil, nil)
		w.send(parts[2:]...)
		at(t, f, synced, one, one)
		if len(s.confirms) > 0 {
			t.Error("what came first is taken for news, and may be old")
		}
		w.send(&servingv1.WatchResponse{}, beat(one))
		w.send(update(one, two)...)
		w.send(update(two, three)...)
		at(t, f, synced, three, three)
		if !slices.Equal(s.confirms, []time.Duration{0, 0, 0}) {
			t.Errorf("confirmed %v", s.confirms)
		}
		w.fail(io.EOF)
		if s := f.Status(); s.Err == nil || !s.Connected.IsZero() {
			t.Errorf("%+v", s)
		}
		w, waited := s.expect()
		if string(w.GetResumeToken()) != token(three.Position()) || waited > 500*time.Millisecond {
			t.Errorf("after %v it goes on from %q", waited, w.GetResumeToken())
		}
		w.send(hello(), beat(three))
		at(t, f, synced, three, three)
		if err := f.Status().Err; err != nil {
			t.Error(err)
		}
		if len(s.seen) != 3 || len(s.activated) != 3 {
			t.Errorf("replicated %d, activated %d", len(s.seen), len(s.activated))
		}
	})
}

func TestBehind(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(w *watching){
		"an error": func(w *watching) {
			w.fail(failure(connect.CodeUnavailable, servingv1.ErrorReason_ERROR_REASON_BEHIND, nil))
		},
		"an older revision": func(w *watching) { w.send(hello(), update(nil, one)[0]) },
		"an older epoch":    func(w *watching) { w.send(hello(), update(nil, conf(6, 9, "old"))[0]) },
		"a heartbeat":       func(w *watching) { w.send(hello(), beat(one)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newScript(t)
				f := start(t, s, nil)
				w, _ := s.expect()
				w.send(hello())
				w.send(update(nil, two)...)
				w.fail(errCut)
				for range 20 {
					w, _ = s.expect()
					if string(w.GetResumeToken()) != token(two.Position()) {
						t.Fatalf("it goes on from %q", w.GetResumeToken())
					}
					end(w)
				}
				if got := f.Status(); got.Replicated != two.Position() || got.Active != two.Position() {
					t.Errorf("%+v", got)
				}
				// A newer epoch is newer, whatever its revision.
				w, _ = s.expect()
				next := conf(8, 1, "anew")
				w.send(hello())
				w.send(update(nil, next)...)
				at(t, f, synced, next, next)
			})
		})
	}
}

// doubts are frames after Hello that can not be right, for who holds two.
func doubts() map[string][]*servingv1.WatchResponse {
	change := func(u *servingv1.WatchResponse, change func(*servingv1.Update)) *servingv1.WatchResponse {
		change(u.GetUpdate())
		return u
	}
	last := func() *servingv1.WatchResponse { return update(two, conf(7, 3, "a", "z"))[0] }
	parts := update(two, three)
	other := update(two, conf(7, 4, "y", "w", "z"))
	return map[string][]*servingv1.WatchResponse{
		"hash":            {change(last(), func(u *servingv1.Update) { u.Hash[0] ^= 1 })},
		"no hash":         {change(last(), func(u *servingv1.Update) { u.Hash = nil })},
		"count":           {change(last(), func(u *servingv1.Update) { u.EntityCount++ })},
		"contents":        {change(last(), func(u *servingv1.Update) { u.Changes = update(two, three)[0].GetUpdate().GetChanges() })},
		"no gzip":         {change(last(), func(u *servingv1.Update) { u.Changes = []byte("none") })},
		"kind":            {change(last(), func(u *servingv1.Update) { u.Kind = 9 })},
		"no revision":     {change(last(), func(u *servingv1.Update) { u.ToRevision, u.Epoch, u.Kind = 0, 8, servingv1.Update_KIND_FULL })},
		"gap":             {change(last(), func(u *servingv1.Update) { u.FromRevision, u.ToRevision = 3, 4 })},
		"epoch":           {change(last(), func(u *servingv1.Update) { u.Epoch++ })},
		"back":            {change(last(), func(u *servingv1.Update) { u.ToRevision = 2 })},
		"second part":     parts[1:2],
		"repeated part":   {parts[0], parts[0]},
		"missing part":    {parts[0], parts[2]},
		"mixed parts":     {parts[0], other[1]},
		"heartbeat early": {parts[0], beat(two)},
		"second hello":    {hello()},
	}
}

func TestDoubt(t *testing.T) {
	t.Parallel()
	for name, frames := range doubts() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newScript(t)
				f := start(t, s, nil)
				w, _ := s.expect()
				w.send(hello())
				w.send(update(nil, two)...)
				w.send(frames...)
				w.left()
				began := time.Now()
				w, waited := s.expect()
				if len(w.GetResumeToken()) > 0 || waited > time.Second {
					t.Errorf("after %v it goes on from %q", waited, w.GetResumeToken())
				}
				at(t, f, synced, two, two)
				w.send(hello(), frame(&servingv1.Update{Kind: servingv1.Update_KIND_FULL, Epoch: 7, ToRevision: 9, Last: true, Changes: []byte("none")}))
				w.left()
				w, _ = s.expect()
				if waited := time.Since(began); len(w.GetResumeToken()) > 0 || waited < 30*time.Second || waited > 31*time.Second {
					t.Errorf("after %v it goes on from %q", waited, w.GetResumeToken())
				}
				w.fail(errCut) // which settles nothing
				w, _ = s.expect()
				if len(w.GetResumeToken()) > 0 {
					t.Errorf("it goes on from %q", w.GetResumeToken())
				}
				w.send(hello())
				w.send(update(nil, three)...)
				at(t, f, synced, three, three)
				w.fail(errCut)
				if w, _ = s.expect(); string(w.GetResumeToken()) != token(three.Position()) {
					t.Errorf("it goes on from %q", w.GetResumeToken())
				}
			})
		})
	}
}

func TestFrameBeforeHello(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t)
		f := start(t, s, nil)
		w, _ := s.expect()
		w.send(update(nil, one)[0])
		w.left()
		at(t, f, unspecified, nil, nil)
	})
}

func TestMissed(t *testing.T) {
	t.Parallel()
	same := conf(7, 2, "other", "contents")
	for name, lost := range map[string]*servingv1.WatchResponse{"revision": beat(three), "epoch": beat(conf(8, 1)), "hash": beat(same)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newScript(t)
				f := start(t, s, nil)
				w, _ := s.expect()
				w.send(hello())
				w.send(update(nil, two)...)
				w.send(lost)
				if w, _ = s.expect(); string(w.GetResumeToken()) != token(two.Position()) {
					t.Fatalf("it goes on from %q", w.GetResumeToken())
				}
				w.send(hello(), beat(two), lost) // it was in order in between
				if w, _ = s.expect(); string(w.GetResumeToken()) != token(two.Position()) {
					t.Fatalf("it goes on from %q", w.GetResumeToken())
				}
				w.send(hello(), lost)
				if w, _ = s.expect(); len(w.GetResumeToken()) > 0 {
					t.Fatalf("it goes on from %q", w.GetResumeToken())
				}
				w.send(hello())
				w.send(update(nil, same)...) // at the same position
				at(t, f, synced, same, same)
				if hash := same.Hash(); f.Status().ActiveHash != hash || len(s.activated) != 2 {
					t.Error("the other contents are not active")
				}
				w.send(beat(same))
				w.send(update(same, three)...)
				at(t, f, synced, three, three)
			})
		})
	}
}

// TestRejected is I13: what can not be run stops nothing.
func TestRejected(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t)
		faults := make(view.Faults, 30)
		for i := range faults {
			faults[i] = view.Fault{Key: view.LayerKey("l"), Problem: strings.Repeat("ä", 1000)}
		}
		s.refuse = func(v *view.View) error {
			switch v.Position().Revision {
			case 2:
				return fmt.Errorf("wrapped: %w", faults)
			case 3:
				panic("a fault of the compiler")
			}
			return nil
		}
		f := start(t, s, nil)
		w, _ := s.expect()
		w.send(hello())
		w.send(update(nil, one)...)
		pass(2 * time.Second)
		w.send(update(one, two)...)
		at(t, f, rejected, two, one)
		reports := s.reportsSoFar()
		r := reports[len(reports)-1].GetStatus()
		if r.GetState() != rejected || r.GetReplicatedRevision() != 2 || r.GetActiveRevision() != 1 || r.GetEpoch() != 7 || len(r.GetRejections()) != 20 ||
			len(r.GetRejections()[0].GetProblem()) != 1024 || r.GetRejections()[0].GetKey() != "l" {
			t.Errorf("reported %v", r)
		}
		w.send(update(two, three)...)
		at(t, f, rejected, three, one)
		w.send(beat(three))
		four := conf(7, 4, "fine")
		w.send(update(three, four)...)
		at(t, f, synced, four, four)
		if f.Status().Faults != nil {
			t.Error("there are still faults")
		}
		// The first revision of another history may be rejected.
		s.refuse = func(v *view.View) error {
			if v.Position().Epoch == 8 {
				return errors.New("not this one")
			}
			return nil
		}
		next := conf(8, 3, "anew")
		w.send(update(nil, next)...)
		at(t, f, rejected, next, four)
		pass(time.Second)
		reports = s.reportsSoFar()
		r = reports[len(reports)-1].GetStatus()
		if r.GetEpoch() != 8 || r.GetReplicatedRevision() != 3 || r.GetActiveRevision() != 0 || len(r.GetActiveHash()) != 32 ||
			r.GetRejections()[0].GetProblem() != "not this one" {
			t.Errorf("reported %v", r)
		}
	})
}

func TestWatchdog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t)
		f := start(t, s, nil)
		w, _ := s.expect()
		w.send(hello())
		w.send(update(nil, one)...)
		if waited := w.left(); waited != 3*heartbeat {
			t.Errorf("it has left after %v", waited)
		}
		at(t, f, stale, one, one)
		if got := f.Status().Stale; got != 3*heartbeat {
			t.Errorf("stale for %v", got)
		}
		w, _ = s.expect()
		if string(w.GetResumeToken()) != token(one.Position()) {
			t.Errorf("it goes on from %q", w.GetResumeToken())
		}
		w.send(hello())
		at(t, f, synced, one, one)
	})
}

// TestSlow has frames come late, but in time, and activation take longer than the
// server may be silent.
func TestSlow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t)
		s.refuse = func(v *view.View) error {
			pass(10 * heartbeat)
			return nil
		}
		f := start(t, s, nil)
		w, _ := s.expect()
		pass(4 * time.Second)
		for _, frame := range slices.Concat([]*servingv1.WatchResponse{hello()}, update(nil, one), []*servingv1.WatchResponse{beat(one)}) {
			w.send(frame)
			pass(3*heartbeat - time.Second)
		}
		pass(5 * heartbeat)
		at(t, f, synced, one, one)
		w.send(beat(one))
	})
}

// TestBehindIsHeard has servers that wait before they say that they are behind, as
// they do to catch up meanwhile.
func TestBehindIsHeard(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t)
		f := start(t, s, nil)
		w, _ := s.expect()
		w.send(hello())
		w.send(update(nil, one)...)
		w.fail(errCut)
		for _, after := range []time.Duration{2 * time.Second, 3 * time.Second, 5 * time.Second, 9 * time.Second} {
			w, _ = s.expect() // which a fetch would fail
			if string(w.GetResumeToken()) != token(one.Position()) {
				t.Errorf("it goes on from %q", w.GetResumeToken())
			}
			pass(after)
			want := failure(connect.CodeUnavailable, servingv1.ErrorReason_ERROR_REASON_BEHIND, nil)
			w.fail(want)
			if got := f.Status().Err; !errors.Is(got, want) {
				t.Errorf("after %v the stream has ended by %v", after, got)
			}
			at(t, f, synced, one, one)
		}
		w, _ = s.expect()
		w.send(hello(), beat(one))
		at(t, f, synced, one, one)
	})
}

func TestProxyThatBuffers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t)
		f := start(t, s, nil)
		w, _ := s.expect()
		if waited := w.left(); waited != 10*time.Second {
			t.Errorf("it waits %v for Hello", waited)
		}
		fetch, waited := s.expectFetch()
		if waited > 0 || len(fetch.GetResumeToken()) > 0 {
			t.Errorf("after %v it fetches %v", waited, fetch)
		}
		fetch.answer <- append(append([]*servingv1.WatchResponse{hello()}, update(nil, one)...), beat(one))
		at(t, f, synced, one, one)
		since := f.Status().Connected
		began := time.Now()
		for {
			fetch, waited = nil, 0
			slept := time.Now()
			select {
			case fetch = <-s.fetches:
				waited = time.Since(slept)
			case w = <-s.watches:
			}
			if fetch == nil {
				break
			}
			if waited < heartbeat/2 || waited > 3*heartbeat/2 || string(fetch.GetResumeToken()) != token(one.Position()) {
				t.Errorf("after %v it fetches %v", waited, fetch)
			}
			if got := f.Status(); got.Connected != since || got.State != synced {
				t.Errorf("%+v", got)
			}
			fetch.answer <- []*servingv1.WatchResponse{hello(), beat(one)}
			synctest.Wait()
		}
		if took := time.Since(began); took < 2*time.Minute || took > 5*time.Minute {
			t.Errorf("it has tried a stream after %v", took)
		}
		for _, r := range s.reportsSoFar() {
			if r.GetStreamId() != "" {
				t.Errorf("reported %v", r)
			}
		}
		w.left()
		fetch, _ = s.expectFetch()
		fetch.answer <- append(append([]*servingv1.WatchResponse{hello()}, update(one, two)...), beat(two))
		at(t, f, synced, two, two)
		fetch, _ = s.expectFetch()
		fetch.fail <- errCut
		w, _ = s.expect()
		if string(w.GetResumeToken()) != token(two.Position()) {
			t.Errorf("it goes on from %q", w.GetResumeToken())
		}
		w.send(hello(), beat(two))
		pass(heartbeat)
		w.send(beat(two))
		at(t, f, synced, two, two)
		w.left()
		w, _ = s.expect() // it is no proxy: the stream had begun
		w.left()
		fetch, _ = s.expectFetch()
		fetch.answer <- []*servingv1.WatchResponse{hello(), update(nil, three)[0]} // not whole
		w, _ = s.expect()
		if len(w.GetResumeToken()) > 0 {
			t.Errorf("it goes on from %q", w.GetResumeToken())
		}
		w.left()
		fetch, _ = s.expectFetch()
		if len(fetch.GetResumeToken()) > 0 {
			t.Errorf("it goes on from %q", fetch.GetResumeToken())
		}
		fetch.answer <- append(append([]*servingv1.WatchResponse{hello()}, update(nil, three)...), beat(three))
		if fetch, _ = s.expectFetch(); string(fetch.GetResumeToken()) != token(three.Position()) {
			t.Errorf("it goes on from %q", fetch.GetResumeToken())
		}
	})
}

func TestReturns(t *testing.T) {
	t.Parallel()
	overloaded := failure(connect.CodeResourceExhausted, servingv1.ErrorReason_ERROR_REASON_OVERLOADED,
		map[string]string{"retry_min_millis": "60000", "retry_max_millis": "70000"})
	bye := func(reason servingv1.Goodbye_Reason, least, most int32) func(w *watching) {
		return func(w *watching) {
			w.send(hello(), frame(&servingv1.Goodbye{Reason: reason, RetryMinMillis: least, RetryMaxMillis: most}))
		}
	}
	fails := func(err error) func(w *watching) { return func(w *watching) { w.fail(err) } }
	for name, test := range map[string]struct {
		end         func(w *watching)
		least, most time.Duration
		some        time.Duration // that one of many waits is longer than
	}{
		"cut":             {fails(errCut), 0, 30 * time.Second, 15 * time.Second},
		"overloaded":      {fails(overloaded), time.Minute, 70 * time.Second, time.Minute},
		"unauthenticated": {fails(failure(connect.CodeUnauthenticated, servingv1.ErrorReason_ERROR_REASON_UNAUTHENTICATED, nil)), 0, 5 * time.Minute, time.Minute},
		"denied":          {fails(failure(connect.CodePermissionDenied, servingv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED, nil)), 0, 5 * time.Minute, time.Minute},
		"not served":      {fails(failure(connect.CodeNotFound, servingv1.ErrorReason_ERROR_REASON_NOT_SERVED, nil)), 0, 30 * time.Second, 15 * time.Second},
		"drain":           {bye(servingv1.Goodbye_REASON_DRAIN, 1000, 10000), time.Second, 10 * time.Second, 2 * time.Second},
		"at once":         {bye(servingv1.Goodbye_REASON_MAX_AGE, 0, 0), 0, 30 * time.Second, 15 * time.Second},
		"senseless":       {bye(servingv1.Goodbye_REASON_LEASE, 5000, -1), 5 * time.Second, 5 * time.Second, 0},
		"revoked":         {bye(servingv1.Goodbye_REASON_REVOKED, 0, 10), 0, 5 * time.Minute, time.Minute},
		"environment":     {func(w *watching) { w.send(frame(&servingv1.Hello{Environment: "test"})) }, 0, 5 * time.Minute, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newScript(t)
				f := start(t, s, nil)
				w, _ := s.expect()
				w.send(hello())
				w.send(update(nil, one)...)
				w.fail(errCut)
				w, _ = s.expect()
				var longest time.Duration
				for range 60 {
					test.end(w)
					var waited time.Duration
					w, waited = s.expect()
					if waited < test.least || waited > test.most {
						t.Errorf("it is back after %v, want %v to %v", waited, test.least, test.most)
					}
					if string(w.GetResumeToken()) != token(one.Position()) {
						t.Errorf("it goes on from %q", w.GetResumeToken())
					}
					longest = max(longest, waited)
				}
				if longest < test.some {
					t.Errorf("the longest wait was %v", longest)
				}
				if got := s.active(); got != one.Position() || f.Status().Active != got {
					t.Errorf("%v is active", got)
				}
				// A stream that lasts makes up for all of it.
				w.send(hello())
				for range 5 {
					w.send(beat(one))
					pass(heartbeat)
				}
				w.fail(errCut)
				if _, waited := s.expect(); waited > 500*time.Millisecond {
					t.Errorf("it is back after %v", waited)
				}
			})
		})
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t)
		start(t, s, nil)
		w, _ := s.expect()
		w.send(hello())
		for _, version := range []int64{3, 5, 4, 5, 6} {
			w.send(frame(&servingv1.AccessKeys{Version: version}))
		}
		w.send(update(nil, three)[0], frame(&servingv1.AccessKeys{Version: 7})) // between parts
		if !slices.Equal(s.keys, []int64{3, 5, 5, 6, 7}) {
			t.Errorf("%v were handed over", s.keys)
		}
	})
}

// TestUnknownFrame sends a frame that this reader does not know, as it arrives.
func TestUnknownFrame(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t)
		f := start(t, s, nil)
		w, _ := s.expect()
		unknown := new(servingv1.WatchResponse)
		unknown.ProtoReflect().SetUnknown(protowire.AppendString(protowire.AppendTag(nil, 99, protowire.BytesType), "news"))
		parts := update(nil, one)
		w.send(unknown, hello(), unknown, parts[0], unknown, parts[1], parts[2], unknown)
		at(t, f, synced, one, one)
	})
}

func TestStale(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t)
		f := start(t, s, nil)
		w, _ := s.expect()
		w.send(hello())
		w.send(update(nil, one)...)
		relayed := beat(one)
		relayed.GetHeartbeat().StaleMillis = 60_000
		w.send(relayed)
		if got := f.Status(); got.Stale != time.Minute || !got.Confirmed || got.State != synced {
			t.Errorf("%+v", got)
		}
		if !slices.Equal(s.confirms, []time.Duration{time.Minute}) {
			t.Errorf("confirmed %v", s.confirms)
		}
		w.fail(errCut)
		w, _ = s.expect()
		w.fail(errCut)
		began := time.Now()
		states := map[servingv1.PlaneState]time.Duration{}
		for len(states) < 2 {
			changed := f.Changed()
			if state := f.Status().State; states[state] == 0 {
				states[state] = time.Since(began)
			}
			select {
			case <-changed:
			case w := <-s.watches:
				w.frames <- received{err: errCut}
			}
		}
		if after := states[stale]; after < 3*heartbeat-time.Second || after > 3*heartbeat {
			t.Errorf("it is stale after %v", after)
		}
	})
}

func TestReports(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t)
		s.reportErr = errors.New("nobody listens") // which changes nothing but the times
		start(t, s, nil)
		w, _ := s.expect()
		w.send(hello())
		if n := len(s.reportsSoFar()); n > 0 {
			t.Errorf("%d reports of nothing", n)
		}
		w.send(update(nil, one)...)
		s.mu.Lock()
		s.reportErr = nil
		s.mu.Unlock()
		pass(5 * time.Second)
		before := one
		for i := range 100 { // ten a second
			next := conf(7, int64(i+2), strconv.Itoa(i))
			w.send(update(before, next)...)
			before = next
			pass(100 * time.Millisecond)
		}
		for range 20 {
			w.send(beat(before))
			pass(heartbeat)
		}
		reports := s.reportsSoFar()
		for i, r := range reports[1:] {
			if passed := r.at.Sub(reports[i].at); passed < time.Second || passed > heartbeat {
				t.Errorf("report %d comes %v after the one before", i+1, passed)
			}
		}
		if len(reports) < 30 || len(reports) > 50 {
			t.Errorf("%d reports", len(reports))
		}
		r := reports[len(reports)-1]
		hash := before.Hash()
		if r.GetEnvironment() != "prod" || r.GetStreamId() != "stream" || r.GetStatus().GetInstance() != "one" || r.GetStatus().GetState() != synced ||
			r.GetStatus().GetActiveRevision() != 101 || string(r.GetStatus().GetActiveHash()) != string(hash[:]) ||
			r.GetStatus().GetFollowers()[0].GetCount() != 3 || r.GetStatus().GetStaleMillis() > heartbeat.Milliseconds() {
			t.Errorf("reported %v", r)
		}
		w.fail(errCut)
		n := len(s.reportsSoFar())
		w, _ = s.expect()
		pass(4 * time.Second)
		if len(s.reportsSoFar()) != n {
			t.Error("there are reports without a stream")
		}
		w.send(hello())
		if len(s.reportsSoFar()) != n+1 {
			t.Error("the new stream is not reported to at once")
		}
	})
}

func TestRunTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t)
		f := start(t, s, nil)
		s.expect()
		if err := f.Run(t.Context()); err == nil {
			t.Error("it runs twice")
		}
	})
}

func TestConfig(t *testing.T) {
	t.Parallel()
	good := Config{URL: "https://x", Instance: "i", Sink: newScript(t)}
	if _, err := New(good); err != nil {
		t.Error(err)
	}
	for name, spoil := range map[string]func(*Config){
		"URL":      func(c *Config) { c.URL = "x:1" },
		"query":    func(c *Config) { c.URL = "https://x?y" },
		"sink":     func(c *Config) { c.Sink = nil },
		"instance": func(c *Config) { c.Instance = "" },
		"client":   func(c *Config) { c.Client = strings.Repeat("x", 257) },
		"service":  func(c *Config) { c.Services = []string{""} },
		"services": func(c *Config) { c.Services = make([]string, 1001) },
		"protocol": func(c *Config) { c.Protocol = 3 },
	} {
		config := good
		spoil(&config)
		if _, err := New(config); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestPace has the longest wait taken each time.
func TestPace(t *testing.T) {
	t.Parallel()
	p := newPace(Timers{}.withDefaults())
	p.random = func(most time.Duration) time.Duration { return most - 1 }
	now := time.Now()
	for _, want := range []int64{500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000} {
		if got := p.next(ending{}, now).wait; got.Milliseconds() != want {
			t.Errorf("waits %v, want %d ms", got, want)
		}
	}
	if got := p.next(ending{lasted: time.Minute}, now).wait; got != 500*time.Millisecond {
		t.Errorf("waits %v after a stream that has lasted", got)
	}
	if got := p.next(ending{cause: mute}, now); got != (next{polls: true}) {
		t.Errorf("%+v", got)
	}
	if got := p.next(ending{err: context.Canceled, lasted: 59 * time.Second}, now).wait; got != time.Second {
		t.Errorf("waits %v after a stream that has not lasted", got)
	}
}

// TestLongestWait has servers that can not be reached, for long.
func TestLongestWait(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		config Config
		want   time.Duration
	}{
		{Config{}, 30 * time.Second},
		{Config{LongestWait: 5 * time.Second}, 5 * time.Second},
		{Config{LongestWait: 100 * time.Millisecond}, 100 * time.Millisecond},
		{Config{LongestWait: 5 * time.Second, Timers: Timers{LongestWait: time.Second}}, time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newScript(t)
			start(t, s, func(c *Config) { c.LongestWait, c.Timers = test.config.LongestWait, test.config.Timers })
			w, _ := s.expect()
			var longest time.Duration
			for range 60 {
				w.fail(errCut)
				var waited time.Duration
				w, waited = s.expect()
				longest = max(longest, waited)
			}
			if longest > test.want || longest < test.want/2 {
				t.Errorf("the longest wait was %v, want up to %v", longest, test.want)
			}
		})
	}
	if _, err := New(Config{URL: "https://x", Instance: "i", Sink: newScript(t), LongestWait: -1}); err == nil {
		t.Error("a wait may be negative")
	}
}
