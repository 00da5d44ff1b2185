package main

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/strata-exp/strata/internal/pgcluster"
	"github.com/strata-exp/strata/internal/service"
)

// devDatabase is the database of a private cluster. A server that ends is
// started again, as an orchestrator would.
type devDatabase struct {
	config    pgcluster.Config
	ephemeral bool
	log       *slog.Logger

	cluster  *pgcluster.Cluster
	dir, url string
}

// devDatabaseName is the name of the database in a private cluster.
const devDatabaseName = "strata"

func (f *devFlags) startDatabase(ctx context.Context, log *slog.Logger) (*devDatabase, error) {
	d := &devDatabase{ephemeral: f.ephemeral, log: log, dir: filepath.Join(f.dataDir, "postgres")}
	if f.ephemeral {
		dir, err := pgcluster.TempDir(ctx)
		if err != nil {
			return nil, err
		}
		d.dir = dir
	}
	d.config = pgcluster.Config{Dir: d.dir, Durable: !f.ephemeral, Log: log}
	cluster, err := pgcluster.Start(ctx, d.config)
	if err != nil {
		return nil, err
	}
	d.cluster, d.url = cluster, cluster.URL(devDatabaseName)
	if err := createDatabase(ctx, cluster.URL("postgres")); err != nil {
		stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), devGrace)
		defer cancel()
		_ = d.stop(stopping) // the error that led here says more
		return nil, err
	}
	return d, nil
}

// createDatabase makes the database in a cluster that does not have it.
func createDatabase(ctx context.Context, url string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	var there bool
	err = conn.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = $1)", devDatabaseName).Scan(&there)
	if err != nil || there {
		return err
	}
	_, err = conn.Exec(ctx, "CREATE DATABASE "+devDatabaseName)
	return err
}

func (d *devDatabase) part() service.Part {
	part := nested("PostgreSQL", d.run)
	stop := part.Stop
	part.Stop = func(ctx context.Context) error {
		if err := stop(ctx); err != nil {
			return err
		}
		return d.stop(ctx)
	}
	return part
}

// run starts the server again whenever it ends, until ctx does.
func (d *devDatabase) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-d.cluster.Done():
		}
		d.log.WarnContext(ctx, "PostgreSQL has ended; starting it again", "error", d.cluster.Err())
		cluster, err := pgcluster.Start(ctx, d.config)
		if err != nil {
			return unlessOver(ctx, fmt.Errorf("start it again: %w", err))
		}
		d.cluster = cluster
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Second): // were it to end at once, again and again
		}
	}
}

func (d *devDatabase) stop(ctx context.Context) error {
	if err := d.cluster.Stop(ctx); err != nil {
		return err
	}
	if !d.ephemeral {
		return nil
	}
	return pgcluster.Remove(ctx, d.config.Dir)
}
