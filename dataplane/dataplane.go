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
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/strata-exp/strata/dataplane/internal/api"
	"github.com/strata-exp/strata/dataplane/internal/metrics"
	"github.com/strata-exp/strata/dataplane/internal/snapshot"
	"github.com/strata-exp/strata/dataplane/internal/source"
	"github.com/strata-exp/strata/internal/manifest"
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
	files := source.NewFiles(
		manifest.Paths{Layers: c.LayersDir, Experiments: c.ExperimentsDir, Fields: c.FieldsFile},
		holder, obs.Logger(log, "source"))

	registry := obs.NewRegistry()
	measured := metrics.New(registry, holder, api.Procedures()...)
	edge := rpc.NewEdge(obs.Logger(log, "api"), measured.Observe)
	health := api.NewHealth(holder, c.Version, time.Now)
	draining, stopped := new(atomic.Bool), make(chan struct{})

	serving := http.NewServeMux()
	api.NewService(holder, measured, edge, time.Now).Mount(serving) //nolint:contextcheck // what it makes is called later
	health.Mount(serving, edge, stopped)                            //nolint:contextcheck // as above

	observing := http.NewServeMux()
	health.MountProbes(observing)
	observing.Handle("GET /metrics", obs.MetricsHandler(registry, obs.Logger(log, "metrics")))

	listeners, err := listen(ctx, c.HTTPAddr, c.MetricsAddr)
	if err != nil {
		return err
	}
	if err := files.Start(ctx); err != nil {
		return errors.Join(err, listeners[0].Close(), listeners[1].Close())
	}
	addresses := Addresses{HTTP: listeners[0].Addr(), Metrics: listeners[1].Addr()}
	log.Info("listening", "http", addresses.HTTP.String(), "metrics", addresses.Metrics.String())
	if c.OnListening != nil {
		c.OnListening(addresses)
	}

	httpLog := obs.Logger(log, "http")
	err = service.Run(ctx, c.DrainDelay+c.StopTimeout,
		service.Part{Name: "file source", Run: files.Run},
		server("metrics server", observing, listeners[1], httpLog),
		server("API server", rpc.Drain(draining, serving), listeners[0], httpLog),
		drain(c.DrainDelay, func() {
			log.Info("stopping")
			draining.Store(true)
			health.Stopping()
		}, func() { close(stopped) }),
	)
	if err == nil {
		log.Info("stopped")
	}
	return err
}

// server is a part that serves HTTP. That its clients take longer than the time
// for stopping is no fault of a process that was told to stop: it is logged, and
// not an error.
func server(name string, handler http.Handler, listener net.Listener, log *slog.Logger) service.Part {
	part := service.Server(name, rpc.NewServer(handler, log), listener)
	stop := part.Stop
	part.Stop = func(ctx context.Context) error {
		err := stop(ctx)
		if errors.Is(err, context.DeadlineExceeded) {
			log.WarnContext(ctx, "the time for stopping is up: clients were cut off", "server", name)
			return nil
		}
		return err
	}
	return part
}

// drain is the part that stops first: it says that the end has begun, waits for
// clients to turn away, and ends streams.
func drain(delay time.Duration, begin, end func()) service.Part {
	return service.Part{
		Name: "drain",
		Run: func(ctx context.Context) error {
			<-ctx.Done()
			return nil
		},
		Stop: func(ctx context.Context) error {
			defer end()
			begin()
			select {
			case <-time.After(delay):
			case <-ctx.Done():
			}
			return nil
		},
	}
}

// listen listens on both addresses or on none.
func listen(ctx context.Context, http, metrics string) (listeners [2]net.Listener, err error) {
	var config net.ListenConfig
	listeners[0], err = config.Listen(ctx, "tcp", http)
	if err != nil {
		return listeners, fmt.Errorf("--http-addr: %w", err)
	}
	listeners[1], err = config.Listen(ctx, "tcp", metrics)
	if err != nil {
		return listeners, errors.Join(fmt.Errorf("--metrics-addr: %w", err), listeners[0].Close())
	}
	return listeners, nil
}
