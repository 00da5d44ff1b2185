package controlplane

import (
	"context"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/strata-exp/strata/controlplane/internal/access"
	"github.com/strata-exp/strata/controlplane/internal/api"
	"github.com/strata-exp/strata/controlplane/internal/plane"
	"github.com/strata-exp/strata/controlplane/internal/revision"
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/internal/auth"
	"github.com/strata-exp/strata/internal/obs"
	"github.com/strata-exp/strata/internal/rpc"
)

const (
	// maxRequest has room for the change of a whole configuration of 10,000 layers.
	maxRequest = 64 << 20
	// contentTimeout is how long such a request may take to arrive.
	contentTimeout = 30 * time.Second
)

// parts are what a control plane is made of.
type parts struct {
	config   *Config
	log      *slog.Logger
	pool     *pgxpool.Pool
	registry *prometheus.Registry

	revisions *revision.Store
	keys      *access.Store
	planes    *plane.Store

	ring          *auth.Keyring
	authenticator *auth.Authenticator
	edge          *rpc.Edge

	health *health
	// draining is true once the plane says that it stops; stopped is closed when
	// what never ends by itself has to.
	draining *atomic.Bool
	stopped  chan struct{}
}

func newParts(c *Config, pool *pgxpool.Pool, log *slog.Logger) *parts {
	p := &parts{
		config: c, log: log, pool: pool, registry: obs.NewRegistry(), ring: auth.NewKeyring(),
		draining: new(atomic.Bool), stopped: make(chan struct{}),
	}
	p.revisions = revision.New(pool, makePlan, p.registry, obs.Logger(log, "revision"))
	p.keys = access.New(pool, p.ring, obs.Logger(log, "access"))
	p.planes = plane.New(pool, c.Heartbeat, obs.Logger(log, "plane"))
	p.edge = rpc.NewEdge(obs.Logger(log, "api"), newRequestMetrics(p.registry).observe)
	p.edge.MaxRequest = maxRequest
	p.authenticator = &auth.Authenticator{
		Keys: p.ring, Nonces: p.keys, Audience: c.Audience,
		MaxContent: maxRequest, ContentTimeout: contentTimeout, Failures: auth.NewFailures(p.registry),
	}
	p.health = &health{pool: pool, version: c.Version, stopping: p.draining}
	return p
}

// load reads the access keys, so that the first call is not refused.
func (p *parts) load(ctx context.Context) error {
	if err := p.keys.Load(ctx); err != nil {
		return err
	}
	_, keys := p.ring.Keys()
	for _, key := range keys {
		if key.GetRole() == servingv1.Role_ROLE_ADMIN && len(key.GetEnvironments()) == 0 {
			return nil
		}
	}
	p.log.WarnContext(ctx, "there is no access key that could make others: make one with strata keys bootstrap")
	return nil
}

// guard lets signed calls through, and notes by which keys.
func (p *parts) guard(procedure string, policy auth.Policy, next http.Handler) http.Handler {
	return p.authenticator.Require(p.edge, procedure, policy, p.noting(next))
}

// noting notes by which keys calls are made.
func (p *parts) noting(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if caller, ok := auth.FromContext(r.Context()); ok {
			p.keys.Used(caller.AccessKey, time.Now())
		}
		next.ServeHTTP(w, r)
	})
}

// admin returns what is served on the port of the admin API.
func (p *parts) admin() (http.Handler, error) {
	services, err := api.New(api.Parts{
		Store: p.revisions, Keys: p.keys, Planes: p.planes, Plan: comparePlan,
		Edge: p.edge, Guard: p.guard, Ring: p.ring, Now: time.Now,
	})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	services.Mount(mux, p.stopped)
	p.health.mount(mux, p.edge, p.stopped)
	mux.HandleFunc("GET /openapi.yaml", serveDocument)
	return rpc.Drain(p.draining, mux), nil
}

// observing returns what is served on the port of metrics and probes.
func (p *parts) observing() http.Handler {
	mux := http.NewServeMux()
	p.health.mountProbes(mux)
	mux.Handle("GET /metrics", obs.MetricsHandler(p.registry, obs.Logger(p.log, "metrics")))
	return mux
}
