package revision

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/strata-exp/strata/controlplane/internal/state"
	"github.com/strata-exp/strata/db/dbsqlc"
)

const (
	// recent is how many states of an environment are kept, so that a follower
	// that is a little behind gets the difference. They share what is equal.
	recent = 128
	// mostChanges is how many revisions are followed one by one before it is
	// cheaper to read everything.
	mostChanges = 500
)

// line is the newest revisions of one environment in memory.
type line struct {
	mu      sync.Mutex
	states  []*state.State // oldest first
	changed chan struct{}  // closed at the next change
	ended   bool
	// looked is when the database was last seen to have nothing later, in
	// nanoseconds since 1970.
	looked atomic.Int64
}

// head returns the newest state, nil if none is known.
func (l *line) head() *state.State {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.states) == 0 {
		return nil
	}
	return l.states[len(l.states)-1]
}

// at returns the state at a revision, nil if it is not at hand.
func (l *line) at(revision int64) *state.State {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.states {
		if s.Revision() == revision {
			return s
		}
	}
	return nil
}

// put makes a state the newest one, unless a later one is known. anew drops all
// earlier ones first: they belong to a history that has ended.
func (l *line) put(s *state.State, anew bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if anew {
		l.states = slices.DeleteFunc(l.states, func(old *state.State) bool { return !later(old.Version(), s.Version()) })
	}
	if n := len(l.states); n > 0 && !later(s.Version(), l.states[n-1].Version()) {
		return
	}
	if len(l.states) == recent {
		l.states = append(l.states[:0], l.states[1:]...)
	}
	l.states = append(l.states, s)
	l.signal()
}

func (l *line) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	l.signal()
}

func (l *line) signal() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// wait returns a channel that is closed at the next change, and whether the
// environment is gone.
func (l *line) wait() (changed <-chan struct{}, ended bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.changed, l.ended
}

// errMoved says that what was read is of a later revision than the head that was
// read before it.
var errMoved = errors.New("the environment moved on")

// errLost says that the database has lost revisions that were known here. A new
// epoch has to begin before anything else happens.
var errLost = errors.New("the database has lost revisions")

// follow returns the state that a head stands for. It reads what is missing
// through q, and checks it against the head's checksum. locked says that nobody
// can move the head meanwhile, so that a state in memory that is newer is one
// that the database has lost: errLost.
func (s *Store) follow(ctx context.Context, q *dbsqlc.Queries, head dbsqlc.EnvironmentHead, locked bool) (*state.State, error) {
	l := s.line(head.EnvID)
	known := l.head()
	switch {
	case known == nil:
		return s.reload(ctx, q, head, false)
	case agrees(known, head):
		return known, nil
	case known.Version().Epoch < head.Epoch:
		return s.reload(ctx, q, head, true)
	case isLater(known, head) && !locked: // it moved after q looked
		if then := l.at(head.Revision); then != nil && agrees(then, head) {
			return then, nil
		}
		return load(ctx, q, head)
	case isLater(known, head), known.Revision() == head.Revision:
		return nil, errLost
	default:
		if gone, err := rewritten(ctx, q, known, head); err != nil {
			return nil, err
		} else if gone {
			return nil, errLost
		}
	}
	if head.Revision-known.Revision() <= mostChanges {
		rows, err := q.ListChanges(ctx, dbsqlc.ListChangesParams{EnvID: head.EnvID, After: known.Revision(), Until: head.Revision})
		if err != nil {
			return nil, err
		}
		next, err := advance(rows, known, head)
		if err == nil && agrees(next, head) {
			l.put(next, false)
			return next, nil
		}
		s.metrics.holes.Inc()
		s.log.ErrorContext(ctx, "the changelog does not lead to the head: everything is read anew",
			"revision", head.Revision, "known", known.Revision(), "error", err)
		return s.reload(ctx, q, head, true)
	}
	return s.reload(ctx, q, head, false)
}

// reload reads the state that a head stands for. anew says that what was known
// before belongs to a history that has ended.
func (s *Store) reload(ctx context.Context, q *dbsqlc.Queries, head dbsqlc.EnvironmentHead, anew bool) (*state.State, error) {
	next, err := load(ctx, q, head)
	if err != nil {
		return nil, err
	}
	if anew {
		s.past.drop(head.EnvID)
	}
	s.line(head.EnvID).put(next, anew)
	return next, nil
}

func agrees(s *state.State, head dbsqlc.EnvironmentHead) bool {
	checksum := s.Checksum()
	return s.Version().Epoch == head.Epoch && s.Revision() == head.Revision && bytes.Equal(checksum[:], head.Checksum)
}

// isLater reports whether a state is of a later place in the histories of an
// environment than a head.
func isLater(s *state.State, head dbsqlc.EnvironmentHead) bool {
	return later(s.Version(), versionOf(head))
}

func later(a, b state.Version) bool {
	return a.Epoch > b.Epoch || a.Epoch == b.Epoch && a.Revision > b.Revision
}

// advance makes the changes that lead from a state to a head.
func advance(rows []dbsqlc.ListChangesRow, from *state.State, head dbsqlc.EnvironmentHead) (*state.State, error) {
	newest := map[state.ID]dbsqlc.ListChangesRow{}
	for _, row := range rows {
		newest[state.ID{Kind: state.Kind(row.Kind), Key: row.Key}] = row
	}
	var put []*state.Resource
	var deleted []state.ID
	for id, row := range newest {
		if row.Payload == nil {
			deleted = append(deleted, id)
			continue
		}
		r, err := state.Decode(id, row.Payload,
			state.Version{Revision: row.CreateRevision, Time: row.CreatedAt},
			state.Version{Revision: row.Revision, Time: row.RevisedAt})
		if err != nil {
			return nil, err
		}
		put = append(put, r)
	}
	return from.Advance(versionOf(head), put, deleted)
}

// load reads a whole configuration. It fails with errMoved where that is no
// longer the head's, and q is not in a transaction that would prevent that.
func load(ctx context.Context, q *dbsqlc.Queries, head dbsqlc.EnvironmentHead) (*state.State, error) {
	rows, err := q.ListResources(ctx, head.EnvID)
	if err != nil {
		return nil, err
	}
	resources := make([]*state.Resource, len(rows))
	for i, row := range rows {
		if row.Revision > head.Revision {
			return nil, errMoved
		}
		resources[i], err = state.Decode(state.ID{Kind: state.Kind(row.Kind), Key: row.Key}, row.Payload,
			state.Version{Revision: row.CreateRevision, Time: row.CreatedAt},
			state.Version{Revision: row.Revision, Time: row.UpdatedAt})
		if err != nil {
			return nil, err
		}
	}
	next, err := state.Load(versionOf(head), resources)
	if err != nil {
		return nil, err
	}
	if !agrees(next, head) {
		return nil, fmt.Errorf("the resources of environment %d have the checksum %v, but revision %d has %x",
			head.EnvID, next.Checksum(), head.Revision, head.Checksum)
	}
	return next, nil
}

func versionOf(head dbsqlc.EnvironmentHead) state.Version {
	return state.Version{Epoch: head.Epoch, Revision: head.Revision, Time: head.UpdatedAt}
}

// current returns the newest state of an environment and its settings, read from
// the database.
func (s *Store) current(ctx context.Context, environment string) (*state.State, dbsqlc.GetEnvironmentRow, error) {
	head, row, err := s.look(ctx, environment)
	if errors.Is(err, errLost) {
		if err = s.renew(ctx, row.Environment.EnvID); err == nil {
			head, row, err = s.look(ctx, environment)
		}
	}
	return head, row, err
}

func (s *Store) look(ctx context.Context, environment string) (*state.State, dbsqlc.GetEnvironmentRow, error) {
	row, err := s.get(ctx, s.queries(), environment)
	if err != nil {
		return nil, row, err
	}
	known := s.line(row.EnvironmentHead.EnvID).head()
	if known != nil && agrees(known, row.EnvironmentHead) {
		return known, row, nil
	}
	// One snapshot, so that the head and what it stands for are read together.
	tx, err := s.pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return nil, row, err
	}
	defer rollback(ctx, tx)
	q := dbsqlc.New(tx)
	if row, err = s.get(ctx, q, environment); err != nil {
		return nil, row, err
	}
	if known != nil && isLater(known, row.EnvironmentHead) { // it was known before the database was read
		return nil, row, errLost
	}
	head, err := s.follow(ctx, q, row.EnvironmentHead, false)
	return head, row, err
}

// rollback ends a transaction that was only read, or that has failed.
func rollback(ctx context.Context, tx pgx.Tx) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = tx.Rollback(ctx) // a connection on which this fails is closed
}
