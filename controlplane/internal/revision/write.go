package revision

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"google.golang.org/protobuf/proto"

	"github.com/strata-exp/strata/controlplane/internal/state"
	"github.com/strata-exp/strata/db/dbsqlc"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
)

// queue puts statements into a batch, which is sent and answered as one: so a
// revision takes one round trip, whatever it writes. It can not be asked
// anything.
type queue struct{ batch *pgx.Batch }

var _ dbsqlc.DBTX = queue{}

var errQueue = errors.New("a queue has no answers")

func (q queue) Exec(_ context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	q.batch.Queue(sql, args...)
	return pgconn.CommandTag{}, nil
}

func (q queue) Query(context.Context, string, ...any) (pgx.Rows, error) { return nil, errQueue }

func (q queue) QueryRow(context.Context, string, ...any) pgx.Row { return noRow{} }

type noRow struct{}

func (noRow) Scan(...any) error { return errQueue }

// writeRevision writes a revision, what it changes, and the new head.
func writeRevision(ctx context.Context, q *dbsqlc.Queries, row dbsqlc.InsertRevisionParams, touched []state.Touch) error {
	put := dbsqlc.PutResourcesParams{EnvID: row.EnvID, Revision: row.Revision, UpdatedAt: row.CreatedAt}
	gone := dbsqlc.DeleteResourcesParams{EnvID: row.EnvID}
	log := dbsqlc.InsertChangesParams{EnvID: row.EnvID, Revision: row.Revision}
	for i, t := range touched {
		kind, key := int16(t.ID.Kind), t.ID.Key
		created, payload := state.Version{Time: row.CreatedAt}, []byte(nil)
		if t.After == nil {
			gone.Kinds, gone.Keys = append(gone.Kinds, kind), append(gone.Keys, key)
		} else {
			created, payload = t.After.Created, t.After.Payload
			put.Kinds, put.Keys = append(put.Kinds, kind), append(put.Keys, key)
			put.Payloads = append(put.Payloads, payload)
			put.CreateRevisions = append(put.CreateRevisions, created.Revision)
			put.CreatedAts = append(put.CreatedAts, created.Time)
		}
		log.Ordinals = append(log.Ordinals, int32(i))
		log.Kinds, log.Keys = append(log.Kinds, kind), append(log.Keys, key)
		log.Payloads = append(log.Payloads, payload)
		log.CreateRevisions = append(log.CreateRevisions, created.Revision)
		log.CreatedAts = append(log.CreatedAts, created.Time)
	}
	var errs []error
	if len(gone.Keys) > 0 {
		errs = append(errs, q.DeleteResources(ctx, gone))
	}
	if len(put.Keys) > 0 {
		errs = append(errs, q.PutResources(ctx, put))
	}
	errs = append(errs, q.InsertRevision(ctx, row))
	if len(touched) > 0 {
		errs = append(errs, q.InsertChanges(ctx, log))
	}
	errs = append(errs, q.MoveHead(ctx, dbsqlc.MoveHeadParams{
		EnvID: row.EnvID, Revision: row.Revision, Checksum: row.Checksum, Hash: row.Hash, UpdatedAt: row.CreatedAt,
	}))
	return errors.Join(errs...)
}

func planOf(stored []byte) (*adminv1.Plan, error) {
	plan := &adminv1.Plan{}
	return plan, proto.Unmarshal(stored, plan)
}

// micro cuts a time to what the database keeps.
func micro(t time.Time) time.Time { return t.Truncate(time.Microsecond) }
