// Package plane keeps what those who follow the control planes last reported, in
// PostgreSQL, and says who runs which revision. Any number of processes may work
// on one database, and each knows what was reported to the others.
package plane

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"google.golang.org/protobuf/proto"

	"github.com/strata-exp/strata/controlplane/internal/background"
	"github.com/strata-exp/strata/controlplane/internal/fault"
	"github.com/strata-exp/strata/controlplane/internal/relaxed"
	"github.com/strata-exp/strata/db/dbsqlc"
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
)

const (
	// missed is how many heartbeats a plane may miss before it is not connected.
	missed = 3
	// keep is for how long planes are known that do not report any more.
	keep = 24 * time.Hour
	// cleanEvery is how often the others are removed.
	cleanEvery = 10 * time.Minute
)

// Store keeps the status of planes. It is safe for concurrent use.
type Store struct {
	pool *pgxpool.Pool
	// lease is for how long a report says that a plane is connected.
	lease     time.Duration
	heartbeat time.Duration
	log       *slog.Logger

	mu       sync.Mutex
	lookouts map[string]*lookout
}

// New returns a store on a database that has been migrated. Planes report once
// in each heartbeat.
func New(pool *pgxpool.Pool, heartbeat time.Duration, log *slog.Logger) *Store {
	return &Store{pool: pool, lease: missed * heartbeat, heartbeat: heartbeat, log: log, lookouts: map[string]*lookout{}}
}

// Report keeps how a follower of an environment is, which signs with an access
// key. It does not wait for the disk, as what is lost will be reported again. The
// status was checked by the rules of its schema.
func (s *Store) Report(ctx context.Context, environment, accessKey string, status *servingv1.Status) error {
	data, err := proto.Marshal(status)
	if err != nil {
		return err
	}
	rows, err := relaxed.Exec(ctx, s.pool, func(q *dbsqlc.Queries) error {
		_, err := q.ReportPlane(ctx, dbsqlc.ReportPlaneParams{
			Environment: environment, Instance: status.GetInstance(), AccessKey: accessKey, Status: data,
			Epoch: status.GetEpoch(), ActiveRevision: status.GetActiveRevision(),
		})
		return err
	})
	if err == nil && rows == 0 || deletedMeanwhile(err) {
		return fault.NoEnvironment(environment)
	}
	if err != nil {
		return fault.Of(ctx, err)
	}
	s.nudge(environment)
	return nil
}

// Reported returns when a follower that signs with an access key last reported, at
// whichever control plane; the zero time if it never has.
func (s *Store) Reported(ctx context.Context, environment, accessKey, instance string) (time.Time, error) {
	row, err := dbsqlc.New(s.pool).GetReportTime(ctx, dbsqlc.GetReportTimeParams{
		Environment: environment, Instance: instance, AccessKey: accessKey,
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return time.Time{}, nil
	} else if err != nil {
		return time.Time{}, fault.Of(ctx, err)
	}
	return time.Now().Add(row.ReportedAt.Sub(row.Now)), nil // by this machine's clock
}

// deletedMeanwhile reports whether a report failed because its environment was
// deleted while it was written.
func deletedMeanwhile(err error) bool {
	const foreignKey = "23503"
	broken, ok := errors.AsType[*pgconn.PgError](err)
	return ok && broken.Code == foreignKey
}

// Run removes those who have not reported for a day, until ctx ends. It goes on
// whatever happens to the database.
func (s *Store) Run(ctx context.Context) error {
	background.Run(ctx, s.log, background.Task{Name: "forget planes that are gone", Every: cleanEvery, Do: s.clean})
	return nil
}

func (s *Store) clean(ctx context.Context) error {
	q := dbsqlc.New(s.pool)
	now, err := q.Now(ctx)
	if err != nil {
		return err
	}
	_, err = q.DeletePlanes(ctx, now.Add(-keep))
	return err
}
