package revision

import (
	"context"
	"time"

	"github.com/strata-exp/strata/db/dbsqlc"
)

const (
	// compactEvery is how often history is compacted.
	compactEvery = time.Hour
	// keepTime and keepRevisions are what is kept whole: both.
	keepTime      = 7 * 24 * time.Hour
	keepRevisions = 10_000
	// compactRows is how many rows one transaction removes.
	compactRows = 5000
)

// compact compacts history from time to time, until ctx ends.
func (s *Store) compact(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(jitter(compactEvery)):
		}
		if err := s.Compact(ctx, keepTime, keepRevisions); err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "history was not compacted; trying again later", "error", err)
		}
	}
}

// Compact removes the contents of revisions that are older than an age and not
// among the newest, and the idempotency keys of that age. Floors move first, so
// that nobody reads what is half gone; it can be broken off at any point.
func (s *Store) Compact(ctx context.Context, age time.Duration, newest int64) error {
	q := s.queries()
	now, err := q.Now(ctx)
	if err != nil {
		return err
	}
	before := now.Add(-age)
	if _, err := q.DeleteApplyRequestsBefore(ctx, before); err != nil {
		return err
	}
	heads, err := q.ListHeads(ctx)
	if err != nil {
		return err
	}
	for _, head := range heads {
		floor, err := q.FloorCandidate(ctx, dbsqlc.FloorCandidateParams{EnvID: head.EnvID, Before: before, Until: head.Revision - newest})
		if err != nil {
			return err
		}
		if floor <= 1 {
			continue
		}
		if err := s.compactOne(ctx, q, head.EnvID, floor); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) compactOne(ctx context.Context, q *dbsqlc.Queries, envID, floor int64) error {
	if err := q.MoveFloor(ctx, dbsqlc.MoveFloorParams{EnvID: envID, Floor: floor}); err != nil {
		return err
	}
	for {
		removed, err := q.CompactChanges(ctx, dbsqlc.CompactChangesParams{EnvID: envID, Floor: floor, MaxRows: compactRows})
		if err != nil {
			return err
		}
		if removed == 0 {
			break
		}
	}
	_, err := q.CompactPlans(ctx, dbsqlc.CompactPlansParams{EnvID: envID, Floor: floor})
	return err
}
