// Package dataplane is the part of Strata that answers which parameters a user
// gets. It holds one configuration in memory, follows the source that it came
// from, and serves evaluations of it. What it serves never becomes worse: a
// configuration that can not be loaded changes nothing but the log, a metric and
// the readiness detail.
//
// Config and Run are the whole of its surface.
package dataplane

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/strata-exp/strata/dataplane/internal/api"
	"github.com/strata-exp/strata/dataplane/internal/ingest"
	"github.com/strata-exp/strata/dataplane/internal/metrics"
	"github.com/strata-exp/strata/dataplane/internal/ofrep"
	"github.com/strata-exp/strata/dataplane/internal/snapshot"
	"github.com/strata-exp/strata/internal/obs"
	"github.com/strata-exp/strata/internal/rpc"
	"github.com/strata-exp/strata/internal/service"
)

// Run runs a data plane until ctx ends, then stops it gracefully and returns
// nil, even if clients had to be cut off, which is logged. An error before it
// listens says why it could not start, every fault of the configuration files
// on a line of its own.
func Run(ctx context.Context, c Config) error {
	if err := c.Validate(); err != nil {
		return err
	}
	log := cmp.Or(c.Log, obs.Discard())

	holder := snapshot.NewHolder(time.Now)
	registry := obs.NewRegistry()
	followers, err := newRelay(&c, registry, obs.Logger(log, "relay"))
	if err != nil {
		return err
	}
	configurations, err := newSource(&c, holder, followers, obs.Logger(log, "source"))
	if err != nil {
		return err
	}

	measured := metrics.New(registry, holder, slices.Concat(api.Procedures(), ingest.Procedures(), ofrep.Procedures())...)
	edge := rpc.NewEdge(obs.Logger(log, "api"), measured.Observe)
	health := api.NewHealth(holder, c.Version, time.Now)
	observe(configurations, registry, health)
	draining, stopped := new(atomic.Bool), make(chan struct{})

	serving := http.NewServeMux()
	sink := ingest.NewCounted(registry, ingest.NewLog(obs.Logger(log, "events")), knows(holder))
	api.NewService(holder, measured, sink, edge, time.Now).Mount(serving)           //nolint:contextcheck // what it makes is called later
	ingest.NewService(sink, edge).Mount(serving, followers.callers, measured.Timed) //nolint:contextcheck // as above
	ofrep.New(c.ofrep(holder, measured, sink, edge)).Mount(serving, stopped)
	followers.mount(serving, edge, stopped) //nolint:contextcheck // as above
	health.Mount(serving, edge, stopped)    //nolint:contextcheck // as above

	observing := http.NewServeMux()
	health.MountProbes(observing)
	observing.Handle("GET /metrics", obs.MetricsHandler(registry, obs.Logger(log, "metrics")))

	listeners, err := service.Listen(ctx, c.addresses()...)
	if err != nil {
		return err
	}
	if c.Source == SourceFiles { // which are there, or are wrong
		if err := configurations.Start(ctx); err != nil {
			return errors.Join(err, listeners[0].Close(), listeners[1].Close())
		}
	}
	addresses := Addresses{HTTP: listeners[0].Addr(), Metrics: listeners[1].Addr()}
	log.Info("listening", "http", addresses.HTTP.String(), "metrics", addresses.Metrics.String())
	if c.OnListening != nil {
		c.OnListening(addresses)
	}

	httpLog := obs.Logger(log, "http")
	err = service.Run(ctx, c.DrainDelay+c.StopTimeout,
		service.Part{Name: "source", Run: func(ctx context.Context) error {
			return runSource(ctx, &c, configurations, followers, holder)
		}},
		service.Part{Name: "readiness", Run: func(ctx context.Context) error { return c.whenReady(ctx, holder) }},
		rpc.Serve("metrics server", observing, listeners[1], httpLog),
		rpc.Serve("API server", rpc.Drain(draining, c.cors(api.Stale(holder, serving))), listeners[0], httpLog),
		service.Drain(c.DrainDelay, func() {
			log.Info("stopping")
			draining.Store(true)
			health.Stopping()
		}, func(ctx context.Context) {
			followers.drain(ctx)
			close(stopped)
		}),
	)
	if err == nil {
		log.Info("stopped")
	}
	return err
}
