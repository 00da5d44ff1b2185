// Package controlplane is the part of Strata in which people and their programs
// manage layers and experiments. It keeps environments and their revisions in
// PostgreSQL, plans and checks every change, and hands revisions to data planes.
// Any number of control planes may work on one database.
//
// Config, Run and Bootstrap are the whole of its surface.
package controlplane

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/strata-exp/strata/controlplane/internal/plan"
	"github.com/strata-exp/strata/controlplane/internal/revision"
	"github.com/strata-exp/strata/controlplane/internal/state"
	"github.com/strata-exp/strata/db"
	"github.com/strata-exp/strata/docs/openapi"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/internal/obs"
	"github.com/strata-exp/strata/internal/rpc"
	"github.com/strata-exp/strata/internal/service"
)

// Run runs a control plane until ctx ends, then stops it gracefully and returns
// nil. It migrates the database first. An error before it listens says why it
// could not start.
func Run(ctx context.Context, c Config) error {
	if err := c.Validate(); err != nil {
		return err
	}
	log := cmp.Or(c.Log, obs.Discard())
	pool, err := openDatabase(ctx, &c)
	if err != nil {
		return fmt.Errorf("the database: %w", err)
	}
	defer pool.Close()

	p := newParts(&c, pool, log)
	if err := p.load(ctx); err != nil {
		return fmt.Errorf("the access keys: %w", err)
	}
	admin, err := p.admin() //nolint:contextcheck // what it makes is called later
	if err != nil {
		return err
	}
	stream, err := newStream(ctx, p)
	if err != nil {
		return fmt.Errorf("the config stream: %w", err)
	}
	listeners, err := service.Listen(ctx, c.addresses()...)
	if err != nil {
		return err
	}
	at := Listening{HTTP: listeners[0].Addr(), Push: listeners[1].Addr(), Metrics: listeners[2].Addr()}
	log.Info("listening", "http", at.HTTP.String(), "push", at.Push.String(), "metrics", at.Metrics.String())
	if c.OnListening != nil {
		c.OnListening(at)
	}
	httpLog := obs.Logger(log, "http")
	err = service.Run(ctx, c.DrainDelay+c.StopTimeout,
		service.Part{Name: "revisions", Run: p.revisions.Run},
		service.Part{Name: "access keys", Run: p.keys.Run},
		service.Part{Name: "planes", Run: p.planes.Run},
		service.Part{Name: "feed", Run: stream.feed.Run},
		rpc.Serve("metrics server", p.observing(), listeners[2], httpLog),
		rpc.Serve("config stream", stream.handler(), listeners[1], httpLog), //nolint:contextcheck // what it makes is called later
		rpc.Serve("API server", admin, listeners[0], httpLog),
		service.Drain(c.DrainDelay, func() {
			log.Info("stopping")
			p.draining.Store(true)
		}, func(ctx context.Context) {
			stream.drain(ctx)
			close(p.stopped)
		}),
	)
	if err == nil {
		log.Info("stopped")
	}
	return err
}

// connections is how many there are to the database unless its URL says so by
// pool_max_conns. A busy environment takes one, and each read for a moment.
const connections = 16

// openDatabase connects, makes sure that what is committed stays, and migrates.
func openDatabase(ctx context.Context, c *Config) (*pgxpool.Pool, error) {
	pool, err := db.Open(ctx, c.DatabaseURL, func(p *pgxpool.Config) {
		if !strings.Contains(c.DatabaseURL, "pool_max_conns") {
			p.MaxConns = connections
		}
	})
	if err != nil {
		return nil, err
	}
	if !c.AllowUnsafeDatabase {
		err = db.CheckDurable(ctx, pool)
	}
	if err == nil {
		err = db.Migrate(ctx, pool)
	}
	if err != nil {
		pool.Close()
		return nil, err
	}
	return pool, nil
}

func makePlan(before, after *state.State, resting func(string) []revision.Rest) *adminv1.Plan {
	return plan.Make(before, after, plan.Options{Resting: func(layerID string) []plan.Rest {
		rests := resting(layerID)
		all := make([]plan.Rest, len(rests))
		for i, r := range rests {
			all[i] = plan.Rest{Start: r.Start, End: r.End, EID: r.EID}
		}
		return all
	}})
}

func comparePlan(before, after *state.State) *adminv1.Plan {
	return plan.Make(before, after, plan.Options{})
}

func serveDocument(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/yaml")
	_, _ = w.Write(openapi.Document) // a client that has gone hears nothing anyway
}

// errNotReady is what a plane that stops says of itself.
var errNotReady = errors.New("stopping")
