package follow

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"
	"go.uber.org/goleak"
	"google.golang.org/genproto/googleapis/rpc/errdetails"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/sdk/go/view"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	heartbeat = 15 * time.Second
	// never is longer than anything that a follower waits for.
	never = time.Hour
)

// script is a server whose moves a test makes, and a sink that notes everything.
type script struct {
	t       *testing.T
	watches chan *watching
	fetches chan *fetching

	mu        sync.Mutex
	seen      []*view.View // replicated
	activated []*view.View
	refuse    func(*view.View) error
	keys      []int64
	confirms  []time.Duration
	reports   []reported
	reportErr error
}

type reported struct {
	at time.Time
	*servingv1.ReportStatusRequest
}

// watching is a Watch that the follower makes.
type watching struct {
	*servingv1.WatchRequest
	t      *testing.T
	ctx    context.Context //nolint:containedctx // it is the call's, as the follower hands it over
	frames chan received
}

type fetching struct {
	*servingv1.WatchRequest
	answer chan []*servingv1.WatchResponse
	fail   chan error
}

func newScript(t *testing.T) *script {
	t.Helper()
	return &script{t: t, watches: make(chan *watching), fetches: make(chan *fetching)}
}

func (s *script) Watch(ctx context.Context, r *servingv1.WatchRequest) (stream, error) {
	w := &watching{r, s.t, ctx, make(chan received)}
	select {
	case s.watches <- w:
		return w, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (w *watching) Receive() (*servingv1.WatchResponse, error) {
	select {
	case r := <-w.frames:
		return r.frame, r.err
	case <-w.ctx.Done():
		return nil, w.ctx.Err()
	}
}

func (w *watching) Close() error { return nil }

func (s *script) Fetch(ctx context.Context, r *servingv1.FetchRequest) (*servingv1.FetchResponse, error) {
	f := &fetching{r.GetWatch(), make(chan []*servingv1.WatchResponse), make(chan error)}
	select {
	case s.fetches <- f:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case frames := <-f.answer:
		return &servingv1.FetchResponse{Frames: frames}, nil
	case err := <-f.fail:
		return nil, err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (s *script) ReportStatus(_ context.Context, r *servingv1.ReportStatusRequest) (*servingv1.ReportStatusResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reports = append(s.reports, reported{time.Now(), r})
	return new(servingv1.ReportStatusResponse), s.reportErr
}

func (s *script) Close() {}

func (s *script) Replicated(v *view.View) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = append(s.seen, v)
}

func (s *script) Activate(v *view.View) error {
	s.mu.Lock()
	refuse := s.refuse
	s.mu.Unlock()
	if refuse != nil {
		if err := refuse(v); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.activated = append(s.activated, v)
	return nil
}

func (s *script) Keys(version int64, _ []*servingv1.PublicKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = append(s.keys, version)
}

func (s *script) Confirm(ago time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.confirms = append(s.confirms, ago)
}

func (s *script) Followers() []*servingv1.Followers {
	return []*servingv1.Followers{{Client: "sdk", Count: 3}}
}

// active returns the position of what runs.
func (s *script) active() view.Position {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.activated) == 0 {
		return view.Position{}
	}
	return s.activated[len(s.activated)-1].Position()
}

// reportsSoFar returns the reports, once nothing moves any more.
func (s *script) reportsSoFar() []reported {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.reports)
}

// expect returns the next Watch, and how long that took.
func (s *script) expect() (*watching, time.Duration) {
	s.t.Helper()
	began := time.Now()
	select {
	case w := <-s.watches:
		return w, time.Since(began)
	case f := <-s.fetches:
		s.t.Fatalf("the follower fetches %v, and should stream", f.WatchRequest)
	case <-time.After(never):
		s.t.Fatal("the follower does not come back")
	}
	return nil, 0
}

func (s *script) expectFetch() (*fetching, time.Duration) {
	s.t.Helper()
	began := time.Now()
	select {
	case f := <-s.fetches:
		return f, time.Since(began)
	case w := <-s.watches:
		s.t.Fatalf("the follower streams %v, and should fetch", w.WatchRequest)
	case <-time.After(never):
		s.t.Fatal("the follower does not come back")
	}
	return nil, 0
}

// send has frames arrive, and returns once they are taken.
func (w *watching) send(frames ...*servingv1.WatchResponse) {
	w.t.Helper()
	for _, frame := range frames {
		select {
		case w.frames <- received{frame: frame}:
		case <-w.ctx.Done():
			w.t.Fatalf("the follower has left before %v", frame)
		}
	}
	synctest.Wait()
}

func (w *watching) fail(err error) {
	w.t.Helper()
	select {
	case w.frames <- received{err: err}:
	case <-w.ctx.Done():
		w.t.Fatal("the follower has left")
	}
	synctest.Wait()
}

// left waits until the follower has given a stream up.
func (w *watching) left() time.Duration {
	w.t.Helper()
	began := time.Now()
	select {
	case <-w.ctx.Done():
	case <-time.After(never):
		w.t.Fatal("the follower stays")
	}
	return time.Since(began)
}

// pass lets time pass, in a bubble.
func pass(d time.Duration) { <-time.After(d) }

// start runs a follower of a script to the end of the test.
func start(t *testing.T, s *script, change func(*Config)) *Follower {
	t.Helper()
	f := stopped(t, s, change)
	run(t, f)
	return f
}

func stopped(t *testing.T, s *script, change func(*Config)) *Follower {
	t.Helper()
	config := Config{
		URL: "http://test", Environment: "prod", Instance: "one", Client: "test/1", Sink: s,
		Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if change != nil {
		change(&config)
	}
	f, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	return newFollower(f.config, s)
}

// run runs a follower to the end of the test, or until what it returns is called.
func run(t *testing.T, f *Follower) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// --- configurations and frames

// conf is a configuration of entities of an unknown kind.
func conf(epoch, revision int64, contents ...string) *view.View {
	var puts []*view.Entity
	for i, content := range contents {
		puts = append(puts, view.NewEntity(view.Key{Kind: 200, Name: strconv.Itoa(i)}, []byte(content)))
	}
	return view.Empty().With(view.Position{Epoch: epoch, Revision: revision}, puts, nil)
}

func hello() *servingv1.WatchResponse {
	return frame(&servingv1.Hello{
		StreamId: "stream", Environment: "prod", HeartbeatMillis: int32(heartbeat.Milliseconds()), ReportMillis: 1000,
	})
}

func frame(what any) *servingv1.WatchResponse {
	switch what := what.(type) {
	case *servingv1.Hello:
		return &servingv1.WatchResponse{Frame: &servingv1.WatchResponse_Hello{Hello: what}}
	case *servingv1.Update:
		return &servingv1.WatchResponse{Frame: &servingv1.WatchResponse_Update{Update: what}}
	case *servingv1.Heartbeat:
		return &servingv1.WatchResponse{Frame: &servingv1.WatchResponse_Heartbeat{Heartbeat: what}}
	case *servingv1.AccessKeys:
		return &servingv1.WatchResponse{Frame: &servingv1.WatchResponse_AccessKeys{AccessKeys: what}}
	case *servingv1.Goodbye:
		return &servingv1.WatchResponse{Frame: &servingv1.WatchResponse_Goodbye{Goodbye: what}}
	default:
		panic(what)
	}
}

func beat(v *view.View) *servingv1.WatchResponse {
	hash := v.Hash()
	return frame(&servingv1.Heartbeat{Epoch: v.Position().Epoch, Revision: v.Position().Revision, Hash: hash[:]})
}

// token is the resume token of a position.
func token(at view.Position) string { return at.String() }

// update returns what leads to a configuration; before is nil for all of it. Each
// entity has a part of its own.
func update(before, after *view.View) []*servingv1.WatchResponse {
	base := servingv1.Update{Kind: servingv1.Update_KIND_FULL, Epoch: after.Position().Epoch, ToRevision: after.Position().Revision}
	if before != nil {
		base.Kind, base.FromRevision = servingv1.Update_KIND_DELTA, before.Position().Revision
	}
	var parts [][]byte
	for _, d := range view.Compare(before, after) {
		if d.After == nil {
			parts = append(parts, view.EncodeParts(nil, []view.Key{d.Key})...)
		} else {
			parts = append(parts, view.EncodeParts([]*view.Entity{d.After}, nil)...)
		}
	}
	if len(parts) == 0 {
		parts = view.EncodeParts(nil, nil)
	}
	hash := after.Hash()
	var frames []*servingv1.WatchResponse
	for i, part := range parts {
		u := &servingv1.Update{
			Kind: base.GetKind(), Epoch: base.GetEpoch(), FromRevision: base.GetFromRevision(), ToRevision: base.GetToRevision(),
			Part: int32(i), Changes: part,
		}
		if i == len(parts)-1 {
			u.Last, u.Hash, u.EntityCount, u.ResumeToken = true, hash[:], int32(after.Len()), []byte(token(after.Position()))
		}
		frames = append(frames, frame(u))
	}
	return frames
}

// failure is the error of a call.
func failure(code connect.Code, reason servingv1.ErrorReason, metadata map[string]string) error {
	err := connect.NewError(code, errors.New("as the test wants it"))
	detail, failed := connect.NewErrorDetail(&errdetails.ErrorInfo{Reason: reason.String(), Domain: "strata", Metadata: metadata})
	if failed != nil {
		panic(failed)
	}
	err.AddDetail(detail)
	return err
}

var errCut = connect.NewError(connect.CodeUnavailable, io.ErrUnexpectedEOF)
