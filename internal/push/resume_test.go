package push

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/sdk/go/view"
)

// sealed returns a token of this cluster.
func (b *bench) sealed(sealer *Sealer, at view.Position, scope Scope, v *view.View) []byte {
	return sealer.seal(place{codec: thisCodec(), position: at, environment: environmentTag(production), scope: scope.tag(), hash: v.Hash()})
}

// first opens a stream, and returns what was said first.
func (b *bench) first(key string, token []byte, r *reader) *servingv1.Hello {
	b.Helper()
	run := b.follow(key, watchRequest(token), r)
	b.head(r)
	run.stop()
	return r.hello
}

func TestResume(t *testing.T) {
	t.Parallel()
	setup(t, nil, func(b *bench) {
		const revisions = ringRevisions + 10
		b.publish()
		whole := newScope(nil, true)
		b.follow(b.plane, watchRequest(nil), b.reader()) // the ring remembers from here on
		held := map[int64]*view.View{}
		for range revisions {
			b.publish()
			held[b.last.Revision] = b.oracle.ask(b.last, whole)
		}
		head := b.last.Revision
		floor := head - ringRevisions + 1
		sealer := NewSealer(clusterKey)
		token := func(revision int64) []byte {
			return b.sealed(sealer, view.Position{Epoch: 1, Revision: revision}, whole, held[revision])
		}
		for _, c := range []struct {
			name  string
			token []byte
			at    int64 // what the follower has
			want  servingv1.Hello_Intent
		}{
			{"nothing", nil, 0, servingv1.Hello_INTENT_FULL},
			{"malformed", []byte("not ours"), 0, servingv1.Hello_INTENT_FULL},
			{"cut", token(head)[:40], head, servingv1.Hello_INTENT_FULL},
			{"at head", token(head), head, servingv1.Hello_INTENT_NONE},
			{"one behind", token(head - 1), head - 1, servingv1.Hello_INTENT_DELTA},
			{"above the floor", token(floor + 1), floor + 1, servingv1.Hello_INTENT_DELTA},
			{"at the floor", token(floor), floor, servingv1.Hello_INTENT_DELTA},
			{"below the floor", token(floor - 1), floor - 1, servingv1.Hello_INTENT_FULL},
			{"of a relay", b.sealed(NewSealer(nil), view.Position{Epoch: 1, Revision: head - 5}, whole, held[head-5]), head - 5, servingv1.Hello_INTENT_DELTA},
			{"of a relay, with another hash", b.sealed(NewSealer(nil), view.Position{Epoch: 1, Revision: head - 5}, whole, held[head-6]), head - 5, servingv1.Hello_INTENT_FULL},
			{"of a relay, with another hash at head", b.sealed(NewSealer(nil), b.last, whole, view.Empty()), head, servingv1.Hello_INTENT_FULL},
			{"another scope", b.sealed(sealer, b.last, newScope(nil, false), held[head]), head, servingv1.Hello_INTENT_FULL},
			{"an earlier history", b.sealed(sealer, view.Position{Revision: 1 << 40}, whole, held[head]), 0, servingv1.Hello_INTENT_FULL},
			{"another environment", sealer.seal(place{position: view.Position{Epoch: 99}, environment: environmentTag("test"), scope: whole.tag()}), 0, servingv1.Hello_INTENT_FULL},
		} {
			r := b.reader()
			if v := held[c.at]; v != nil {
				r.held = v
			}
			hello := b.first(b.plane, c.token, r)
			if hello.GetIntent() != c.want || hello.GetReason() == "" {
				b.Errorf("%s: %v %q, want %v", c.name, hello.GetIntent(), hello.GetReason(), c.want)
			}
		}
	})
}

func TestBehind(t *testing.T) {
	t.Parallel()
	setup(t, nil, func(b *bench) {
		wait := func(token []byte, r *reader) *running {
			run := b.follow(b.plane, watchRequest(token), r)
			pass(b.server.options.Wait - time.Second)
			select {
			case <-run.done:
				b.Fatalf("it did not wait: %v", run.err)
			default:
			}
			return run
		}
		refused := func(run *running) {
			b.Helper()
			pass(time.Second)
			<-run.done
			if got := reasonOf(run.err); got != servingv1.ErrorReason_ERROR_REASON_BEHIND {
				b.Errorf("refused by %v", run.err)
			}
		}
		refused(wait(nil, b.reader()))
		r := b.reader()
		wait(nil, r)
		b.publish()
		b.head(r)

		ahead := view.Position{Epoch: 1, Revision: 2}
		for _, sealer := range []*Sealer{NewSealer(clusterKey), NewSealer(nil)} {
			refused(wait(b.sealed(sealer, ahead, newScope(nil, true), view.Empty()), b.reader()))
		}
		late := b.reader()
		wait(b.sealed(NewSealer(nil), ahead, newScope(nil, true), view.Empty()), late)
		b.publish()
		b.head(late)

		run := wait(b.sealed(NewSealer(nil), view.Position{Epoch: 2}, newScope(nil, true), view.Empty()), b.reader())
		if err := b.server.Drain(b.Context()); err != nil {
			b.Fatal(err)
		}
		<-run.done
		if got := reasonOf(run.err); got != servingv1.ErrorReason_ERROR_REASON_BEHIND {
			b.Errorf("while draining: %v", run.err)
		}
	})
}

func TestLostHistory(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		ahead  int64 // by how many revisions the follower is
		sealer *Sealer
		answer func(*bench) error
		calls  int
		served bool
	}{
		{"ahead", 5, NewSealer(clusterKey), nil, 1, true},
		{"another content", 0, NewSealer(clusterKey), nil, 1, true},
		{"ahead, not proven", 5, NewSealer(nil), nil, 0, false},
		{"another content, not proven", 0, NewSealer(nil), nil, 0, true},
		{"it is not so", 5, NewSealer(clusterKey), func(*bench) error { return nil }, 1, false},
		{"it can not be looked into", 5, NewSealer(clusterKey), func(*bench) error { return errors.New("no database") }, 3, false},
		{"it was late alone", 1, NewSealer(clusterKey), func(b *bench) error { b.show(b.next); return nil }, 1, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var b *bench
			calls := 0
			setup(t, func(config *Config) {
				config.LostHistory = func(_ context.Context, environment string, at view.Position, differs bool) error {
					calls++
					if environment != production || at.Epoch != 1 || differs != (c.ahead == 0) {
						t.Errorf("asked for %s at %v, differs %t", environment, at, differs)
					}
					if c.answer != nil {
						return c.answer(b)
					}
					b.last = view.Position{Epoch: 2}
					b.publish()
					return nil
				}
			}, func(bench *bench) {
				b = bench
				b.publish()
				b.next = b.world.view(view.Position{Epoch: 1, Revision: 2})
				held := view.Empty()
				if c.ahead == 1 {
					held = naive(b.next, newScope(nil, true))
				}
				token := b.sealed(c.sealer, view.Position{Epoch: 1, Revision: 1 + c.ahead}, newScope(nil, true), held)
				var runs []*running
				var readers []*reader
				for range 3 {
					r := b.reader()
					r.held = held
					readers, runs = append(readers, r), append(runs, b.follow(b.plane, watchRequest(token), r))
				}
				pass(11 * time.Second)
				for i, run := range runs {
					select {
					case <-run.done:
						if c.served || reasonOf(run.err) != servingv1.ErrorReason_ERROR_REASON_BEHIND {
							t.Errorf("it ended by %v", run.err)
						}
					default:
						if !c.served {
							t.Error("it goes on")
						}
						b.head(readers[i])
					}
				}
				switch {
				case c.served && calls != c.calls:
					t.Errorf("looked into %d times, want %d", calls, c.calls)
				case !c.served && (calls == 0) != (c.calls == 0):
					t.Errorf("looked into %d times", calls)
				}
			})
		})
	}
}

// TestWaitIsShorterThanPatience compares with the default of Hello in
// follow.Timers, after which a follower gives a mute stream up.
func TestWaitIsShorterThanPatience(t *testing.T) {
	t.Parallel()
	const hello = 5 * time.Second
	if o := DefaultOptions(); 2*o.Wait >= hello { // before and after a dispute
		t.Errorf("it waits for %v, and followers for %v", o.Wait, hello)
	}
}

// TestDisputeGoesOn says that lost history is looked into though the caller who
// proved it has given up.
func TestDisputeGoesOn(t *testing.T) {
	t.Parallel()
	begun, found := false, false
	setup(t, func(c *Config) {
		c.LostHistory = func(ctx context.Context, _ string, _ view.Position, _ bool) error {
			begun = true
			at, bounded := ctx.Deadline()
			select {
			case <-ctx.Done():
			case <-time.After(4 * time.Second):
				found = bounded && time.Until(at) == disputeTimeout-4*time.Second
			}
			return ctx.Err()
		}
	}, func(b *bench) {
		b.publish()
		token := b.sealed(NewSealer(clusterKey), view.Position{Epoch: 1, Revision: 9}, newScope(nil, true), view.Empty())
		run := b.follow(b.plane, watchRequest(token), b.reader())
		pass(b.server.options.Wait + time.Second)
		run.stop()
		if !begun || !found {
			b.Error("it was aborted, or is not bounded")
		}
	})
}

func TestFetch(t *testing.T) {
	t.Parallel()
	setup(t, nil, func(b *bench) {
		b.publish()
		ctx := b.keys.context(b.Context(), b.plane)
		r := b.reader()
		fetch := func() *servingv1.FetchResponse {
			answer, err := b.server.Fetch(ctx, &servingv1.FetchRequest{Watch: watchRequest(r.token)})
			if err != nil {
				b.Fatal(err)
			}
			for _, frame := range answer.GetFrames() {
				if err := r.Send(frame); err != nil {
					b.Fatal(err)
				}
			}
			return answer
		}
		fetch()
		b.head(r)
		b.publish()
		b.publish()
		fetch()
		b.head(r)
		if r.hello.GetIntent() != servingv1.Hello_INTENT_DELTA || r.hello.GetStreamId() != "" {
			b.Errorf("hello %v", r.hello)
		}
		r.frames = nil
		fetch()
		if got := r.log(); got != "hello keys heartbeat" {
			b.Errorf("got %s", got)
		}
		if _, err := b.server.Fetch(ctx, &servingv1.FetchRequest{}); err == nil {
			b.Error("an empty request was taken")
		}
		if _, err := b.server.Fetch(b.Context(), &servingv1.FetchRequest{Watch: watchRequest(nil)}); reasonOf(err) != servingv1.ErrorReason_ERROR_REASON_UNAUTHENTICATED {
			b.Errorf("a stranger: %v", err)
		}
	})
}

func TestScopesAreDropped(t *testing.T) {
	t.Parallel()
	setup(t, nil, func(b *bench) {
		b.publish()
		r := b.reader()
		b.follow(b.plane, watchRequest(nil), r).stop()
		pass(4 * time.Minute)
		b.publish()
		run := b.follow(b.plane, watchRequest(r.token), r)
		b.head(r)
		if got := r.hello.GetIntent(); got != servingv1.Hello_INTENT_DELTA {
			b.Errorf("after four minutes: %v", got)
		}
		pass(6 * time.Minute)
		b.publish()
		if got := b.hub.Scopes(); got != 1 {
			b.Errorf("%d scopes while one is followed", got)
		}
		run.stop()
		pass(6 * time.Minute)
		b.publish()
		if got := b.hub.Scopes(); got != 0 {
			b.Errorf("%d scopes after nobody followed", got)
		}
		sdk := b.keys.add(servingv1.Role_ROLE_SDK)
		for i := range maxScopes + 10 { // each once: the oldest makes room
			feed, err := b.hub.acquire(newScope([]string{serviceName(i)}, false), holder{})
			if err != nil {
				b.Fatal(err)
			}
			b.hub.release(feed, holder{})
		}
		if got := b.hub.Scopes(); got > maxScopes {
			b.Errorf("%d scopes", got)
		}
		for i := range maxScopes {
			if _, err := b.hub.acquire(newScope([]string{serviceName(i)}, false), holder{}); err != nil {
				b.Fatal(err)
			}
		}
		run = b.follow(sdk, watchRequest(nil), b.reader())
		synctest.Wait()
		<-run.done
		if got := reasonOf(run.err); got != servingv1.ErrorReason_ERROR_REASON_OVERLOADED {
			b.Errorf("with too many scopes: %v", run.err)
		}
	})
}
