// Package db holds what the control plane keeps in PostgreSQL: the schema, as
// migrations, and the way to connect. Nothing but the control plane may use it.
package db

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// session is what each connection is set to. Commits are on disk when they are
// acknowledged, whatever the server's default: a revision that was handed out
// must not be lost. Nobody waits or works without end, nor holds a lock while
// doing nothing. Tables are read by their indexes, which all queries have: a plan
// that is made while a table is nearly empty would read all of it, and is kept
// when it is no longer small.
const session = `
SET enable_seqscan = off;
SET synchronous_commit = on;
SET lock_timeout = '5s';
SET statement_timeout = '30s';
SET idle_in_transaction_session_timeout = '10s'`

// Open returns a pool of connections to the database of a URL, as pgxpool reads
// it, pool_max_conns and the like included. It does not wait for the server: a
// database that is not there shows when the pool is used. The caller closes it.
// Options change the pool's configuration at the end.
func Open(ctx context.Context, url string, options ...func(*pgxpool.Config)) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	config.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, session)
		return err
	}
	for _, option := range options {
		option(config)
	}
	return pgxpool.NewWithConfig(ctx, config)
}

// CheckDurable returns an error if the server may lose what it has committed
// when its machine fails: a revision number could then come to mean something
// else.
func CheckDurable(ctx context.Context, pool *pgxpool.Pool) error {
	for _, setting := range []string{"fsync", "full_page_writes"} {
		var value string
		if err := pool.QueryRow(ctx, "SELECT current_setting($1)", setting).Scan(&value); err != nil {
			return err
		}
		if value != "on" {
			return fmt.Errorf("%s is %s, so that committed revisions may be lost when the machine fails: turn it on, or allow an unsafe database", setting, value)
		}
	}
	return nil
}

//go:embed migrations/*.sql
var migrations embed.FS

// mostLockSeconds is how long to wait for another process that migrates.
const mostLockSeconds = 300

// Migrate applies the migrations that the database does not have yet, in order,
// each in a transaction of its own. It may run in many processes at once: one of
// them migrates, and the others wait for it, up to 5 minutes. It takes one
// connection of the pool at a time.
func Migrate(ctx context.Context, pool *pgxpool.Pool) (err error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, mostLockSeconds))
	if err != nil {
		return err
	}
	conns := stdlib.OpenDBFromPool(pool)
	defer func() { err = errors.Join(err, conns.Close()) }()
	provider, err := goose.NewProvider(goose.DialectPostgres, conns, files,
		goose.WithSessionLocker(locker), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate the database: %w", err)
	}
	return nil
}
