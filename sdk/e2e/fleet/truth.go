package fleet

import (
	"context"
	"slices"
	"time"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	"github.com/strata-exp/strata/sdk/e2e/history"
	"github.com/strata-exp/strata/sdk/go/engine"
	"github.com/strata-exp/strata/sdk/go/view"
)

// oracle reads what is right from a control plane, and remembers it.
type oracle struct {
	ctx       context.Context //nolint:containedctx // of the check that it is made for
	fleet     *Fleet
	epoch     int64
	snapshots map[int64]*configv1.Snapshot // nil: not to be had
	rulesets  map[int64]*engine.Ruleset
	hashes    map[string]map[int64]string
}

func (o *oracle) snapshot(revision int64) *configv1.Snapshot {
	s, ok := o.snapshots[revision]
	if ok || o.fleet.sparse > 0 && revision%o.fleet.sparse != 0 {
		return s
	}
	response, err := o.fleet.Admin.Revisions().Get(o.ctx, &adminv1.RevisionServiceGetRequest{
		Environment: Environment, At: &adminv1.RevisionServiceGetRequest_Revision{Revision: revision}, WithContents: true,
	})
	if err == nil {
		s = history.Snapshot(revision, response.GetContents())
	}
	o.snapshots[revision] = s
	return s
}

func (o *oracle) hash(scope string, at view.Position) (string, bool) {
	if at.Epoch != o.epoch {
		return "", false
	}
	if hash, ok := o.hashes[scope][at.Revision]; ok {
		return hash, true
	}
	s := o.snapshot(at.Revision)
	if s == nil {
		return "", false
	}
	entities, err := history.Encode(history.Project(s, scope))
	if err != nil {
		return "", false
	}
	if o.hashes[scope] == nil {
		o.hashes[scope] = map[int64]string{}
	}
	o.hashes[scope][at.Revision] = history.HashOf(entities)
	return o.hashes[scope][at.Revision], true
}

func (o *oracle) answer(revision int64, question string) (string, bool) {
	if o.fleet.lost {
		return "", false // the same revision may have been another one
	}
	ruleset, ok := o.rulesets[revision]
	if !ok {
		if s := o.snapshot(revision); s != nil {
			ruleset, _ = engine.Compile(nil, s) // what does not compile was never published
		}
		o.rulesets[revision] = ruleset
	}
	if ruleset == nil {
		return "", false
	}
	return expected(ruleset, question), true
}

// truth reads what the database says.
func (f *Fleet) truth(ctx context.Context) (*history.Truth, error) {
	got, err := f.Admin.Environments().Get(ctx, &adminv1.EnvironmentServiceGetRequest{Environment: Environment})
	if err != nil {
		return nil, err
	}
	t := &history.Truth{Floor: max(1, got.GetEnvironment().GetFloor()), Lost: f.lost}
	t.Head.Revision = got.GetEnvironment().GetRevision()
	token := ""
	for {
		page, err := f.Admin.Revisions().List(ctx, &adminv1.RevisionServiceListRequest{Environment: Environment, PageSize: 1000, PageToken: token})
		if err != nil {
			return nil, err
		}
		for _, r := range page.GetRevisions() {
			if r.GetRevision() >= t.Floor {
				t.Revisions = append(t.Revisions, history.Revision{
					Number: r.GetRevision(), Key: r.GetMessage(), Hash: r.GetHash(), Parent: r.GetParentHash(),
				})
			}
		}
		if token = page.GetNextPageToken(); token == "" {
			break
		}
	}
	slices.Reverse(t.Revisions)
	if t.Head.Epoch, err = f.epoch(ctx); err != nil {
		return nil, err
	}
	o := &oracle{
		ctx: ctx, fleet: f, epoch: t.Head.Epoch, snapshots: map[int64]*configv1.Snapshot{},
		rulesets: map[int64]*engine.Ruleset{}, hashes: map[string]map[int64]string{},
	}
	t.Hash, t.Answer = o.hash, o.answer
	return t, nil
}

// Check waits until everybody has the newest revision, and checks the history
// against what the database says. It returns how long the wait was.
func (f *Fleet) Check(within time.Duration, limits history.Limits, followers ...*Follower) time.Duration {
	f.t.Helper()
	took := f.AwaitHead(within, followers...)
	for _, v := range f.Violations(limits, followers...) {
		f.t.Errorf("%v", v)
	}
	return took
}

// Violations returns what is wrong with the history up to now.
func (f *Fleet) Violations(limits history.Limits, followers ...*Follower) []history.Violation {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), time.Minute)
	defer cancel()
	f.finals(ctx, followers)
	events := f.Recorder.Events()
	truth, err := f.truth(ctx)
	must(f.t, "read what is right", err)
	found := history.Check(events, truth, limits)
	const most = 20
	if len(found) > most {
		f.t.Logf("%d violations, of which these are the first", len(found))
		found = found[:most]
	}
	return found
}
