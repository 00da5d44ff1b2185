package revision

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/strata-exp/strata/controlplane/internal/state"
	"github.com/strata-exp/strata/db/dbsqlc"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/internal/rpc"
)

// defaultCooling is how long slots rest where an environment does not say.
const defaultCooling = 7 * 24 * time.Hour

// CreateEnvironment makes an environment and its first, empty revision.
func (s *Store) CreateEnvironment(ctx context.Context, e *adminv1.Environment, validateOnly bool, author string) (*adminv1.Environment, error) {
	if err := wholeSeconds(e); err != nil {
		return nil, err
	}
	created, err := s.createEnvironment(ctx, e, validateOnly, author)
	return created, failure(ctx, err)
}

func (s *Store) createEnvironment(ctx context.Context, e *adminv1.Environment, validateOnly bool, author string) (*adminv1.Environment, error) {
	tx, err := s.pool.Begin(ctx)
	if err != nil {
		return nil, err
	}
	defer rollback(ctx, tx)
	q := dbsqlc.New(tx)
	now, err := q.Now(ctx)
	if err != nil {
		return nil, err
	}
	cooling := int64(defaultCooling / time.Second)
	if e.CoolingPeriod != nil {
		cooling = e.GetCoolingPeriod().GetSeconds()
	}
	now = micro(now)
	envID, err := q.InsertEnvironment(ctx, dbsqlc.InsertEnvironmentParams{
		Name: e.GetName(), Description: e.GetDescription(), CoolingSeconds: cooling, CreatedAt: now,
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, rpc.Refusef(adminv1.ErrorReason_ERROR_REASON_ALREADY_EXISTS, "environment %s exists already", e.GetName())
	} else if err != nil {
		return nil, err
	}
	checksum := state.Empty(state.Version{Revision: 1, Time: now}).Checksum()
	first := dbsqlc.InsertRevisionParams{
		EnvID: envID, Revision: 1, Checksum: checksum[:], ParentHash: []byte{}, CreatedAt: now, Author: author,
		Message: "Create environment " + e.GetName(), Origin: int16(adminv1.RevisionOrigin_REVISION_ORIGIN_CREATE), Plan: []byte{},
	}
	first.Hash = chain(first)
	epoch, err := q.NextEpoch(ctx, 0)
	if err != nil {
		return nil, err
	}
	err = q.InsertHead(ctx, dbsqlc.InsertHeadParams{
		EnvID: envID, Revision: 1, Checksum: first.Checksum, Hash: first.Hash, UpdatedAt: now, Epoch: epoch,
	})
	if err != nil {
		return nil, err
	}
	if err := q.InsertRevision(ctx, first); err != nil {
		return nil, err
	}
	row, err := s.get(ctx, q, e.GetName())
	if err != nil {
		return nil, err
	}
	if !validateOnly {
		err = tx.Commit(ctx)
	}
	return environment(row.Environment, row.EnvironmentHead, nil), err
}

// wholeSeconds refuses a cooling period that would have to be rounded.
func wholeSeconds(e *adminv1.Environment) error {
	if nanos := e.GetCoolingPeriod().GetNanos(); nanos != 0 {
		return rpc.Invalidf("environment.cooling_period", "want whole seconds")
	}
	return nil
}

// Environment returns an environment.
func (s *Store) Environment(ctx context.Context, name string) (*adminv1.Environment, error) {
	e, err := s.environmentIn(ctx, s.queries(), name)
	return e, failure(ctx, err)
}

// environmentIn returns an environment as a transaction sees it.
func (s *Store) environmentIn(ctx context.Context, q *dbsqlc.Queries, name string) (*adminv1.Environment, error) {
	row, err := s.get(ctx, q, name)
	if err != nil {
		return nil, err
	}
	counts, err := q.CountResources(ctx, []int64{row.Environment.EnvID})
	if err != nil {
		return nil, err
	}
	return environment(row.Environment, row.EnvironmentHead, counts), nil
}

// Environments returns environments by name, from the one after a name on, and
// how many there are in all. If among is not empty, there are no others.
func (s *Store) Environments(ctx context.Context, after string, limit int, among []string) (all []*adminv1.Environment, total int, err error) {
	q := s.queries()
	among = append([]string{}, among...) // nil would be NULL
	rows, err := q.ListEnvironments(ctx, dbsqlc.ListEnvironmentsParams{After: after, MaxRows: int32(limit), Among: among})
	if err != nil {
		return nil, 0, failure(ctx, err)
	}
	ids := make([]int64, len(rows))
	for i, row := range rows {
		ids[i] = row.Environment.EnvID
	}
	counts, err := q.CountResources(ctx, ids)
	if err != nil {
		return nil, 0, failure(ctx, err)
	}
	n, err := q.CountEnvironments(ctx, among)
	if err != nil {
		return nil, 0, failure(ctx, err)
	}
	for _, row := range rows {
		all = append(all, environment(row.Environment, row.EnvironmentHead, counts))
	}
	return all, int(n), nil
}

// UpdateEnvironment changes the settings that the mask names; empty is all.
func (s *Store) UpdateEnvironment(ctx context.Context, e *adminv1.Environment, mask []string, validateOnly bool) (*adminv1.Environment, error) {
	for _, path := range mask {
		if path != "description" && path != "cooling_period" {
			return nil, rpc.Invalidf("update_mask", "%q is nothing that can be changed, want some of description, cooling_period", path)
		}
	}
	if err := wholeSeconds(e); err != nil {
		return nil, err
	}
	var updated *adminv1.Environment
	err := s.locked(ctx, e.GetName(), e.GetEtag(), validateOnly, func(q *dbsqlc.Queries, row dbsqlc.LockEnvironmentRow) (err error) {
		set := dbsqlc.UpdateEnvironmentParams{
			EnvID: row.Environment.EnvID, Description: row.Environment.Description, CoolingSeconds: row.Environment.CoolingSeconds,
		}
		if len(mask) == 0 || slices.Contains(mask, "description") {
			set.Description = e.GetDescription()
		}
		if e.CoolingPeriod != nil && (len(mask) == 0 || slices.Contains(mask, "cooling_period")) {
			set.CoolingSeconds = e.GetCoolingPeriod().GetSeconds()
		}
		if err := q.UpdateEnvironment(ctx, set); err != nil {
			return err
		}
		updated, err = s.environmentIn(ctx, q, e.GetName())
		return err
	})
	return updated, failure(ctx, err)
}

// DeleteEnvironment removes an environment with its history. It must be empty
// unless force is set.
func (s *Store) DeleteEnvironment(ctx context.Context, name, etag string, force, validateOnly bool) error {
	var envID int64
	err := s.locked(ctx, name, etag, validateOnly, func(q *dbsqlc.Queries, row dbsqlc.LockEnvironmentRow) error {
		envID = row.Environment.EnvID
		counts, err := q.CountResources(ctx, []int64{envID})
		if err != nil {
			return err
		}
		if e := environment(row.Environment, row.EnvironmentHead, counts); !force && e.GetLayerCount()+e.GetExperimentCount() > 0 {
			return rpc.Refusef(adminv1.ErrorReason_ERROR_REASON_STILL_REFERENCED,
				"environment %s has %d layers and %d experiments: delete those first, or force it", name, e.GetLayerCount(), e.GetExperimentCount())
		}
		return q.DeleteEnvironment(ctx, envID)
	})
	if err == nil && !validateOnly {
		s.forget(envID)
	}
	return failure(ctx, err)
}

// locked runs f in a transaction that has locked an environment, and commits
// unless the request is only to be validated.
func (s *Store) locked(ctx context.Context, name, etag string, validateOnly bool, f func(*dbsqlc.Queries, dbsqlc.LockEnvironmentRow) error) error {
	tx, err := s.pool.Begin(ctx)
	if err != nil {
		return err
	}
	defer rollback(ctx, tx)
	q := dbsqlc.New(tx)
	row, err := q.LockEnvironment(ctx, name)
	if err != nil {
		return missing(name, err)
	}
	if current := etagOf(row.Environment); etag != "" && etag != current {
		return rpc.Refusef(adminv1.ErrorReason_ERROR_REASON_STALE_ETAG,
			"the etag %q is not the current one of environment %s: somebody changed its settings, so read it again", etag, name)
	}
	if err := f(q, row); err != nil || validateOnly {
		return err
	}
	return tx.Commit(ctx)
}

// get returns an environment's rows.
func (s *Store) get(ctx context.Context, q *dbsqlc.Queries, name string) (dbsqlc.GetEnvironmentRow, error) {
	row, err := q.GetEnvironment(ctx, name)
	return row, missing(name, err)
}

// getNow returns an environment's rows and the database's time.
func (s *Store) getNow(ctx context.Context, q *dbsqlc.Queries, name string) (dbsqlc.GetEnvironmentRow, time.Time, error) {
	row, err := s.get(ctx, q, name)
	if err != nil {
		return row, time.Time{}, err
	}
	now, err := q.Now(ctx)
	return row, now, err
}

func etagOf(e dbsqlc.Environment) string {
	return fmt.Sprintf("%d-%s", e.EnvID, strconv.FormatInt(e.Version, 10))
}

func environment(e dbsqlc.Environment, head dbsqlc.EnvironmentHead, counts []dbsqlc.CountResourcesRow) *adminv1.Environment {
	m := &adminv1.Environment{
		Name: e.Name, Description: e.Description,
		CoolingPeriod: &durationpb.Duration{Seconds: e.CoolingSeconds},
		Revision:      head.Revision, Floor: head.Floor, Checksum: hex.EncodeToString(head.Checksum),
		Etag: etagOf(e), CreateTime: timestamppb.New(e.CreatedAt), RevisionTime: timestamppb.New(head.UpdatedAt),
	}
	for _, c := range counts {
		if c.EnvID != e.EnvID {
			continue
		}
		switch state.Kind(c.Kind) {
		case state.KindLayer:
			m.LayerCount = c.Resources
		case state.KindExperiment:
			m.ExperimentCount = c.Resources
		case state.KindField:
			m.FieldCount = c.Resources
		case state.KindService:
			m.ServiceCount = c.Resources
		}
	}
	return m
}
