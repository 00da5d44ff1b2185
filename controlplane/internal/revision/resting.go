package revision

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/strata-exp/strata/controlplane/internal/state"
	"github.com/strata-exp/strata/db/dbsqlc"
	"github.com/strata-exp/strata/sdk/go/engine"
)

// owner is who a slot is given to, or held for.
type owner struct{ eid, vid int32 }

// owners returns who the slots of a layer belong to, held ones included, whether
// it is enabled or not.
func owners(s *state.State, layerID string) *[engine.Slots]owner {
	all := &[engine.Slots]owner{}
	for _, r := range s.Layer(layerID).GetRanges() {
		o := owner{s.ExperimentOf(r.GetVid()).GetEid(), r.GetVid()}
		for slot := r.GetStart(); slot < r.GetEnd(); slot++ {
			all[slot] = o
		}
	}
	for _, x := range s.Holding(layerID) {
		for _, r := range x.GetHeld() {
			for slot := r.GetStart(); slot < r.GetEnd(); slot++ {
				all[slot] = owner{x.GetEid(), r.GetVid()}
			}
		}
	}
	return all
}

// rests is what rests in the layers that a change gives slots in, or takes them
// from.
type rests struct {
	cooling time.Duration
	known   map[string][]dbsqlc.RestingSlot
	next    map[string][]dbsqlc.RestingSlot // what becomes of known
}

// before returns what rested in a layer before the change.
func (r *rests) before(layerID string) []Rest { return restsOf(r.known[layerID], r.cooling) }

func restsOf(rows []dbsqlc.RestingSlot, cooling time.Duration) []Rest {
	all := make([]Rest, len(rows))
	for i, row := range rows {
		all[i] = Rest{Start: row.StartSlot, End: row.EndSlot, EID: row.Eid, VID: row.Vid, Until: row.FreedAt.Add(cooling)}
	}
	return all
}

// rests finds what comes to rest by a change, and what no longer does.
func (t *transaction) rests(ctx context.Context, result *state.Result, now time.Time) (*rests, error) {
	r := &rests{cooling: t.cooling(), next: map[string][]dbsqlc.RestingSlot{}}
	type change struct{ before, after *[engine.Slots]owner }
	changed := map[string]change{}
	for layerID := range layersOf(result.Touched) {
		if t.state.Layer(layerID) == nil {
			continue // nothing can have been given up in it
		}
		c := change{owners(t.state, layerID), owners(result.State, layerID)}
		if *c.before != *c.after || result.State.Layer(layerID) == nil {
			changed[layerID] = c
		}
	}
	if len(changed) == 0 {
		return r, nil
	}
	var err error
	if r.known, err = t.listResting(ctx, now, slices.Sorted(maps.Keys(changed))...); err != nil {
		return nil, err
	}
	for layerID, c := range changed {
		next := []dbsqlc.RestingSlot(nil)
		if result.State.Layer(layerID) != nil { // else another one of this id would have another salt
			next = settle(t.env.EnvID, layerID, r.known[layerID], c.before, c.after, now)
		}
		if !slices.Equal(next, r.known[layerID]) {
			r.next[layerID] = next
		}
	}
	return r, nil
}

// layersOf returns the layers whose slots may belong to others than before.
func layersOf(touched []state.Touch) map[string]bool {
	layers := map[string]bool{}
	for _, t := range touched {
		switch t.ID.Kind {
		case state.KindLayer:
			layers[t.ID.Key] = true
		case state.KindExperiment:
			for _, r := range []*state.Resource{t.Before, t.After} {
				if x := r.Experiment(); len(x.GetHeld()) > 0 {
					layers[x.GetLayerId()] = true
				}
			}
		}
	}
	return layers
}

// settle returns what rests after a change: what an experiment has given up to
// nobody, and what rested before and nobody took.
func settle(envID int64, layerID string, known []dbsqlc.RestingSlot, before, after *[engine.Slots]owner, now time.Time) []dbsqlc.RestingSlot {
	type rest struct {
		owner
		since time.Time
	}
	var slots [engine.Slots]rest
	for _, row := range known {
		for slot := row.StartSlot; slot < row.EndSlot; slot++ {
			slots[slot] = rest{owner{row.Eid, row.Vid}, row.FreedAt}
		}
	}
	var next []dbsqlc.RestingSlot
	for slot := range slots {
		switch {
		case after[slot].eid != 0:
			continue
		case before[slot].eid != 0:
			slots[slot] = rest{before[slot], now}
		case slots[slot].eid == 0:
			continue
		}
		r, last := slots[slot], len(next)-1
		if last >= 0 && next[last].EndSlot == int32(slot) && next[last].Eid == r.eid && next[last].Vid == r.vid && next[last].FreedAt.Equal(r.since) {
			next[last].EndSlot++
			continue
		}
		next = append(next, dbsqlc.RestingSlot{
			EnvID: envID, LayerID: layerID, StartSlot: int32(slot), EndSlot: int32(slot) + 1, Eid: r.eid, Vid: r.vid, FreedAt: r.since,
		})
	}
	return next
}

// write queues what has changed.
func (r *rests) write(ctx context.Context, q *dbsqlc.Queries, envID int64) error {
	if len(r.next) == 0 {
		return nil
	}
	layerIDs := slices.Sorted(maps.Keys(r.next))
	insert := dbsqlc.InsertRestingParams{EnvID: envID}
	for _, layerID := range layerIDs {
		for _, row := range r.next[layerID] {
			insert.LayerIds = append(insert.LayerIds, layerID)
			insert.StartSlots, insert.EndSlots = append(insert.StartSlots, row.StartSlot), append(insert.EndSlots, row.EndSlot)
			insert.Eids, insert.Vids = append(insert.Eids, row.Eid), append(insert.Vids, row.Vid)
			insert.FreedAts = append(insert.FreedAts, row.FreedAt)
		}
	}
	err := q.DeleteResting(ctx, dbsqlc.DeleteRestingParams{EnvID: envID, LayerIds: layerIDs})
	if len(insert.LayerIds) > 0 {
		err = errors.Join(err, q.InsertResting(ctx, insert))
	}
	return err
}

func coolingOf(env dbsqlc.Environment) time.Duration {
	return time.Duration(env.CoolingSeconds) * time.Second
}

func (t *transaction) cooling() time.Duration { return coolingOf(t.env) }

// listResting returns what rests in layers as the requests before have left it.
func (t *transaction) listResting(ctx context.Context, now time.Time, layerIDs ...string) (map[string][]dbsqlc.RestingSlot, error) {
	all := map[string][]dbsqlc.RestingSlot{}
	var unknown []string
	for _, layerID := range layerIDs {
		if rows, ok := t.resting[layerID]; ok {
			all[layerID] = rows
		} else {
			unknown = append(unknown, layerID)
		}
	}
	if len(unknown) == 0 {
		return all, nil
	}
	rows, err := t.q.ListResting(ctx, dbsqlc.ListRestingParams{EnvID: t.env.EnvID, LayerIds: unknown, After: now.Add(-t.cooling())})
	for _, row := range rows {
		all[row.LayerID] = append(all[row.LayerID], row)
	}
	return all, err
}

// Resting returns the slots of a layer that rest now, by start.
func (s *Store) Resting(ctx context.Context, environment, layerID string) ([]Rest, error) {
	q := s.queries()
	row, now, err := s.getNow(ctx, q, environment)
	if err != nil {
		return nil, failure(ctx, err)
	}
	cooling := coolingOf(row.Environment)
	rows, err := q.ListResting(ctx, dbsqlc.ListRestingParams{
		EnvID: row.Environment.EnvID, LayerIds: []string{layerID}, After: now.Add(-cooling),
	})
	return restsOf(rows, cooling), failure(ctx, err)
}

// RestingSlots returns how many slots of each layer rest now; layers without any
// are left out.
func (s *Store) RestingSlots(ctx context.Context, environment string) (map[string]int32, error) {
	q := s.queries()
	row, now, err := s.getNow(ctx, q, environment)
	if err != nil {
		return nil, failure(ctx, err)
	}
	cooling := coolingOf(row.Environment)
	counts, err := q.CountResting(ctx, dbsqlc.CountRestingParams{EnvID: row.Environment.EnvID, After: now.Add(-cooling)})
	if err != nil {
		return nil, failure(ctx, err)
	}
	slots := make(map[string]int32, len(counts))
	for _, c := range counts {
		slots[c.LayerID] = c.Slots
	}
	return slots, nil
}
