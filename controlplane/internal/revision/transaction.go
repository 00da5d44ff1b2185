package revision

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"

	"github.com/strata-exp/strata/controlplane/internal/state"
	"github.com/strata-exp/strata/db/dbsqlc"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/internal/rpc"
)

// transaction carries out requests of one environment one after the other. What
// they write waits in the batch; it does not matter that the database does not
// have it yet, since what later requests ask of earlier ones is remembered here.
type transaction struct {
	store *Store
	q     *dbsqlc.Queries
	env   dbsqlc.Environment
	head  dbsqlc.EnvironmentHead // moves with each revision
	now   time.Time
	state *state.State // what head stands for
	batch *pgx.Batch
	made  []*state.State
	// resting is what the requests have made of the slots that rest, by layer.
	resting map[string][]dbsqlc.RestingSlot
	// keys are the idempotency keys of requests that were carried out.
	keys map[string]keyed
}

// keyed is what came of a request with an idempotency key.
type keyed struct {
	body    [sha256.Size]byte
	outcome *Outcome
}

func newTransaction(s *Store, q *dbsqlc.Queries, row dbsqlc.LockEnvironmentRow, head *state.State) *transaction {
	return &transaction{
		store: s, q: q, env: row.Environment, head: row.EnvironmentHead, now: row.Now,
		state: head, batch: &pgx.Batch{}, resting: map[string][]dbsqlc.RestingSlot{}, keys: map[string]keyed{},
	}
}

// run carries out one request. What is wrong with it is in the answer; an error
// is one of the database.
func (t *transaction) run(ctx context.Context, r *Request) (answer, error) {
	outcome, what, err := t.try(ctx, r)
	if fault, ok := errors.AsType[*requestFault](err); ok {
		return answer{err: fault.err}, nil
	}
	if isRefusal(err) {
		return answer{err: err}, nil
	}
	return answer{outcome: outcome, what: what}, err
}

// requestFault is an error that a request's own function returned.
type requestFault struct{ err error }

func (f *requestFault) Error() string { return f.err.Error() }

func (t *transaction) try(ctx context.Context, r *Request) (outcome *Outcome, what string, err error) {
	if outcome, err = t.repeated(ctx, r); outcome != nil || err != nil {
		return outcome, "repeated", err
	}
	if err := t.expected(ctx, r); err != nil {
		return nil, "", err
	}
	version := state.Version{Epoch: t.head.Epoch, Revision: t.head.Revision + 1, Time: after(t.now, t.head.UpdatedAt)}
	changes, err := t.changes(ctx, r, version.Time)
	if err != nil {
		return nil, "", err
	}
	result, err := t.state.Apply(version, changes)
	if err != nil {
		return nil, "", err
	}
	checksum := result.State.Checksum()
	if r.Checksum != "" && !strings.EqualFold(r.Checksum, checksum.String()) {
		return nil, "", rpc.Refusef(adminv1.ErrorReason_ERROR_REASON_PLAN_MISMATCH,
			"the result would have the checksum %v, not %s: it is not what was planned, so plan again", checksum, r.Checksum)
	}
	rests, err := t.rests(ctx, result, version.Time)
	if err != nil {
		return nil, "", err
	}
	if err := t.claim(ctx, result.Claims, !r.ValidateOnly); err != nil {
		return nil, "", err
	}
	outcome = &Outcome{
		Revision: t.head.Revision, State: result.State, Changes: changes,
		Plan: t.store.plan(t.state, result.State, rests.before),
	}
	switch {
	case r.ValidateOnly:
		return outcome, "planned", nil
	case len(result.Touched) == 0:
		return outcome, "unchanged", t.remember(ctx, r, outcome, false)
	}
	outcome.Revision = version.Revision
	return outcome, "made", t.write(ctx, r, outcome, result, rests)
}

// after returns a time that comes after another one, in the database's
// precision: clocks may go back, and revisions are found by time.
func after(now, before time.Time) time.Time {
	if earliest := before.Add(time.Microsecond); now.Before(earliest) {
		return earliest
	}
	return now
}

// repeated returns the answer to a request that was carried out before, nil if
// it was not.
func (t *transaction) repeated(ctx context.Context, r *Request) (*Outcome, error) {
	if r.IdempotencyKey == "" || r.ValidateOnly {
		return nil, nil
	}
	if earlier, ok := t.keys[r.IdempotencyKey]; ok && earlier.body == r.Body {
		again := *earlier.outcome
		again.State, again.Changes = t.state, nil
		return &again, nil
	}
	known, err := t.q.GetApplyRequest(ctx, dbsqlc.GetApplyRequestParams{EnvID: t.env.EnvID, IdempotencyKey: r.IdempotencyKey})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	if !bytes.Equal(known.Body, r.Body[:]) {
		return nil, &rpc.Refusal{
			Reason: adminv1.ErrorReason_ERROR_REASON_IDEMPOTENCY_KEY_REUSED,
			Problem: fmt.Sprintf("the idempotency key was used at %s for another request, which led to revision %d: use a new key for a new request",
				known.CreatedAt.UTC().Format(time.RFC3339), known.Revision),
			Metadata: map[string]string{"revision": strconv.FormatInt(known.Revision, 10)},
		}
	}
	outcome := &Outcome{Revision: known.Revision, State: t.state, Plan: &adminv1.Plan{BaseRevision: known.Revision}}
	if known.Made {
		row, err := t.q.GetRevision(ctx, dbsqlc.GetRevisionParams{EnvID: t.env.EnvID, Revision: known.Revision})
		if err != nil {
			return nil, err
		}
		outcome.Plan, err = planOf(row.Plan)
		return outcome, err
	}
	return outcome, nil
}

// expected refuses a request that was made for another revision.
func (t *transaction) expected(ctx context.Context, r *Request) error {
	if r.Expected == nil || *r.Expected == t.head.Revision {
		return nil
	}
	refusal := rpc.Refusef(adminv1.ErrorReason_ERROR_REASON_STALE_REVISION, "environment %s is at revision %d, not %d",
		r.Environment, t.head.Revision, *r.Expected)
	refusal.Metadata = map[string]string{"revision": strconv.FormatInt(t.head.Revision, 10)}
	if *r.Expected >= 1 && *r.Expected < t.head.Revision {
		since, err := t.since(ctx, *r.Expected)
		if err != nil {
			return err
		}
		refusal.Problem += "; since then: " + since + ". Look at what changed, plan again and retry"
	}
	return refusal
}

// since says what happened after a revision, the newest first.
func (t *transaction) since(ctx context.Context, revision int64) (string, error) {
	const most = 5
	rows, err := t.q.ListRevisions(ctx, dbsqlc.ListRevisionsParams{EnvID: t.env.EnvID, Before: t.head.Revision + 1, MaxRows: most})
	if err != nil {
		return "", err
	}
	var parts []string
	for _, row := range rows {
		if row.Revision > revision {
			part := fmt.Sprintf("revision %d by %s", row.Revision, row.Author)
			if row.Message != "" {
				part += fmt.Sprintf(" (%s)", row.Message)
			}
			parts = append(parts, part)
		}
	}
	if more := t.head.Revision - revision - int64(len(parts)); more > 0 {
		parts = append(parts, fmt.Sprintf("%d more", more))
	}
	return strings.Join(parts, ", "), nil
}

// changes asks for what to change, and assigns ids.
func (t *transaction) changes(ctx context.Context, r *Request, now time.Time) ([]state.Change, error) {
	var fault error // of the database
	changes, err := r.Changes(Head{
		State: t.state, Now: now,
		Resting: func(layerID string) ([]Rest, error) {
			rows, err := t.listResting(ctx, now, layerID)
			if err != nil {
				fault = err
			}
			return restsOf(rows[layerID], t.cooling()), err
		},
	})
	if fault != nil {
		return nil, fault
	}
	if err != nil {
		return nil, &requestFault{err}
	}
	return t.assign(ctx, changes, !r.ValidateOnly)
}

// write queues a revision, and moves on to it.
func (t *transaction) write(ctx context.Context, r *Request, outcome *Outcome, result *state.Result, rests *rests) error {
	plan, err := proto.Marshal(outcome.Plan)
	if err != nil {
		return err
	}
	version, checksum := result.State.Version(), result.State.Checksum()
	row := dbsqlc.InsertRevisionParams{
		EnvID: t.env.EnvID, Revision: version.Revision, CreatedAt: version.Time,
		Checksum: checksum[:], ParentHash: t.head.Hash, Author: r.Author, Message: r.Message,
		Origin: int16(r.Origin), OriginRevision: r.OriginRevision, OriginEnvironment: r.OriginEnvironment,
		ChangeCount: int32(len(result.Touched)), Plan: plan,
	}
	if r.Origin == adminv1.RevisionOrigin_REVISION_ORIGIN_UNSPECIFIED {
		row.Origin = int16(adminv1.RevisionOrigin_REVISION_ORIGIN_APPLY)
	}
	row.Hash = chain(row)
	q := dbsqlc.New(queue{t.batch})
	if err := writeRevision(ctx, q, row, result.Touched); err != nil {
		return err
	}
	if err := rests.write(ctx, q, t.env.EnvID); err != nil {
		return err
	}
	maps.Copy(t.resting, rests.next)
	t.head.Revision, t.head.Checksum, t.head.Hash, t.head.UpdatedAt = row.Revision, row.Checksum, row.Hash, row.CreatedAt
	t.state = result.State
	t.made = append(t.made, result.State)
	return t.remember(ctx, r, outcome, true)
}

// remember queues that a request was carried out, so that it is known if it is
// sent again.
func (t *transaction) remember(ctx context.Context, r *Request, outcome *Outcome, made bool) error {
	if r.IdempotencyKey == "" {
		return nil
	}
	t.keys[r.IdempotencyKey] = keyed{r.Body, outcome}
	return dbsqlc.New(queue{t.batch}).InsertApplyRequest(ctx, dbsqlc.InsertApplyRequestParams{
		EnvID: t.env.EnvID, IdempotencyKey: r.IdempotencyKey, Body: r.Body[:],
		Revision: outcome.Revision, Made: made, CreatedAt: after(t.now, t.head.UpdatedAt),
	})
}
