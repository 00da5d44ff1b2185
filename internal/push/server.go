package push

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"sync"
	"time"

	"connectrpc.com/connect"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/proto"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/gen/go/strata/serving/v1/servingv1connect"
	"github.com/strata-exp/strata/internal/auth"
	"github.com/strata-exp/strata/internal/rpc"
	"github.com/strata-exp/strata/sdk/go/view"
)

// Config is what a Server is made of.
type Config struct {
	// Environments returns the hub of an environment, or the error of NotServed.
	// An empty name is the one environment that a data plane serves.
	Environments func(ctx context.Context, name string) (*Hub, error)
	// Keyring holds the keys of all who may follow.
	Keyring *auth.Keyring
	// Report is told each status that a follower reports. It may be nil.
	Report func(ctx context.Context, environment string, p *auth.Principal, status *servingv1.Status) error
	// Reported returns when an instance that follows an environment last reported
	// its status, to whichever server, by this server's clock: the zero time if it
	// never did. It is asked before a stream ends since no status came here, and by
	// the stream, which can not wait for long. Nil is a server beside which there
	// is no other one.
	Reported func(ctx context.Context, environment string, p *auth.Principal, instance string) (time.Time, error)
	// LostHistory is told that a follower was sent a position by us, as its token
	// proves, which the hub did not get to in time, or of which the hub has other
	// contents, as differs says: so the history that the hub has may have lost its
	// end. It returns once that was looked into; if it was so, a later epoch is to be
	// published soon. It is called by one stream of an environment at a time, goes on
	// when that is gone, and may be nil.
	LostHistory func(ctx context.Context, environment string, at view.Position, differs bool) error
	// Options are as DefaultOptions returns them, or otherwise.
	Options Options
	// Log takes what operators should know.
	Log *slog.Logger
	// Registry takes metrics. It may be nil.
	Registry prometheus.Registerer
}

// Server answers the calls of ConfigService. Callers have been authenticated:
// their principal stands in the context. It is safe for concurrent use.
type Server struct {
	environments func(ctx context.Context, name string) (*Hub, error)
	keyring      *auth.Keyring
	report       func(ctx context.Context, environment string, p *auth.Principal, status *servingv1.Status) error
	reported     func(ctx context.Context, environment string, p *auth.Principal, instance string) (time.Time, error)
	lost         func(ctx context.Context, environment string, at view.Position, differs bool) error
	options      *Options
	log          *slog.Logger
	metrics      *metrics
	admission    *admission
	roll         *roll
	keyFrames    keyFrames

	drain    sync.Once
	draining chan struct{} // closed by Drain
	calls    sync.WaitGroup
	callsMu  sync.Mutex // calls are not added to once draining is closed
}

var _ servingv1connect.ConfigServiceHandler = (*Server)(nil)

// NewServer returns a server.
func NewServer(c Config) *Server {
	r := newRoll(c.Options.MaxPolls)
	return &Server{
		environments: c.Environments, keyring: c.Keyring, report: c.Report, reported: c.Reported, lost: c.LostHistory,
		options: &c.Options, log: c.Log, metrics: newMetrics(c.Registry, r.open),
		admission: newAdmission(&c.Options), roll: r, draining: make(chan struct{}),
	}
}

// Drain tells all followers to go elsewhere, and returns when their streams have
// ended, or with the context's error. Calls that come from now on are refused.
func (s *Server) Drain(ctx context.Context) error {
	s.drain.Do(func() {
		s.callsMu.Lock()
		defer s.callsMu.Unlock()
		close(s.draining)
	})
	ended := make(chan struct{})
	go func() {
		s.calls.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Followers counts those who follow an environment through this server, those who
// follow them included, by software, services, revision and state: at most 1,000
// counts, the largest first. Those who have not reported their status are of no
// state and at no revision.
func (s *Server) Followers(environment string) []*servingv1.Followers {
	return s.roll.count(environment, time.Now())
}

// halted returns that the server stops, if it does.
func (s *Server) halted() servingv1.Goodbye_Reason {
	select {
	case <-s.draining:
		return servingv1.Goodbye_REASON_DRAIN
	default:
		return 0
	}
}

// Watch implements servingv1connect.ConfigServiceHandler.
func (s *Server) Watch(ctx context.Context, r *servingv1.WatchRequest, out *connect.ServerStream[servingv1.WatchResponse]) error {
	w := newWriter(ctx, out, s.options.WriteTimeout)
	defer w.close()
	return s.serve(ctx, r, w, rand.Text())
}

// Fetch implements servingv1connect.ConfigServiceHandler.
func (s *Server) Fetch(ctx context.Context, r *servingv1.FetchRequest) (*servingv1.FetchResponse, error) {
	if r.GetWatch() == nil {
		return nil, rpc.Invalidf("watch", "want who follows what, got nothing")
	}
	answer := new(answer)
	if err := s.serve(ctx, r.GetWatch(), answer, ""); err != nil {
		return nil, err
	}
	return &servingv1.FetchResponse{Frames: answer.frames}, nil
}

// serve lets a call in and runs its stream. One without an id ends after the
// first heartbeat.
func (s *Server) serve(ctx context.Context, r *servingv1.WatchRequest, out sink, id string) error {
	if !s.begin() {
		s.metrics.refuses(causeStopping)
		return stopping()
	}
	defer s.calls.Done()
	p, _ := auth.FromContext(ctx)
	if err := s.admission.enter(time.Now(), p); err != nil {
		return s.refused(err)
	}
	defer s.admission.leave(p)
	v, err := s.visit(ctx, r, id)
	if err != nil {
		return s.refused(err)
	}
	defer v.feed.hub.release(v.feed, v.holder)
	if id != "" {
		s.roll.add(v.follower)
		defer s.roll.remove(v.follower)
	}
	st := &stream{follower: v.follower, server: s, source: v.feed, sink: out, scope: v.feed.scope, once: id == ""}
	return st.run(ctx, v.origin)
}

// refused counts a call that was not begun, and returns what its caller is told.
func (s *Server) refused(err error) error {
	if r, ok := errors.AsType[*refusal](err); ok {
		s.metrics.refuses(r.cause)
		return r.error
	}
	s.metrics.refuses(causeDeclined)
	return err
}

// answer takes the frames of a Fetch.
type answer struct {
	frames []*servingv1.WatchResponse
	size   int
}

func (a *answer) Send(frame *servingv1.WatchResponse) error {
	const least = 16 // of what stands around a frame
	a.size += proto.Size(frame) + least
	if a.size > rpc.MaxAnswerBytes {
		return &rpc.TooLarge{What: "the configuration", MaxBytes: rpc.MaxAnswerBytes}
	}
	a.frames = append(a.frames, frame)
	return nil
}

// ReportStatus implements servingv1connect.ConfigServiceHandler.
func (s *Server) ReportStatus(ctx context.Context, r *servingv1.ReportStatusRequest) (*servingv1.ReportStatusResponse, error) {
	if err := checkReport(r); err != nil {
		return nil, err
	}
	p, hub, err := s.authorize(ctx, r.GetEnvironment())
	if err != nil {
		return nil, err
	}
	now, status := time.Now(), r.GetStatus()
	var f *follower
	if r.GetStreamId() == "" {
		f = s.roll.poll(p, hub.Environment(), status.GetInstance(), now)
	} else {
		f = s.roll.stream(r.GetStreamId(), p, hub.Environment())
	}
	if f != nil {
		f.last.Store(newReport(p, status, now))
	}
	if s.report != nil {
		if err := s.report(ctx, hub.Environment(), p, status); err != nil {
			return nil, err
		}
	}
	return &servingv1.ReportStatusResponse{}, nil
}
