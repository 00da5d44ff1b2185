package fleet

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/strata-exp/strata/internal/pgcluster"
)

// Postgres is a private PostgreSQL that is killed and started again.
type Postgres struct {
	config  pgcluster.Config
	cluster *pgcluster.Cluster
	killed  bool // and not started since
}

const database = "strata"

// startPostgres starts one in a folder.
func startPostgres(ctx context.Context, dir string) (*Postgres, error) {
	p := &Postgres{config: pgcluster.Config{Dir: filepath.Join(dir, "postgres")}}
	if err := p.Start(ctx); err != nil {
		return nil, err
	}
	return p, p.Exec(ctx, "postgres", "CREATE DATABASE "+database)
}

// Start starts the server, again if it was stopped.
func (p *Postgres) Start(ctx context.Context) error {
	cluster, err := pgcluster.Start(ctx, p.config)
	if err != nil {
		return err
	}
	p.cluster, p.killed = cluster, false
	return nil
}

// Kill ends the server as a crash does.
func (p *Postgres) Kill() error {
	p.killed = true
	return p.cluster.Kill()
}

// Stop stops the server in order, at once.
func (p *Postgres) Stop(ctx context.Context) error { return p.cluster.Stop(ctx) }

// URL returns the database's.
func (p *Postgres) URL() string { return p.cluster.URL(database) }

// Exec executes a statement on a connection of its own.
func (p *Postgres) Exec(ctx context.Context, database, statement string) error {
	conn, err := pgx.Connect(ctx, p.cluster.URL(database))
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, statement)
	return errors.Join(err, conn.Close(ctx))
}

// remove stops the server and deletes its data. One that crashed is started once
// more before, as nobody else frees the shared memory that it left.
func (p *Postgres) remove() error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if p.killed || p.cluster.Err() != nil {
		if err := p.Start(ctx); err != nil {
			return err
		}
	}
	return errors.Join(p.cluster.Stop(ctx), pgcluster.Remove(ctx, p.config.Dir))
}

// epoch reads the epoch of the environment.
func (f *Fleet) epoch(ctx context.Context) (epoch int64, err error) {
	conn, err := pgx.Connect(ctx, f.Postgres.URL())
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	return epoch, conn.QueryRow(ctx, `SELECT h.epoch FROM environment_head h JOIN environment e USING (env_id) WHERE e.name = $1`, Environment).Scan(&epoch)
}
