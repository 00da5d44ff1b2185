package controlplane

import (
	"context"
	"net/http"
	"time"

	"github.com/strata-exp/strata/controlplane/internal/feed"
	"github.com/strata-exp/strata/controlplane/internal/state"
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/internal/auth"
	"github.com/strata-exp/strata/internal/obs"
	"github.com/strata-exp/strata/internal/push"
	"github.com/strata-exp/strata/internal/rpc"
	"github.com/strata-exp/strata/sdk/go/view"
)

// drainTimeout is how long followers have to read that they should leave.
const drainTimeout = 3 * time.Second

// stream is what is served on the port of the config stream.
type stream struct {
	parts  *parts
	feed   *feed.Feed
	server *push.Server
}

// newStream returns the config stream. The key of its resume tokens is that of
// all control planes of the database, so that each believes the others'.
func newStream(ctx context.Context, p *parts) (*stream, error) {
	key, err := p.revisions.TokenKey(ctx)
	if err != nil {
		return nil, err
	}
	log := obs.Logger(p.log, "stream")
	sealer := push.NewSealer(key)
	s := &stream{parts: p}
	s.feed = feed.New(p.revisions, func(environment string) *push.Hub { return push.NewHub(environment, sealer) }, log)
	options := push.DefaultOptions()
	options.Heartbeat, options.MaxAge, options.ReportEvery = p.config.Heartbeat, p.config.MaxStreamAge, reportEvery
	s.server = push.NewServer(push.Config{
		Environments: s.feed.Hub, Keyring: p.ring, Report: s.report, Reported: s.reported, LostHistory: s.lost,
		Options: options, Log: log, Registry: p.registry,
	})
	return s, nil
}

// reportEvery is how often a data plane may report its status. There are few of
// them, and somebody may wait for it.
const reportEvery = 50 * time.Millisecond

// report keeps how planes are. What an SDK says of itself is not for others to
// rely on.
func (s *stream) report(ctx context.Context, environment string, who *auth.Principal, status *servingv1.Status) error {
	if who.Role != servingv1.Role_ROLE_PLANE {
		return nil
	}
	return s.parts.planes.Report(ctx, environment, who.AccessKey, status)
}

// reported says when a plane last reported, at whichever control plane.
func (s *stream) reported(ctx context.Context, environment string, who *auth.Principal, instance string) (time.Time, error) {
	return s.parts.planes.Reported(ctx, environment, who.AccessKey, instance)
}

// lost begins a new epoch where a follower proves that revisions were lost.
func (s *stream) lost(ctx context.Context, environment string, at view.Position, differs bool) error {
	return s.parts.revisions.BeginEpoch(ctx, environment, state.Version{Epoch: at.Epoch, Revision: at.Revision}, differs)
}

// handler returns what is served. Streams end when the parts are stopped. Its
// requests are small, whatever the admin API takes.
func (s *stream) handler() http.Handler {
	p := s.parts
	edge := rpc.NewEdge(obs.Logger(p.log, "stream"), p.edge.Observe)
	authenticator := &auth.Authenticator{Keys: p.ring, Nonces: p.keys, Audience: p.config.Audience, Failures: p.authenticator.Failures}
	mux := http.NewServeMux()
	path, next := push.NewHandler(s.server, edge, p.stopped)
	mux.Handle(path, authenticator.Service(edge, push.Policies(), p.noting(next)))
	return rpc.Drain(p.draining, mux)
}

// drain sends followers elsewhere. Those who do not go are cut off later.
func (s *stream) drain(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, drainTimeout)
	defer cancel()
	if err := s.server.Drain(ctx); err != nil {
		s.parts.log.WarnContext(ctx, "some followers have not left", "error", err)
	}
}
