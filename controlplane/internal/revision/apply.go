package revision

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/strata-exp/strata/controlplane/internal/fault"
	"github.com/strata-exp/strata/controlplane/internal/state"
	"github.com/strata-exp/strata/db/dbsqlc"
	"github.com/strata-exp/strata/internal/rpc"
)

const (
	// attempts is how often a transaction is tried that fails because of others.
	attempts = 3
	// groupSize is how many requests one transaction carries out.
	groupSize = 64
	// groupTime bounds that, with changeTime for each change: a database that has
	// fallen silent would never say so. It goes on when the client of one request has
	// gone.
	groupTime  = 5 * time.Second
	changeTime = time.Millisecond
)

// Apply makes a revision, or only its plan. Requests that wait for each other
// share a transaction, since most of a revision's time is spent on waiting for
// the disk; each still has a revision of its own.
//
// The error is a *rpc.Refusal or state.Refused where the request is at fault, a
// *rpc.Unavailable where the database is: then the revision may have been made,
// and the same request with the same idempotency key finds out.
func (s *Store) Apply(ctx context.Context, r Request) (*Outcome, error) {
	began := time.Now()
	var a answer
	if r.ValidateOnly {
		a = s.validate(ctx, &r)
	} else {
		a = s.carryOut(ctx, &r)
	}
	if a.err != nil {
		a.what = "failed"
		if isRefusal(a.err) {
			a.what = "refused"
		}
	}
	s.metrics.observe(began, a.what)
	return a.outcome, a.err
}

func isRefusal(err error) bool {
	if _, ok := errors.AsType[*rpc.Refusal](err); ok {
		return true
	}
	_, ok := errors.AsType[state.Refused](err)
	return ok
}

// answer is what came of a request; what is that in a word, for the metrics.
type answer struct {
	outcome *Outcome
	what    string
	err     error
}

// waiting is a request that waits for its turn.
type waiting struct {
	request *Request
	done    chan answer
}

// lane is where requests wait that may be of one environment.
type lane struct {
	// turn is held by the request that carries out those that wait.
	turn chan struct{}
	mu   sync.Mutex
	// queue is in the order of arrival.
	queue []*waiting
}

func (l *lane) enter(w *waiting) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queue = append(l.queue, w)
}

// leave takes a request out that nobody has begun.
func (l *lane) leave(w *waiting) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queue = slices.DeleteFunc(l.queue, func(other *waiting) bool { return other == w })
}

// next takes out the first request, and others of its environment.
func (l *lane) next() []*waiting {
	l.mu.Lock()
	defer l.mu.Unlock()
	var group, rest []*waiting
	for _, w := range l.queue {
		if len(group) < groupSize && (len(group) == 0 || w.request.Environment == group[0].request.Environment) {
			group = append(group, w)
		} else {
			rest = append(rest, w)
		}
	}
	l.queue = rest
	return group
}

// carryOut waits until a request is carried out, by this goroutine or another.
func (s *Store) carryOut(ctx context.Context, r *Request) answer {
	lane, w := s.lane(r.Environment), &waiting{request: r, done: make(chan answer, 1)}
	lane.enter(w)
	select {
	case a := <-w.done:
		return a
	case <-ctx.Done():
		lane.leave(w)
		return answer{err: ctx.Err()}
	case lane.turn <- struct{}{}:
		defer func() { <-lane.turn }()
	}
	ctx = context.WithoutCancel(ctx)
	for {
		select {
		case a := <-w.done:
			return a
		default:
			s.group(ctx, lane.next())
		}
	}
}

// group carries out requests of one environment and answers them. Its context has
// no end of its own.
func (s *Store) group(endless context.Context, requests []*waiting) {
	limit := groupTime
	for _, w := range requests {
		limit += time.Duration(w.request.Size) * changeTime
	}
	ctx, cancel := context.WithTimeout(endless, limit)
	defer cancel()
	for attempt := 1; ; attempt++ {
		answers, err := s.commit(ctx, requests)
		switch {
		case err == nil:
			for i, w := range requests {
				w.done <- answers[i]
			}
			return
		case errors.Is(err, errLost) && attempt < attempts:
			if _, _, err := s.current(ctx, requests[0].request.Environment); err != nil {
				s.log.WarnContext(ctx, "no new epoch can begin yet", "error", err)
			}
			continue
		case retriable(err) && attempt < attempts:
			continue
		case len(requests) > 1 && !fault.Unreachable(err):
			// One of them broke the transaction of all.
			for _, w := range requests {
				s.group(endless, []*waiting{w})
			}
			return
		}
		for _, w := range requests {
			w.done <- answer{err: failure(endless, err)}
		}
		return
	}
}

// commit carries out requests in one transaction. Its error is that of the
// transaction; what is wrong with a request is in its answer.
func (s *Store) commit(ctx context.Context, requests []*waiting) ([]answer, error) {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Release() // which closes a connection that is still in a transaction
	if _, err := conn.Exec(ctx, "BEGIN"); err != nil {
		return nil, err
	}
	t, answers, err := s.runAll(ctx, dbsqlc.New(conn), requests)
	if err == nil && t != nil && t.batch.Len() > 0 {
		t.batch.Queue("COMMIT")
		if err = conn.SendBatch(ctx, t.batch).Close(); err == nil {
			s.committed(t)
			return answers, nil
		}
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if !conn.Conn().IsClosed() {
		_, _ = conn.Exec(end, "ROLLBACK") // a connection on which this fails is closed
	}
	return answers, err
}

// runAll does all of some requests but the writing, which is left in the batch
// of the transaction. Without their environment there is no transaction.
func (s *Store) runAll(ctx context.Context, q *dbsqlc.Queries, requests []*waiting) (_ *transaction, _ []answer, err error) {
	defer func() {
		// Whoever waits beside a request that can not be carried out at all has to
		// get an answer.
		if fault := recover(); fault != nil {
			err = fmt.Errorf("panic: %v\n%s", fault, debug.Stack())
		}
	}()
	answers := make([]answer, len(requests))
	environment := requests[0].request.Environment
	row, err := q.LockEnvironment(ctx, environment)
	if err = missing(environment, err); isRefusal(err) {
		for i := range answers {
			answers[i].err = err
		}
		return nil, answers, nil
	} else if err != nil {
		return nil, nil, err
	}
	head, err := s.follow(ctx, q, row.EnvironmentHead, true)
	if err != nil {
		return nil, nil, err
	}
	t := newTransaction(s, q, row, head)
	for i, w := range requests {
		if answers[i], err = t.run(ctx, w.request); err != nil {
			return nil, nil, err
		}
	}
	return t, answers, nil
}

// committed tells the process what was made, and wakes others.
func (s *Store) committed(t *transaction) {
	for _, made := range t.made {
		s.line(t.env.EnvID).put(made, false)
	}
	if len(t.made) > 0 {
		signal(s.dirty)
	}
}

// validate plans a request as things stand, in nobody's way.
func (s *Store) validate(ctx context.Context, r *Request) answer {
	head, row, err := s.current(ctx, r.Environment)
	if err != nil {
		return answer{err: failure(ctx, err)}
	}
	q := s.queries()
	now, err := q.Now(ctx)
	if err != nil {
		return answer{err: failure(ctx, err)}
	}
	locked := dbsqlc.LockEnvironmentRow{Environment: row.Environment, EnvironmentHead: row.EnvironmentHead, Now: now}
	a, err := newTransaction(s, q, locked, head).run(ctx, r)
	if err != nil {
		return answer{err: failure(ctx, err)}
	}
	return a
}
