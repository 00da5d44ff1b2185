// Package relaxed writes what may be lost when the machine of the database fails:
// it does not wait for the disk.
package relaxed

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/strata-exp/strata/db/dbsqlc"
)

// Sender sends batches. *pgxpool.Pool is one.
type Sender interface {
	SendBatch(ctx context.Context, batch *pgx.Batch) pgx.BatchResults
}

// Exec carries out one statement in a transaction of its own, in one round trip,
// and returns how many rows it wrote. Once it returns, everybody sees them; after
// a failure of the machine they may be gone, but only if everything that was
// committed after them is gone too.
//
// statement calls one method of the queries that returns no rows.
func Exec(ctx context.Context, pool Sender, statement func(q *dbsqlc.Queries) error) (rows int64, err error) {
	batch := &pgx.Batch{}
	batch.Queue("BEGIN")
	batch.Queue("SET LOCAL synchronous_commit = off")
	err = statement(dbsqlc.New(queue{batch, func(tag pgconn.CommandTag) error {
		rows = tag.RowsAffected()
		return nil
	}}))
	if err != nil {
		return 0, err
	}
	batch.Queue("COMMIT")
	err = pool.SendBatch(ctx, batch).Close()
	return rows, err
}

// queue puts a statement into a batch, and hands over what comes of it.
type queue struct {
	batch *pgx.Batch
	done  func(pgconn.CommandTag) error
}

var _ dbsqlc.DBTX = queue{}

var errNoAnswer = errors.New("the statement is queued, and has no answer yet")

func (q queue) Exec(_ context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	q.batch.Queue(sql, args...).Exec(q.done)
	return pgconn.CommandTag{}, nil
}

func (queue) Query(context.Context, string, ...any) (pgx.Rows, error) { return nil, errNoAnswer }

func (queue) QueryRow(context.Context, string, ...any) pgx.Row { return noRow{} }

type noRow struct{}

func (noRow) Scan(...any) error { return errNoAnswer }
