package push

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/sdk/go/view"
)

// bench is a hub with a server, a world that it shows, and fake time.
type bench struct {
	*testing.T

	world  *world
	oracle *oracle
	keys   *keys
	plane  string // an access key
	hub    *Hub
	server *Server
	last   view.Position
	next   *view.View // what a test may show later
	runs   []*running
}

// setup runs a test in a bubble.
func setup(t *testing.T, change func(*Config), test func(*bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bench{
			T: t, world: newWorld(rand.New(rand.NewPCG(1, 9)), false), oracle: newOracle(), keys: newKeys(t),
			hub: NewHub(production, NewSealer(clusterKey)), last: view.Position{Epoch: 1},
		}
		b.plane = b.keys.add(servingv1.Role_ROLE_PLANE)
		b.server = newServer(b.hub, b.keys, change)
		defer func() {
			for _, run := range b.runs {
				run.stop()
			}
		}()
		test(b)
	})
}

// publish shows another configuration.
func (b *bench) publish() {
	b.world.change()
	b.show(b.world.view(view.Position{Epoch: b.last.Epoch, Revision: b.last.Revision + 1}))
}

func (b *bench) show(v *view.View) {
	b.last = v.Position()
	b.oracle.tell(v)
	b.hub.Publish(v)
}

// follow runs a stream for the owner of a key.
func (b *bench) follow(key string, r *servingv1.WatchRequest, out sink) *running {
	run := follow(b.keys.context(b.Context(), key), b.server, r, out, "stream")
	b.runs = append(b.runs, run)
	synctest.Wait()
	return run
}

func (b *bench) reader() *reader { return newReader(b.oracle, newScope(nil, true)) }

// pass lets fake time pass.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func (b *bench) head(r *reader) {
	b.Helper()
	synctest.Wait()
	if err := peek(r, func() error { return r.err }); err != nil {
		b.Fatal(err)
	}
	if got := r.at(); got != b.last {
		b.Fatalf("it is at %v, and should be at %v", got, b.last)
	}
}

func (b *bench) goodbye(run *running, r *reader, want servingv1.Goodbye_Reason) {
	b.Helper()
	synctest.Wait()
	select {
	case <-run.done:
	default:
		b.Fatalf("the stream goes on, and should end by %v", want)
	}
	if run.err != nil || r.goodbye.GetReason() != want {
		b.Fatalf("it ended by %v, error %v; want %v", r.goodbye, run.err, want)
	}
	if w := windows[want]; r.goodbye.GetRetryMaxMillis() == 0 || int64(r.goodbye.GetRetryMaxMillis()) != w.max.Milliseconds() {
		b.Errorf("it is to come back %v", r.goodbye)
	}
}

func TestFramesInOrder(t *testing.T) {
	t.Parallel()
	setup(t, nil, func(b *bench) {
		b.publish()
		r := b.reader()
		run := b.follow(b.plane, watchRequest(nil), r)
		b.head(r)
		pass(15 * time.Second)
		b.publish()
		b.head(r)
		b.keys.add(servingv1.Role_ROLE_SDK)
		pass(14 * time.Second)
		if got, want := r.log(), "hello keys update heartbeat heartbeat update keys"; got != want {
			b.Errorf("got %s, want %s", got, want)
		}
		pass(time.Second)
		if got := r.log(); !strings.HasSuffix(got, " heartbeat") {
			b.Errorf("after a heartbeat's time: %s", got)
		}
		run.stop()
		if r.hello.GetIntent() != servingv1.Hello_INTENT_FULL || r.hello.GetReason() == "" || r.hello.GetHeartbeatMillis() != 15_000 ||
			r.hello.GetStreamId() != "stream" || r.hello.GetEnvironment() != production || r.hello.GetReportMillis() == 0 {
			b.Errorf("hello %v", r.hello)
		}
		if got := len(r.keys.GetKeys()); got != 2 {
			b.Errorf("%d keys, want 2", got)
		}
	})
}

func TestHeartbeatSaysHowStale(t *testing.T) {
	t.Parallel()
	setup(t, nil, func(b *bench) {
		b.publish()
		b.hub.Confirm(0)
		beats := &beats{}
		run := b.follow(b.plane, watchRequest(nil), beats)
		pass(15 * time.Second)
		b.hub.Confirm(2 * time.Second)
		b.hub.Confirm(9 * time.Second) // older news
		pass(15 * time.Second)
		run.stop()
		if want := []int64{0, 15_000, 17_000}; !slices.Equal(beats.stale, want) {
			b.Errorf("stale for %v, want %v", beats.stale, want)
		}
	})
}

type beats struct{ stale []int64 }

func (x *beats) Send(frame *servingv1.WatchResponse) error {
	if beat := frame.GetHeartbeat(); beat != nil {
		x.stale = append(x.stale, beat.GetStaleMillis())
	}
	return nil
}

func TestLease(t *testing.T) {
	t.Parallel()
	setup(t, nil, func(b *bench) {
		b.publish()
		r := b.reader()
		run := b.follow(b.plane, watchRequest(nil), r)
		pass(5 * time.Minute) // no lease before a status has come
		report := func(key, id string) {
			_, err := b.server.ReportStatus(b.keys.context(b.Context(), key), &servingv1.ReportStatusRequest{
				Environment: production, StreamId: id, Status: &servingv1.Status{Instance: "test", State: servingv1.PlaneState_PLANE_STATE_SYNCED},
			})
			if err != nil {
				b.Fatal(err)
			}
		}
		for range 5 {
			report(b.plane, "stream")
			pass(44 * time.Second)
		}
		report(b.plane, "another")
		report(b.keys.add(servingv1.Role_ROLE_SDK), "stream") // which is not of that key
		if r.left() {
			b.Fatal("it ended before its time")
		}
		pass(time.Second)
		b.goodbye(run, r, servingv1.Goodbye_REASON_LEASE)
		report(b.plane, "stream") // which has ended
	})
}

// TestKeysOfOneEnvironment says that a plane is told nothing of others, and that
// a frame is made once.
func TestKeysOfOneEnvironment(t *testing.T) {
	t.Parallel()
	setup(t, nil, func(b *bench) {
		for _, environments := range [][]string{nil, {"secret", production}, {"secret"}} {
			b.keys.add(servingv1.Role_ROLE_SDK)
			b.keys.list[len(b.keys.list)-1].Environments = environments
		}
		b.keys.set()
		b.publish()
		r, other := b.reader(), b.reader()
		b.follow(b.plane, watchRequest(nil), r)
		b.follow(b.plane, watchRequest(nil), other)
		b.head(r)
		for _, key := range r.keys.GetKeys() {
			if !slices.Equal(key.GetEnvironments(), []string{production}) {
				b.Errorf("a plane was told of %v", key.GetEnvironments())
			}
		}
		if got := len(r.keys.GetKeys()); got != 3 || r.keys != other.keys {
			b.Errorf("%d keys, one frame: %t", got, r.keys == other.keys)
		}
		if _, keys := b.keys.ring.Keys(); !slices.ContainsFunc(keys, func(key *servingv1.PublicKey) bool { return len(key.GetEnvironments()) == 2 }) {
			b.Error("the keyring was changed")
		}
		b.keys.add(servingv1.Role_ROLE_SDK)
		synctest.Wait()
		if got := len(r.keys.GetKeys()); got != 4 {
			b.Errorf("%d keys after another one", got)
		}
	})
}

func TestMaxAge(t *testing.T) {
	t.Parallel()
	setup(t, nil, func(b *bench) {
		b.publish()
		ages := map[time.Duration]bool{}
		for range 10 {
			r, born := b.reader(), time.Now()
			run := b.follow(b.plane, watchRequest(nil), r)
			<-run.done
			b.goodbye(run, r, servingv1.Goodbye_REASON_MAX_AGE)
			age := time.Since(born)
			ages[age] = true
			if age < 24*time.Minute || age > 36*time.Minute {
				b.Errorf("it became %v old", age)
			}
		}
		if len(ages) < 5 {
			b.Errorf("all became as old: %v", ages)
		}
	})
}

func TestKeys(t *testing.T) {
	t.Parallel()
	setup(t, nil, func(b *bench) {
		b.publish()
		narrow, wide, gone, brief := b.keys.add(servingv1.Role_ROLE_SDK, "service-0", "service-1"),
			b.keys.add(servingv1.Role_ROLE_SDK), b.keys.add(servingv1.Role_ROLE_SDK), b.keys.add(servingv1.Role_ROLE_SDK)
		viewer := b.keys.add(servingv1.Role_ROLE_VIEWER)
		readers, runs := map[string]*reader{}, map[string]*running{}
		for key, r := range map[string]*reader{
			narrow: newReader(b.oracle, newScope([]string{"service-1"}, false)),
			wide:   newReader(b.oracle, newScope(nil, false)),
			gone:   newReader(b.oracle, newScope(nil, false)),
			brief:  newReader(b.oracle, newScope(nil, false)),
		} {
			request := watchRequest(nil)
			if key == narrow {
				request.Services = []string{"service-1"}
			}
			readers[key], runs[key] = r, b.follow(key, request, r)
			b.head(r)
		}
		if got := readers[wide].log(); got != "hello update heartbeat" {
			b.Errorf("an SDK was sent %s", got)
		}
		b.keys.revoke(gone)
		b.goodbye(runs[gone], readers[gone], servingv1.Goodbye_REASON_REVOKED)

		b.keys.alter(narrow, []string{"service-1", "service-2"}, time.Time{}) // what was asked for is the same
		synctest.Wait()
		if readers[narrow].left() {
			b.Error("it ended though it gets the same")
		}
		b.keys.alter(narrow, []string{"service-2"}, time.Time{})
		b.goodbye(runs[narrow], readers[narrow], servingv1.Goodbye_REASON_SCOPE)
		b.keys.alter(wide, []string{"service-2"}, time.Time{})
		b.goodbye(runs[wide], readers[wide], servingv1.Goodbye_REASON_SCOPE)

		b.keys.alter(brief, nil, time.Now().Add(20*time.Second))
		pass(19 * time.Second)
		b.head(readers[brief])
		if readers[brief].left() {
			b.Error("it ended before the key did")
		}
		pass(time.Second)
		b.goodbye(runs[brief], readers[brief], servingv1.Goodbye_REASON_REVOKED)

		for _, c := range []struct {
			key      string
			services []string
		}{{viewer, nil}, {narrow, []string{"service-1"}}} {
			run := b.follow(c.key, watchRequest(nil, c.services...), b.reader())
			<-run.done
			if got := reasonOf(run.err); got != servingv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED {
				b.Errorf("refused by %v", run.err)
			}
		}
		request := watchRequest(nil)
		request.Environment = "elsewhere"
		run := b.follow(b.plane, request, b.reader())
		<-run.done
		if got := reasonOf(run.err); got != servingv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED {
			b.Errorf("another environment: %v", run.err)
		}
	})
}

func TestEndOfEnvironment(t *testing.T) {
	t.Parallel()
	setup(t, nil, func(b *bench) {
		b.publish()
		r := b.reader()
		run := b.follow(b.plane, watchRequest(nil), r)
		b.hub.Close()
		b.goodbye(run, r, servingv1.Goodbye_REASON_ENVIRONMENT)
		run = b.follow(b.plane, watchRequest(nil), b.reader())
		<-run.done
		if got := reasonOf(run.err); got != servingv1.ErrorReason_ERROR_REASON_NOT_SERVED {
			b.Errorf("after the end: %v", run.err)
		}
		if b.hub.Publish(b.world.view(view.Position{Epoch: 9})) {
			b.Error("a closed hub took something")
		}
	})
}

func TestDrain(t *testing.T) {
	t.Parallel()
	setup(t, nil, func(b *bench) {
		b.publish()
		var readers []*reader
		var runs []*running
		for range 20 {
			r := b.reader()
			readers, runs = append(readers, r), append(runs, b.follow(b.plane, watchRequest(nil), r))
		}
		if err := b.server.Drain(b.Context()); err != nil {
			b.Fatal(err)
		}
		for i := range readers {
			b.goodbye(runs[i], readers[i], servingv1.Goodbye_REASON_DRAIN)
		}
		run := b.follow(b.plane, watchRequest(nil), b.reader())
		<-run.done
		if got := reasonOf(run.err); got != servingv1.ErrorReason_ERROR_REASON_BEHIND {
			b.Errorf("while draining: %v", run.err)
		}
	})
}

// gate is a sink that waits to be let through, frame by frame.
type gate struct {
	sink

	pass chan struct{}
	stop <-chan struct{}
}

func (g *gate) Send(frame *servingv1.WatchResponse) error {
	select {
	case <-g.pass:
		return g.sink.Send(frame)
	case <-g.stop:
		return context.Canceled
	}
}

// TestSlowReader gets what is new when it reads, and not all that was new
// meanwhile.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	setup(t, nil, func(b *bench) {
		b.publish()
		r := b.reader()
		g := &gate{sink: r, pass: make(chan struct{}), stop: b.Context().Done()}
		run := b.follow(b.plane, watchRequest(nil), g)
		for range 4 {
			g.pass <- struct{}{}
			synctest.Wait()
		}
		b.head(r)
		for range 500 {
			b.publish()
		}
		close(g.pass)
		b.head(r)
		run.stop()
		if r.updates > 3 {
			b.Errorf("it took %d updates for what one or two say", r.updates)
		}
		if got := r.beats; got != 1 {
			b.Errorf("%d heartbeats", got)
		}
	})
}

// sneaky is a source that shows something new between two looks at it.
type sneaky struct {
	source

	between func()
	looked  int
}

func (s *sneaky) changes() <-chan struct{} {
	defer s.step()
	return s.source.changes()
}

func (s *sneaky) now() *moment {
	defer s.step()
	return s.source.now()
}

// step does it after the first of the two looks of the second turn: the first
// turn's are two.
func (s *sneaky) step() {
	s.looked++
	if s.looked == 3 {
		s.between()
	}
}

// TestPublishWhileSubscribing fails under mutate_subscribe_late.
func TestPublishWhileSubscribing(t *testing.T) {
	t.Parallel()
	setup(t, nil, func(b *bench) {
		b.publish()
		feed, err := b.hub.acquire(newScope(nil, true), holder{})
		if err != nil {
			b.Fatal(err)
		}
		p, err := b.keys.ring.Principal(b.plane, time.Now())
		if err != nil {
			b.Fatal(err)
		}
		r := b.reader()
		ctx, cancel := context.WithCancel(b.Context())
		st := &stream{
			follower: &follower{id: "stream", principal: p, environment: production}, server: b.server,
			source: &sneaky{source: feed, between: b.publish}, sink: r, scope: feed.scope,
		}
		done := make(chan error)
		go func() { done <- st.run(ctx, origin{}) }()
		defer func() {
			cancel()
			if err := <-done; !errors.Is(err, context.Canceled) {
				b.Error(err)
			}
		}()
		synctest.Wait()
		b.keys.add(servingv1.Role_ROLE_SDK) // another turn, in which something is published
		b.head(r)
	})
}

// hasty is a sink that publishes while it is sent an update.
type hasty struct {
	sink

	publish func()
	left    int
}

func (h *hasty) Send(frame *servingv1.WatchResponse) error {
	if frame.GetUpdate().GetLast() && h.left > 0 {
		h.left--
		h.publish()
	}
	return h.sink.Send(frame)
}

// TestPublishWhileSending fails under mutate_swallow_wake and under
// mutate_double_read.
func TestPublishWhileSending(t *testing.T) {
	t.Parallel()
	setup(t, nil, func(b *bench) {
		b.publish()
		r := b.reader()
		run := b.follow(b.plane, watchRequest(nil), &hasty{sink: r, publish: b.publish, left: 3})
		b.head(r)
		run.stop()
		if r.beats != 1 || r.updates != 4 {
			b.Errorf("%d updates, %d heartbeats", r.updates, r.beats)
		}
	})
}

// jumpy is a sink that takes a random while.
type jumpy struct {
	sink

	random *rand.Rand
}

func (j *jumpy) Send(frame *servingv1.WatchResponse) error {
	if j.random.IntN(2) == 0 {
		<-time.After(time.Duration(j.random.IntN(int(3 * time.Second))))
	}
	return j.sink.Send(frame)
}

// TestRandomInterleavings publishes at random times to readers of random speeds.
func TestRandomInterleavings(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Parallel()
			setup(t, nil, func(b *bench) {
				random := rand.New(rand.NewPCG(seed, 5))
				b.world = newWorld(random, true)
				var readers []*reader
				for i := range 8 {
					scope := b.world.scope()
					role := servingv1.Role_ROLE_SDK
					if scope.unknown {
						role = servingv1.Role_ROLE_PLANE
					}
					r := newReader(b.oracle, scope)
					b.follow(b.keys.add(role, scope.services...), watchRequest(nil),
						&jumpy{sink: r, random: rand.New(rand.NewPCG(seed, uint64(100+i)))})
					readers = append(readers, r)
				}
				for range 60 {
					b.publish()
					if random.IntN(20) == 0 {
						b.last = view.Position{Epoch: b.last.Epoch + 1}
					}
					if random.IntN(3) > 0 {
						pass(time.Duration(random.IntN(int(2 * time.Second))))
					}
				}
				b.publish()
				pass(13 * time.Second)
				for _, r := range readers {
					b.head(r)
				}
			})
		})
	}
}

func TestRevokedWhileReadingSlowly(t *testing.T) {
	t.Parallel()
	setup(t, nil, func(b *bench) {
		b.show(large(3000))
		sdk := b.keys.add(servingv1.Role_ROLE_SDK)
		r := newReader(b.oracle, newScope(nil, false))
		g := &gate{sink: r, pass: make(chan struct{}), stop: b.Context().Done()}
		run := b.follow(sdk, watchRequest(nil), g)
		g.pass <- struct{}{} // hello
		g.pass <- struct{}{} // the first part
		synctest.Wait()      // the second one waits
		b.keys.revoke(sdk)
		close(g.pass)
		b.goodbye(run, r, servingv1.Goodbye_REASON_REVOKED)
		if got := r.log(); got != "hello update update goodbye" {
			b.Errorf("got %s", got)
		}
	})
}

func TestAdmission(t *testing.T) {
	t.Parallel()
	setup(t, func(c *Config) {
		c.Options.StreamsPerSecond, c.Options.StreamsBurst, c.Options.MaxStreams = 2, 5, 8
	}, func(b *bench) {
		b.publish()
		var runs []*running
		refused := func() int {
			n := 0
			for _, run := range runs {
				select {
				case <-run.done:
					if reasonOf(run.err) != servingv1.ErrorReason_ERROR_REASON_OVERLOADED {
						b.Errorf("refused by %v", run.err)
					}
					n++
				default:
				}
			}
			return n
		}
		open := func(n int) {
			for range n {
				runs = append(runs, b.follow(b.plane, watchRequest(nil), b.reader()))
			}
		}
		open(7)
		if got := refused(); got != 2 {
			b.Errorf("%d of a burst refused, want 2", got)
		}
		pass(time.Second)
		open(3)
		if got := refused(); got != 3 {
			b.Errorf("%d refused, want 3", got)
		}
		pass(time.Minute)
		open(3) // eight is the most
		if got := refused(); got != 5 {
			b.Errorf("%d refused, want 5", got)
		}
		for _, run := range runs {
			run.stop()
		}
		runs = nil
		open(1)
		if got := refused(); got != 0 {
			b.Error("refused though there is room")
		}
	})
}

func TestAdmissionOfThoseWhoBeginAnew(t *testing.T) {
	t.Parallel()
	setup(t, func(c *Config) {
		c.Options.FullBytesPerSecond, c.Options.FullBytesBurst = 10, 100
	}, func(b *bench) {
		b.publish()
		r := b.reader()
		run := b.follow(b.plane, watchRequest(nil), r) // which costs more than there is
		b.head(r)
		run.stop()
		late := b.follow(b.plane, watchRequest(nil), b.reader())
		<-late.done
		if got := reasonOf(late.err); got != servingv1.ErrorReason_ERROR_REASON_OVERLOADED {
			b.Errorf("refused by %v", late.err)
		}
		b.publish()
		run = b.follow(b.plane, watchRequest(r.token), r) // who has something is no burden
		b.head(r)
		run.stop()
		pass(10 * time.Minute)
		r = b.reader()
		run = b.follow(b.plane, watchRequest(nil), r)
		b.head(r)
		run.stop()
	})
}
