package access

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/strata-exp/strata/controlplane/internal/background"
	"github.com/strata-exp/strata/db/dbsqlc"
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
)

const (
	// pollEvery is how often the version of the keys is looked at.
	pollEvery = time.Second
	// flushEvery is how often it is written which keys were used.
	flushEvery = time.Minute
	// cleanEvery is how often expired nonces are removed.
	cleanEvery = time.Minute
	// lastFlush bounds the last time that this is written.
	lastFlush = 2 * time.Second
)

// Run keeps the ring current, and the tables tidy, until ctx ends. It goes on
// whatever happens to the database; the ring keeps what it has meanwhile.
func (s *Store) Run(ctx context.Context) error {
	background.Run(ctx, s.log,
		background.Task{Name: "follow access keys", Every: pollEvery, Do: s.follow},
		background.Task{Name: "note which access keys are used", Every: flushEvery, Do: s.flush},
		background.Task{Name: "remove expired nonces", Every: cleanEvery, Do: s.cleanNonces},
	)
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastFlush)
	defer cancel()
	if err := s.flush(end); err != nil {
		s.log.WarnContext(ctx, "it is not noted which access keys were used last", "error", err)
	}
	return nil
}

// follow loads the keys if they have changed.
func (s *Store) follow(ctx context.Context) error {
	version, err := s.queries().GetKeyVersion(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	loaded := s.loaded
	s.mu.Unlock()
	if version == loaded {
		return nil
	}
	if version < loaded {
		// The database was restored. Nobody who has seen later keys would take
		// earlier ones, or new ones under a number that was used before.
		s.log.WarnContext(ctx, "the database has lost changes of access keys", "version", version, "known", loaded)
		if err := s.queries().RaiseKeyVersion(ctx, loaded+1); err != nil {
			return err
		}
	}
	return s.Load(ctx)
}

// Load puts all keys that can be used into the ring.
func (s *Store) Load(ctx context.Context) error {
	var version int64
	var rows []dbsqlc.ListKeysInUseRow
	// One snapshot, so that the keys are those of the version.
	snapshot := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err := pgx.BeginTxFunc(ctx, s.pool, snapshot, func(tx pgx.Tx) (err error) {
		q := dbsqlc.New(tx)
		if version, err = q.GetKeyVersion(ctx); err != nil {
			return err
		}
		// The ring looks at the time itself: clocks differ.
		rows, err = q.ListKeysInUse(ctx, time.Now().Add(-leeway))
		return err
	})
	if err != nil {
		return err
	}
	keys := make([]*servingv1.PublicKey, len(rows))
	for i, row := range rows {
		keys[i] = publicKey(row)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if version > s.loaded { // else another load, which began later, was faster
		if err := s.ring.Set(version, keys); err != nil {
			s.log.ErrorContext(ctx, "access keys that can not be used", "error", err)
		}
		s.loaded = version
	}
	return nil
}

// changed brings the ring up to date after a change by this process. If that
// fails, Run catches up.
func (s *Store) changed(ctx context.Context) {
	if err := s.Load(ctx); err != nil {
		s.log.WarnContext(ctx, "a change of access keys is not in effect yet", "error", err)
	}
}
