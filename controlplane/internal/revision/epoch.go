package revision

import (
	"bytes"
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/strata-exp/strata/controlplane/internal/state"
	"github.com/strata-exp/strata/db/dbsqlc"
)

// TokenKey returns the key that all control planes of the database share, and
// nobody else has.
func (s *Store) TokenKey(ctx context.Context) ([]byte, error) { return s.queries().GetTokenKey(ctx) }

// renew begins a new epoch if the database has lost revisions that are known
// here, and reads what it has instead.
func (s *Store) renew(ctx context.Context, envID int64) error {
	known := s.line(envID).head()
	if known == nil {
		return nil
	}
	return s.beginEpoch(ctx, envID, known.Version(), func(q *dbsqlc.Queries, head dbsqlc.EnvironmentHead) (bool, error) {
		if isLater(known, head) {
			return true, nil
		}
		return rewritten(ctx, q, known, head)
	})
}

// rewritten reports whether the history of a head does not have a state in it
// that is known to have been of the same epoch.
func rewritten(ctx context.Context, q *dbsqlc.Queries, known *state.State, head dbsqlc.EnvironmentHead) (bool, error) {
	if known.Version().Epoch != head.Epoch {
		return false, nil
	}
	row, err := q.GetRevision(ctx, dbsqlc.GetRevisionParams{EnvID: head.EnvID, Revision: known.Revision()})
	if errors.Is(err, pgx.ErrNoRows) {
		return true, nil
	}
	checksum := known.Checksum()
	return !bytes.Equal(row.Checksum, checksum[:]), err
}

// BeginEpoch begins a new epoch of an environment if what somebody was sent
// before proves that revisions were lost: a state later than the newest one, or,
// where differs says so, one of which the environment has other contents now.
// Everybody who follows it then gets all of it anew. Whoever asks has to have
// made sure that the proof is genuine.
func (s *Store) BeginEpoch(ctx context.Context, environment string, seen state.Version, differs bool) error {
	row, err := s.get(ctx, s.queries(), environment)
	if err != nil {
		return failure(ctx, err)
	}
	err = s.beginEpoch(ctx, row.Environment.EnvID, seen, func(_ *dbsqlc.Queries, head dbsqlc.EnvironmentHead) (bool, error) {
		return seen.Epoch > head.Epoch || seen.Epoch == head.Epoch && (differs || seen.Revision > head.Revision), nil
	})
	return failure(ctx, err)
}

func (s *Store) beginEpoch(
	ctx context.Context, envID int64, seen state.Version, lost func(*dbsqlc.Queries, dbsqlc.EnvironmentHead) (bool, error),
) error {
	tx, err := s.pool.BeginTx(ctx, pgx.TxOptions{})
	if err != nil {
		return err
	}
	defer rollback(ctx, tx)
	q := dbsqlc.New(tx)
	head, err := q.LockHead(ctx, envID)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil // deleted meanwhile
	} else if err != nil {
		return err
	}
	if yes, err := lost(q, head); err != nil || !yes {
		return err
	}
	if head.Epoch, err = q.NextEpoch(ctx, max(head.Epoch, seen.Epoch)); err != nil {
		return err
	}
	if err := q.MoveEpoch(ctx, dbsqlc.MoveEpochParams{EnvID: envID, Epoch: head.Epoch}); err != nil {
		return err
	}
	next, err := load(ctx, q, head)
	if err != nil {
		return err
	}
	if err := tx.Commit(ctx); err != nil {
		return err
	}
	s.metrics.epochs.Inc()
	s.log.ErrorContext(ctx, "the database has lost revisions: a new epoch begins, and everyone is sent everything anew",
		"environment_id", envID, "revision", head.Revision, "epoch", head.Epoch, "seen_revision", seen.Revision, "seen_epoch", seen.Epoch)
	s.past.drop(envID)
	s.line(envID).put(next, true)
	signal(s.dirty)
	return nil
}
