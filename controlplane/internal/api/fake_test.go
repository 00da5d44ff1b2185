package api

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/strata-exp/strata/controlplane/internal/revision"
	"github.com/strata-exp/strata/controlplane/internal/state"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/internal/rpc"
)

// fake is a store in memory. What changes lead to is up to the real state.State.
type fake struct {
	mu   sync.Mutex
	envs map[string]*line
	now  time.Time
	ids  int32
}

// line is an environment with its revisions, of which the first is 1.
type line struct {
	settings *adminv1.Environment
	states   []*state.State
	entries  []*revision.Entry
	resting  map[string][]revision.Rest
	answers  map[string]answered
}

type answered struct {
	body     [32]byte
	revision int64
	plan     *adminv1.Plan
}

var _ Store = (*fake)(nil)

func newFake() *fake {
	return &fake{envs: map[string]*line{}, now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), ids: 1000}
}

func (f *fake) line(name string) (*line, error) {
	l, ok := f.envs[name]
	if !ok {
		return nil, rpc.Refusef(adminv1.ErrorReason_ERROR_REASON_ENVIRONMENT_NOT_FOUND, "there is no environment %q", name)
	}
	return l, nil
}

func (l *line) head() *state.State { return l.states[len(l.states)-1] }

func (l *line) at(number int64) (*state.State, error) {
	if number == 0 {
		return l.head(), nil
	}
	if number < 1 || number > int64(len(l.states)) {
		return nil, rpc.Refusef(adminv1.ErrorReason_ERROR_REASON_REVISION_NOT_FOUND, "there is no revision %d", number)
	}
	return l.states[number-1], nil
}

func (f *fake) Apply(_ context.Context, r revision.Request) (*revision.Outcome, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	l, err := f.line(r.Environment)
	if err != nil {
		return nil, err
	}
	head := l.head()
	if before, ok := l.answers[r.IdempotencyKey]; ok && r.IdempotencyKey != "" {
		if before.body != r.Body {
			return nil, rpc.Refusef(adminv1.ErrorReason_ERROR_REASON_IDEMPOTENCY_KEY_REUSED, "another request")
		}
		return &revision.Outcome{Revision: before.revision, Plan: before.plan, State: head}, nil
	}
	if r.Expected != nil && *r.Expected != head.Revision() {
		return nil, rpc.Refusef(adminv1.ErrorReason_ERROR_REASON_STALE_REVISION, "at %d, not %d", head.Revision(), *r.Expected)
	}
	changes, err := r.Changes(revision.Head{State: head, Now: f.now, Resting: func(layerID string) ([]revision.Rest, error) {
		return l.resting[layerID], nil
	}})
	if err != nil {
		return nil, err
	}
	f.assign(changes)
	result, err := head.Apply(state.Version{Revision: head.Revision() + 1, Time: f.now}, changes)
	if err != nil {
		return nil, err
	}
	outcome := &revision.Outcome{Revision: head.Revision(), Plan: planOf(head, result.State), State: result.State, Changes: changes}
	if r.Checksum != "" && r.Checksum != result.State.Checksum().String() {
		return nil, rpc.Refusef(adminv1.ErrorReason_ERROR_REASON_PLAN_MISMATCH, "another checksum")
	}
	if r.ValidateOnly {
		return outcome, nil
	}
	if len(result.Touched) > 0 {
		l.add(result.State, &r, outcome.Plan)
		outcome.Revision++
		f.now = f.now.Add(time.Minute)
	}
	l.answers[r.IdempotencyKey] = answered{r.Body, outcome.Revision, outcome.Plan}
	return outcome, nil
}

func (f *fake) assign(changes []state.Change) {
	for i := range changes {
		x := changes[i].Experiment
		if x == nil {
			continue
		}
		if x.GetEid() == 0 {
			f.ids++
			x.Eid = f.ids
		}
		for _, v := range x.GetVariants() {
			if v.GetVid() == 0 {
				f.ids++
				v.Vid = f.ids
			}
		}
	}
}

func (l *line) add(s *state.State, r *revision.Request, plan *adminv1.Plan) {
	l.states = append(l.states, s)
	l.entries = append(l.entries, &revision.Entry{Plan: plan, Revision: &adminv1.Revision{
		Revision: s.Revision(), Author: r.Author, Message: r.Message, CreateTime: timestamppb.New(s.Version().Time),
		Checksum: s.Checksum().String(), Origin: cmp.Or(r.Origin, adminv1.RevisionOrigin_REVISION_ORIGIN_APPLY),
		OriginRevision: r.OriginRevision, OriginEnvironment: r.OriginEnvironment,
	}})
}

// planOf tells of the resources alone.
func planOf(before, after *state.State) *adminv1.Plan {
	plan := &adminv1.Plan{
		BaseRevision: before.Revision(), BaseChecksum: before.Checksum().String(), Checksum: after.Checksum().String(),
	}
	for _, t := range state.Compare(before, after) {
		d := &adminv1.ResourceDiff{Kind: adminv1.ResourceKind(t.ID.Kind), Id: t.ID.Key, Action: adminv1.ResourceDiff_ACTION_UPDATE}
		if t.Before == nil {
			d.Action = adminv1.ResourceDiff_ACTION_CREATE
		} else if t.After == nil {
			d.Action = adminv1.ResourceDiff_ACTION_DELETE
		}
		plan.Resources = append(plan.Resources, d)
	}
	return plan
}

func (f *fake) At(_ context.Context, environment string, number int64) (*state.State, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	l, err := f.line(environment)
	if err != nil {
		return nil, err
	}
	return l.at(number)
}

func (f *fake) AtTime(_ context.Context, environment string, t time.Time) (*state.State, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	l, err := f.line(environment)
	if err != nil {
		return nil, err
	}
	for _, s := range slices.Backward(l.states) {
		if !s.Version().Time.After(t) {
			return s, nil
		}
	}
	return nil, rpc.Refusef(adminv1.ErrorReason_ERROR_REASON_REVISION_NOT_FOUND, "nothing was published yet")
}

func (f *fake) Revisions(_ context.Context, environment string, before int64, limit int, author string) ([]*adminv1.Revision, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	l, err := f.line(environment)
	if err != nil {
		return nil, err
	}
	var all []*adminv1.Revision
	for _, e := range slices.Backward(l.entries) {
		if r := e.Revision; len(all) < limit && (before == 0 || r.GetRevision() < before) && (author == "" || r.GetAuthor() == author) {
			all = append(all, r)
		}
	}
	return all, nil
}

func (f *fake) Revision(_ context.Context, environment string, number int64) (*revision.Entry, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	l, err := f.line(environment)
	if err != nil {
		return nil, err
	}
	s, err := l.at(number)
	if err != nil {
		return nil, err
	}
	return l.entries[s.Revision()-1], nil
}

func (f *fake) Resting(_ context.Context, environment, layerID string) ([]revision.Rest, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	l, err := f.line(environment)
	if err != nil {
		return nil, err
	}
	return l.resting[layerID], nil
}

func (f *fake) RestingSlots(_ context.Context, environment string) (map[string]int32, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	l, err := f.line(environment)
	if err != nil {
		return nil, err
	}
	slots := map[string]int32{}
	for layerID, rests := range l.resting {
		for _, r := range rests {
			slots[layerID] += r.End - r.Start
		}
	}
	return slots, nil
}

func (f *fake) CreateEnvironment(_ context.Context, e *adminv1.Environment, validateOnly bool, author string) (*adminv1.Environment, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.envs[e.GetName()]; ok {
		return nil, rpc.Refusef(adminv1.ErrorReason_ERROR_REASON_ALREADY_EXISTS, "environment %s exists", e.GetName())
	}
	settings := &adminv1.Environment{Name: e.GetName(), Description: e.GetDescription(), CoolingPeriod: e.GetCoolingPeriod(), Etag: "1", Revision: 1}
	if !validateOnly {
		l := &line{settings: settings, resting: map[string][]revision.Rest{}, answers: map[string]answered{}}
		l.add(state.Empty(state.Version{Revision: 1, Time: f.now}),
			&revision.Request{Author: author, Origin: adminv1.RevisionOrigin_REVISION_ORIGIN_CREATE}, nil)
		f.envs[e.GetName()] = l
	}
	return settings, nil
}

func (f *fake) Environment(_ context.Context, name string) (*adminv1.Environment, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	l, err := f.line(name)
	if err != nil {
		return nil, err
	}
	return l.settings, nil
}

func (f *fake) Environments(_ context.Context, after string, limit int, among []string) (list []*adminv1.Environment, total int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(f.envs)) {
		if len(among) > 0 && !slices.Contains(among, name) {
			continue
		}
		total++
		if name > after && len(list) < limit {
			list = append(list, f.envs[name].settings)
		}
	}
	return list, total, nil
}

func (f *fake) UpdateEnvironment(_ context.Context, e *adminv1.Environment, mask []string, validateOnly bool) (*adminv1.Environment, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	l, err := f.line(e.GetName())
	if err != nil {
		return nil, err
	}
	updated := proto.CloneOf(l.settings)
	if len(mask) == 0 || slices.Contains(mask, "description") {
		updated.Description = e.GetDescription()
	}
	if len(mask) == 0 || slices.Contains(mask, "cooling_period") {
		updated.CoolingPeriod = e.GetCoolingPeriod()
	}
	version, _ := strconv.Atoi(updated.GetEtag())
	updated.Etag = strconv.Itoa(version + 1)
	if !validateOnly {
		l.settings = updated
	}
	return updated, nil
}

func (f *fake) DeleteEnvironment(_ context.Context, name, etag string, _, validateOnly bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	l, err := f.line(name)
	if err != nil {
		return err
	}
	if etag != "" && etag != l.settings.GetEtag() {
		return rpc.Refusef(adminv1.ErrorReason_ERROR_REASON_STALE_ETAG, "stale")
	}
	if !validateOnly {
		delete(f.envs, name)
	}
	return nil
}
