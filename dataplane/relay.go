package dataplane

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/internal/auth"
	"github.com/strata-exp/strata/internal/push"
	"github.com/strata-exp/strata/internal/rpc"
	"github.com/strata-exp/strata/sdk/go/view"
)

// relay serves the config stream to those who follow this data plane.
type relay struct {
	hub         *push.Hub
	server      *push.Server
	keys        *auth.Keyring
	callers     *auth.Authenticator // of all signed calls: they share their nonces
	environment string
	log         *slog.Logger
}

func newRelay(c *Config, registry prometheus.Registerer, log *slog.Logger) (*relay, error) {
	r := &relay{
		hub:  push.NewHub(c.Environment, push.NewSealer(nil)),
		keys: auth.NewKeyring(), environment: c.Environment, log: log,
	}
	r.callers = &auth.Authenticator{
		Keys: r.keys, Nonces: auth.NewMemoryNonces(0, nil), Audience: c.Relay.Audience, Failures: auth.NewFailures(registry),
	}
	options := push.DefaultOptions()
	options.Heartbeat, options.MaxAge = c.Relay.Heartbeat, c.Relay.MaxStreamAge
	// Thousands may follow, and what each of them says only counts together.
	options.ReportEvery = min(reportEvery, c.Relay.Heartbeat)
	r.server = push.NewServer(push.Config{
		Environments: r.find, Keyring: r.keys, Options: options, Log: log, Registry: registry,
	})
	return r, r.takeKeys(c.Relay.KeysFile)
}

// drainTimeout is how long followers have to read that they should leave.
const drainTimeout = 3 * time.Second

// reportEvery is how often a follower may report its status.
const reportEvery = 5 * time.Second

// takeKeys takes the public keys in a file, if there is one.
func (r *relay) takeKeys(file string) error {
	if file == "" {
		return nil
	}
	keys, err := readKeys(file)
	if err == nil {
		err = r.keys.Set(1, keys)
	}
	if err != nil {
		return fmt.Errorf("--keys-file %s: %w", file, err)
	}
	return nil
}

func (r *relay) find(_ context.Context, environment string) (*push.Hub, error) {
	if environment != "" && environment != r.environment {
		return nil, push.NotServed(environment)
	}
	return r.hub, nil
}

// mount adds the service to a mux. Its streams end with drain, and at the latest
// when stop is closed.
func (r *relay) mount(mux *http.ServeMux, edge *rpc.Edge, stop <-chan struct{}) {
	path, handler := push.NewHandler(r.server, edge, stop)
	mux.Handle(path, r.callers.Service(edge, push.Policies(), handler))
}

// drain sends followers elsewhere. Those who do not go are cut off later.
func (r *relay) drain(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, drainTimeout)
	defer cancel()
	if err := r.server.Drain(ctx); err != nil {
		r.log.WarnContext(ctx, "some followers have not left", "error", err)
	}
}

// Publish implements source.Relay.
func (r *relay) Publish(v *view.View) { r.hub.Publish(v) }

// Confirm implements source.Relay.
func (r *relay) Confirm(ago time.Duration) { r.hub.Confirm(ago) }

// Keys implements source.Relay.
func (r *relay) Keys(version int64, keys []*servingv1.PublicKey) {
	if err := r.keys.Set(version, keys); err != nil {
		r.log.Warn("some access keys can not be used", "error", err)
	}
}

// Followers implements source.Relay.
func (r *relay) Followers() []*servingv1.Followers { return r.server.Followers(r.environment) }
