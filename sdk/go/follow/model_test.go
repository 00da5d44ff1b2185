package follow

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/sdk/go/view"
)

// model is a server that says what it should, over a network that does not, and a
// sink that checks what comes of it.
type model struct {
	mu      sync.Mutex
	changed chan struct{}
	history []*view.View // all that was ever published, in order
	behind  int          // how many of the newest ones this server does not have yet
	trouble error        // what calls are answered with
	buffers bool         // streams do not get through
	streams []*modelStream
	faults  []fault // of the next frames

	seen   view.Position
	active *view.View
	wrong  []string
}

// fault is what becomes of a frame. n says of which kind it is, where there are
// some.
type fault struct {
	kind faultKind
	n    int
}

type faultKind int

const (
	corrupt faultKind = iota + 1
	duplicate
	swap
	drop
	delay
)

const badName = "bad"

func newModel() *model {
	m := &model{changed: make(chan struct{})}
	m.publish(7, 1, false)
	return m
}

func (m *model) signal() {
	close(m.changed)
	m.changed = make(chan struct{})
}

// publish adds a configuration that shares much with the one before.
func (m *model) publish(epoch int64, n int, bad bool) {
	before, revision := view.Empty(), int64(n%5+1) // another history may begin anywhere
	if len(m.history) > 0 {
		before = m.history[len(m.history)-1]
		if before.Position().Epoch == epoch {
			revision = before.Position().Revision + 1
		}
	}
	puts := []*view.Entity{
		entity(strconv.Itoa(n%7), fmt.Sprint(epoch, revision)),
		entity(fmt.Sprint("x", n%3), strconv.Itoa(n)),
	}
	deletes := []view.Key{{Kind: 200, Name: strconv.Itoa((n + 3) % 7)}, {Kind: 200, Name: badName}}
	if bad {
		puts = append(puts, entity(badName, ""))
	}
	m.history = append(m.history, before.With(view.Position{Epoch: epoch, Revision: revision}, puts, deletes))
	m.signal()
}

func entity(name, payload string) *view.Entity {
	return view.NewEntity(view.Key{Kind: 200, Name: name}, []byte(payload))
}

func runs(v *view.View) bool { return v.Get(view.Key{Kind: 200, Name: badName}) == nil }

// head is what this server has.
func (m *model) head() *view.View { return m.history[max(0, len(m.history)-1-m.behind)] }

// first returns what leads from a token to the head.
func (m *model) first(resume string) (sent *view.View, err error) {
	for _, v := range m.history {
		if token(v.Position()) != resume {
			continue
		}
		if v.Position().Compare(m.head().Position()) > 0 {
			return nil, failure(connect.CodeUnavailable, servingv1.ErrorReason_ERROR_REASON_BEHIND, nil)
		}
		return v, nil
	}
	return nil, nil
}

func toHead(sent, head *view.View) []*servingv1.WatchResponse {
	switch {
	case sent == head:
		return nil
	case sent != nil && sent.Position().Epoch == head.Position().Epoch && sent.Position().Compare(head.Position()) < 0:
		return update(sent, head)
	default:
		return update(nil, head)
	}
}

// modelStream is a Watch, for one goroutine.
type modelStream struct {
	m     *model
	ctx   context.Context //nolint:containedctx // it is the call's
	sent  *view.View
	queue []*servingv1.WatchResponse
	cut   chan struct{} // closed when the connection is lost
	hole  bool          // nothing comes any more, and nobody is told
}

func (m *model) Watch(ctx context.Context, r *servingv1.WatchRequest) (stream, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.trouble != nil {
		return nil, m.trouble
	}
	sent, err := m.first(string(r.GetResumeToken()))
	if err != nil {
		return nil, err
	}
	s := &modelStream{m: m, ctx: ctx, sent: sent, queue: []*servingv1.WatchResponse{hello()}, cut: make(chan struct{})}
	m.streams = append(m.streams, s)
	return s, nil
}

func (s *modelStream) Receive() (*servingv1.WatchResponse, error) {
	for {
		s.m.mu.Lock()
		changed := s.m.changed
		frame, wait := s.next()
		s.m.mu.Unlock()
		if frame != nil {
			select {
			case <-time.After(wait):
				return frame, nil
			case <-s.cut:
				return nil, errCut
			case <-s.ctx.Done():
				return nil, s.ctx.Err()
			}
		}
		select {
		case <-changed:
		case <-time.After(heartbeat):
			s.m.mu.Lock()
			if head := s.m.head(); head == s.sent && len(s.queue) == 0 && !s.hole && !s.m.buffers {
				s.queue = append(s.queue, beat(head))
			}
			s.m.mu.Unlock()
		case <-s.cut:
			return nil, errCut
		case <-s.ctx.Done():
			return nil, s.ctx.Err()
		}
	}
}

// next returns the next frame, nil if there is none yet, after a delay. The lock
// is held.
func (s *modelStream) next() (*servingv1.WatchResponse, time.Duration) {
	if s.hole || s.m.buffers {
		return nil, 0
	}
	if head := s.m.head(); len(s.queue) == 0 || len(s.queue) == 1 && s.queue[0].GetHello() != nil {
		s.queue = append(s.queue, toHead(s.sent, head)...)
		if s.sent = head; len(s.queue) == 1 {
			s.queue = append(s.queue, beat(head))
		}
	}
	var f fault
	if len(s.m.faults) > 0 {
		f, s.m.faults = s.m.faults[0], s.m.faults[1:]
	}
	if len(s.queue) == 0 {
		return nil, 0
	}
	frame := s.queue[0]
	switch f.kind {
	case duplicate:
		return frame, 0
	case swap:
		if len(s.queue) > 1 {
			s.queue[0], s.queue[1] = s.queue[1], s.queue[0]
		}
		frame = s.queue[0]
	case drop:
		s.queue = s.queue[1:]
		return nil, 0
	case corrupt:
		frame = corrupted(frame, f.n)
	}
	s.queue = s.queue[1:]
	if f.kind == delay {
		return frame, time.Duration(f.n) * time.Second
	}
	return frame, 0
}

func (s *modelStream) Close() error { return nil }

// corrupted returns a frame with something wrong. Positions of whole updates are
// left alone: no hash covers them.
func corrupted(frame *servingv1.WatchResponse, n int) *servingv1.WatchResponse {
	frame = proto.CloneOf(frame)
	if h := frame.GetHeartbeat(); h != nil {
		switch n % 3 {
		case 0:
			h.Revision++
		case 1:
			h.Hash[0] ^= 1
		case 2:
			h.Epoch--
		}
	}
	if u := frame.GetUpdate(); u != nil {
		switch n % 6 {
		case 0:
			u.Changes = u.GetChanges()[:len(u.GetChanges())/2]
		case 1:
			u.Changes[len(u.GetChanges())/2] ^= 1
		case 2:
			u.Part++
		case 3:
			u.Kind = 0
		case 4:
			if u.GetLast() {
				u.Hash[3] ^= 8
			}
		case 5:
			u.EntityCount++
		}
	}
	return frame
}

func (m *model) Fetch(ctx context.Context, r *servingv1.FetchRequest) (*servingv1.FetchResponse, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.trouble != nil {
		return nil, m.trouble
	}
	sent, err := m.first(string(r.GetWatch().GetResumeToken()))
	if err != nil {
		return nil, err
	}
	frames := append([]*servingv1.WatchResponse{hello()}, toHead(sent, m.head())...)
	return &servingv1.FetchResponse{Frames: append(frames, beat(m.head()))}, ctx.Err()
}

func (m *model) ReportStatus(context.Context, *servingv1.ReportStatusRequest) (*servingv1.ReportStatusResponse, error) {
	return nil, errors.New("not in this test")
}

func (m *model) Close() {}

func (m *model) Replicated(v *view.View) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if v.Position().Compare(m.seen) < 0 {
		m.wrong = append(m.wrong, fmt.Sprintf("%v comes after %v", v.Position(), m.seen))
	}
	m.seen = v.Position()
	if !slices.ContainsFunc(m.history, func(p *view.View) bool { return p.Position() == v.Position() && p.Hash() == v.Hash() }) {
		m.wrong = append(m.wrong, fmt.Sprintf("%v with hash %v was never published", v.Position(), v.Hash()))
	}
}

func (m *model) Activate(v *view.View) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if v.Position() != m.seen {
		m.wrong = append(m.wrong, fmt.Sprintf("%v is to be activated, replicated is %v", v.Position(), m.seen))
	}
	if !runs(v) {
		return view.Faults{{Problem: "it is bad"}}
	}
	m.active = v
	return nil
}

func (m *model) Keys(int64, []*servingv1.PublicKey) {}
func (m *model) Confirm(time.Duration)              {}
func (m *model) Followers() []*servingv1.Followers  { return nil }

// cut ends all streams.
func (m *model) cut() {
	for _, s := range m.streams {
		close(s.cut)
	}
	m.streams = nil
}

// op is something that happens.
type op struct {
	what string
	n    int
}

var ops = []string{
	"publish", "publish", "publish", "publish bad", "another epoch",
	"fall behind", "catch up", "cut", "hole", "deny", "overload", "unreachable", "reachable", "buffer", "buffer no more",
	"corrupt", "duplicate", "swap", "drop", "delay",
	"wait", "wait", "wait longer",
}

func (m *model) do(o op) {
	m.mu.Lock()
	head := m.history[len(m.history)-1]
	wait := time.Duration(o.n) * 10 * time.Millisecond
	switch o.what {
	case "publish", "publish bad":
		m.publish(head.Position().Epoch, o.n, o.what == "publish bad")
		if m.behind > 0 {
			m.behind++
		}
	case "another epoch":
		m.publish(head.Position().Epoch+1, o.n, false)
		if m.behind > 0 {
			m.behind++
		}
	case "fall behind": // a server that lags takes over
		m.behind = o.n % 4
		m.cut()
	case "catch up":
		m.behind = 0
	case "cut":
		m.cut()
	case "hole":
		for _, s := range m.streams {
			s.hole = true
		}
	case "deny":
		m.trouble = failure(connect.CodeUnauthenticated, servingv1.ErrorReason_ERROR_REASON_UNAUTHENTICATED, nil)
		m.cut()
	case "overload":
		m.trouble = failure(connect.CodeResourceExhausted, servingv1.ErrorReason_ERROR_REASON_OVERLOADED,
			map[string]string{"retry_min_millis": "100", "retry_max_millis": "5000"})
	case "unreachable":
		m.trouble = errCut
		m.cut()
	case "reachable":
		m.trouble = nil
	case "buffer", "buffer no more":
		m.buffers = o.what == "buffer"
		m.cut()
	case "corrupt":
		m.faults = append(m.faults, fault{corrupt, o.n})
	case "duplicate":
		m.faults = append(m.faults, fault{duplicate, o.n})
	case "swap":
		m.faults = append(m.faults, fault{swap, o.n})
	case "drop":
		m.faults = append(m.faults, fault{drop, o.n})
	case "delay":
		m.faults = append(m.faults, fault{delay, o.n % 60})
	case "wait":
		wait = time.Duration(o.n) * time.Second
	case "wait longer":
		wait = time.Duration(o.n) * 10 * time.Second
	}
	m.signal()
	m.mu.Unlock()
	pass(wait)
}

// heal ends all trouble.
func (m *model) heal() {
	m.mu.Lock()
	m.behind, m.trouble, m.buffers, m.faults = 0, nil, false, nil
	m.signal()
	m.mu.Unlock()
}

// check returns what is wrong once there has been time for all to be right.
func (m *model) check(f *Follower) error {
	synctest.Wait()
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.wrong) > 0 {
		return fmt.Errorf("%v", m.wrong)
	}
	head, status := m.history[len(m.history)-1], f.Status()
	switch {
	case status.Replicated != head.Position() || f.held.current().Hash() != head.Hash():
		return fmt.Errorf("replicated is %v, the head is %v: %+v", status.Replicated, head.Position(), status)
	case m.active != nil && status.Active != m.active.Position():
		return fmt.Errorf("the status says %v is active, and it is %v", status.Active, m.active.Position())
	case runs(head) && (status.Active != head.Position() || status.ActiveHash != head.Hash() || status.State != synced):
		return fmt.Errorf("active is %v and %v, the head is %v", status.Active, status.State, head.Position())
	case !runs(head) && (status.State != rejected || status.Faults == nil):
		return fmt.Errorf("the head is bad, and the state %v", status.State)
	}
	return nil
}

// TestModel has a follower go through random trouble.
func TestModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		script := rapid.SliceOfN(rapid.Custom(func(r *rapid.T) op {
			return op{rapid.SampledFrom(ops).Draw(r, "what"), rapid.IntRange(0, 99).Draw(r, "n")}
		}), 1, 60).Draw(r, "script")
		if err := play(t, script); err != nil {
			r.Fatal(err)
		}
	})
}

func play(t *testing.T, script []op) (err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		m := newModel()
		f, failed := New(Config{URL: "http://test", Environment: "prod", Instance: "one", Sink: m})
		if failed != nil {
			t.Fatal(failed)
		}
		f = newFollower(f.config, m)
		stop := run(t, f)
		defer stop()
		for _, o := range script {
			m.do(o)
		}
		m.heal()
		pass(30 * time.Minute)
		if err = m.check(f); err != nil {
			return
		}
		m.do(op{"publish", 1})
		pass(time.Minute)
		err = m.check(f)
	})
	return err
}
