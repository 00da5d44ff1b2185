package revision

import (
	"container/list"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/strata-exp/strata/controlplane/internal/fault"
	"github.com/strata-exp/strata/controlplane/internal/state"
	"github.com/strata-exp/strata/db/dbsqlc"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/internal/rpc"
)

// Head returns the newest state of an environment. It has all that was
// acknowledged before the call, whichever process wrote it.
func (s *Store) Head(ctx context.Context, environment string) (*state.State, error) {
	head, _, err := s.current(ctx, environment)
	return head, failure(ctx, err)
}

// At returns the state at a revision; 0 is the newest.
func (s *Store) At(ctx context.Context, environment string, revision int64) (*state.State, error) {
	head, row, err := s.current(ctx, environment)
	if err != nil {
		return nil, failure(ctx, err)
	}
	if revision == 0 || revision == head.Revision() {
		return head, nil
	}
	then, err := s.at(ctx, row, revision)
	return then, failure(ctx, err)
}

// AtTime returns the state that was the newest at a time.
func (s *Store) AtTime(ctx context.Context, environment string, at time.Time) (*state.State, error) {
	_, row, err := s.current(ctx, environment)
	if err != nil {
		return nil, failure(ctx, err)
	}
	found, err := s.queries().GetRevisionAtTime(ctx, dbsqlc.GetRevisionAtTimeParams{EnvID: row.Environment.EnvID, At: at})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, rpc.Refusef(adminv1.ErrorReason_ERROR_REASON_REVISION_NOT_FOUND, "at %s environment %s did not exist: it was created at %s",
			at.UTC().Format(time.RFC3339Nano), environment, row.Environment.CreatedAt.UTC().Format(time.RFC3339Nano))
	} else if err != nil {
		return nil, failure(ctx, err)
	}
	return s.At(ctx, environment, found.Revision)
}

// at returns the state at an earlier revision.
func (s *Store) at(ctx context.Context, row dbsqlc.GetEnvironmentRow, revision int64) (*state.State, error) {
	head := row.EnvironmentHead
	if revision < 1 || revision > head.Revision {
		return nil, fault.NoRevision(row.Environment.Name, revision, head.Revision)
	}
	if known := s.line(head.EnvID).at(revision); known != nil {
		return known, nil
	}
	key := moment{head.EnvID, head.Epoch, revision}
	if known := s.past.get(key); known != nil {
		return known, nil
	}
	// One snapshot, so that nothing is compacted away between the floor and what
	// stands above it.
	tx, err := s.pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return nil, err
	}
	defer rollback(ctx, tx)
	q := dbsqlc.New(tx)
	if head, err = q.GetHead(ctx, head.EnvID); err != nil {
		return nil, missing(row.Environment.Name, err)
	}
	if revision < head.Floor {
		return nil, rpc.Refusef(adminv1.ErrorReason_ERROR_REASON_REVISION_COMPACTED,
			"the contents of revision %d of environment %s were compacted away: the oldest that are kept are those of revision %d",
			revision, row.Environment.Name, head.Floor)
	}
	entry, err := q.GetRevision(ctx, dbsqlc.GetRevisionParams{EnvID: head.EnvID, Revision: revision})
	if err != nil {
		return nil, err
	}
	rows, err := q.ListResourcesAt(ctx, dbsqlc.ListResourcesAtParams{EnvID: head.EnvID, Revision: revision})
	if err != nil {
		return nil, err
	}
	resources := make([]*state.Resource, len(rows))
	for i, row := range rows {
		resources[i], err = state.Decode(state.ID{Kind: state.Kind(row.Kind), Key: row.Key}, row.Payload,
			state.Version{Revision: row.CreateRevision, Time: row.CreatedAt},
			state.Version{Revision: row.Revision, Time: row.RevisedAt})
		if err != nil {
			return nil, err
		}
	}
	then, err := state.Load(state.Version{Epoch: head.Epoch, Revision: revision, Time: entry.CreatedAt}, resources)
	if err != nil {
		return nil, err
	}
	if checksum := then.Checksum(); string(checksum[:]) != string(entry.Checksum) {
		return nil, fmt.Errorf("the changelog of environment %s gives revision %d the checksum %v, but it had %x",
			row.Environment.Name, revision, checksum, entry.Checksum)
	}
	s.past.put(key, then)
	return then, nil
}

// Revisions returns revisions older than one, the newest first. 0 is from the
// newest on. If author is not empty, only theirs.
func (s *Store) Revisions(ctx context.Context, environment string, before int64, limit int, author string) ([]*adminv1.Revision, error) {
	q := s.queries()
	row, err := s.get(ctx, q, environment)
	if err != nil {
		return nil, failure(ctx, err)
	}
	if before == 0 {
		before = math.MaxInt64
	}
	rows, err := q.ListRevisions(ctx, dbsqlc.ListRevisionsParams{
		EnvID: row.Environment.EnvID, Before: before, Author: author, MaxRows: int32(limit),
	})
	if err != nil {
		return nil, failure(ctx, err)
	}
	all := make([]*adminv1.Revision, len(rows))
	for i, r := range rows {
		all[i] = message(dbsqlc.Revision{
			Revision: r.Revision, Checksum: r.Checksum, Hash: r.Hash, ParentHash: r.ParentHash,
			Author: r.Author, Message: r.Message, Origin: r.Origin, OriginRevision: r.OriginRevision,
			OriginEnvironment: r.OriginEnvironment, ChangeCount: r.ChangeCount, CreatedAt: r.CreatedAt,
		})
	}
	return all, nil
}

// Revision returns one revision with its plan; 0 is the newest. A plan that was
// compacted away is nil.
func (s *Store) Revision(ctx context.Context, environment string, revision int64) (*Entry, error) {
	q := s.queries()
	row, err := s.get(ctx, q, environment)
	if err != nil {
		return nil, failure(ctx, err)
	}
	if revision == 0 {
		revision = row.EnvironmentHead.Revision
	}
	found, err := q.GetRevision(ctx, dbsqlc.GetRevisionParams{EnvID: row.Environment.EnvID, Revision: revision})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, fault.NoRevision(environment, revision, row.EnvironmentHead.Revision)
	} else if err != nil {
		return nil, failure(ctx, err)
	}
	entry := &Entry{Revision: message(found)}
	if found.Plan != nil {
		entry.Plan, err = planOf(found.Plan)
	}
	return entry, err
}

func message(r dbsqlc.Revision) *adminv1.Revision {
	return &adminv1.Revision{
		Revision: r.Revision, Checksum: hex.EncodeToString(r.Checksum),
		Hash: hex.EncodeToString(r.Hash), ParentHash: hex.EncodeToString(r.ParentHash),
		Author: r.Author, Message: r.Message, CreateTime: timestamppb.New(r.CreatedAt),
		Origin: adminv1.RevisionOrigin(r.Origin), OriginRevision: r.OriginRevision,
		OriginEnvironment: r.OriginEnvironment, ChangeCount: r.ChangeCount,
	}
}

// moment names a state. The epoch is part of it as a revision means something
// else in another history; where one was lost, drop forgets its states.
type moment struct {
	envID    int64
	epoch    int64
	revision int64
}

// pastStates is how many earlier states are kept. One of 10,000 layers takes some
// 50 MB.
const pastStates = 8

// past keeps the earlier states that were asked for lately.
type past struct {
	mu    sync.Mutex
	order *list.List // of pastState, the last used first
	byKey map[moment]*list.Element
}

type pastState struct {
	key   moment
	state *state.State
}

func newPast() *past { return &past{order: list.New(), byKey: map[moment]*list.Element{}} }

func (p *past) get(key moment) *state.State {
	p.mu.Lock()
	defer p.mu.Unlock()
	element, ok := p.byKey[key]
	if !ok {
		return nil
	}
	p.order.MoveToFront(element)
	return element.Value.(pastState).state //nolint:forcetypeassert // the list has nothing else
}

func (p *past) put(key moment, s *state.State) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.byKey[key]; ok {
		return
	}
	p.byKey[key] = p.order.PushFront(pastState{key, s})
	if p.order.Len() > pastStates {
		last := p.order.Back()
		delete(p.byKey, p.order.Remove(last).(pastState).key) //nolint:forcetypeassert // as above
	}
}

// drop forgets the states of an environment.
func (p *past) drop(envID int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for key, element := range p.byKey {
		if key.envID == envID {
			p.order.Remove(element)
			delete(p.byKey, key)
		}
	}
}
