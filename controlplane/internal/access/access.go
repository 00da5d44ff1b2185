// Package access keeps the public keys by which programs sign their calls, and
// the signatures that were used, in PostgreSQL. No secret is kept anywhere.
//
// Any number of processes may work on one database: those that change keys are
// put in order by a lock, and each process follows the version of the keys to
// have all of them in memory.
package access

import (
	"log/slog"
	"sync"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/strata-exp/strata/db/dbsqlc"
	"github.com/strata-exp/strata/internal/auth"
)

// Store keeps access keys. It is safe for concurrent use.
type Store struct {
	pool *pgxpool.Pool
	ring *auth.Keyring
	log  *slog.Logger
	used *used

	mu sync.Mutex
	// loaded is the version of the keys in the ring; 0 before the first.
	loaded int64
}

// New returns a store on a database that has been migrated. The ring has keys
// after Load, and follows what other processes change while Run runs.
func New(pool *pgxpool.Pool, ring *auth.Keyring, log *slog.Logger) *Store {
	return &Store{pool: pool, ring: ring, log: log, used: newUsed()}
}

func (s *Store) queries() *dbsqlc.Queries { return dbsqlc.New(s.pool) }
