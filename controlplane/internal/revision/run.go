package revision

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/strata-exp/strata/db/dbsqlc"
)

const (
	// channel is what processes listen on. A notification says no more than that
	// some head has moved; that it comes late or never costs time, nothing else.
	channel = "strata_heads"
	// debounce gathers the wake-ups of several revisions: each takes a lock that
	// all writers of the database share.
	debounce = 50 * time.Millisecond
	// pollEvery is how often heads are looked at whatever was heard.
	pollEvery = time.Second
	// listenAtMost is how long to wait for a notification before the connection is
	// tried: a peer that is gone would never send one.
	listenAtMost = 5 * time.Second
	// patience bounds each look at the database.
	patience = 10 * time.Second
)

// Run follows what other processes write, wakes them, and compacts history,
// until ctx ends. It goes on whatever happens to the database.
func (s *Store) Run(ctx context.Context) error {
	heard := make(chan struct{}, 1)
	done := make(chan struct{}, 3)
	for _, loop := range []func(context.Context){
		func(ctx context.Context) { s.listen(ctx, heard) },
		s.notify,
		s.compact,
	} {
		go func() {
			loop(ctx)
			done <- struct{}{}
		}()
	}
	poll := time.NewTimer(0)
	defer poll.Stop()
	for {
		select {
		case <-ctx.Done():
			for range cap(done) {
				<-done
			}
			return nil
		case <-heard:
		case <-poll.C:
		}
		if err := s.poll(ctx); err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "the heads can not be followed; trying again", "error", err)
		}
		poll.Reset(jitter(pollEvery))
	}
}

// jitter returns a time within a tenth of another one, so that processes that
// started together do not ask together.
func jitter(d time.Duration) time.Duration {
	return d - d/10 + rand.N(d/5)
}

// poll brings the lines in memory up to date.
func (s *Store) poll(ctx context.Context) error {
	began := time.Now()
	s.mu.Lock()
	lines := maps.Clone(s.lines) // before the heads are read: an environment that is made meanwhile is not gone
	s.mu.Unlock()
	heads, err := s.listHeads(ctx)
	if err != nil {
		return err
	}
	var errs []error // of one environment each, which keep nobody from following the others
	for _, head := range heads {
		l, ok := lines[head.EnvID]
		if !ok {
			continue // nobody here has asked for it
		}
		delete(lines, head.EnvID)
		if known := l.head(); known == nil || !agrees(known, head) {
			if err := s.pollOne(ctx, head.EnvID); err != nil {
				errs = append(errs, fmt.Errorf("environment %d: %w", head.EnvID, err))
				continue
			}
		}
		l.looked.Store(began.UnixNano())
	}
	for envID := range lines {
		s.forget(envID)
	}
	return errors.Join(errs...)
}

func (s *Store) listHeads(ctx context.Context) ([]dbsqlc.EnvironmentHead, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return s.queries().ListHeads(ctx)
}

// pollOne follows one head, in nobody's way.
func (s *Store) pollOne(ctx context.Context, envID int64) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tx, err := s.pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return err
	}
	defer rollback(ctx, tx)
	q := dbsqlc.New(tx)
	head, err := q.GetHead(ctx, envID)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil // deleted meanwhile
	} else if err != nil {
		return err
	}
	if known := s.line(envID).head(); known != nil && isLater(known, head) {
		err = errLost // or this process has just moved it, which renew will see
	} else {
		_, err = s.follow(ctx, q, head, false)
	}
	if errors.Is(err, errLost) {
		rollback(ctx, tx)
		return s.renew(ctx, envID)
	}
	return err
}

// listen hears when other processes have moved a head.
func (s *Store) listen(ctx context.Context, heard chan<- struct{}) {
	for ctx.Err() == nil {
		if err := s.listenOnce(ctx, heard); err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "can not listen for revisions; looking for them each second instead", "error", err)
		}
		select {
		case <-time.After(jitter(pollEvery)):
		case <-ctx.Done():
		}
	}
}

// listenOnce listens on a connection of its own, which a pool would hand to
// others, until that fails.
func (s *Store) listenOnce(ctx context.Context, heard chan<- struct{}) error {
	dial, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := pgx.ConnectConfig(dial, s.pool.Config().ConnConfig)
	if err != nil {
		return err
	}
	defer func() {
		bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(bye)
	}()
	if _, err := conn.Exec(dial, "LISTEN "+channel); err != nil {
		return err
	}
	for {
		signal(heard) // also once it listens: what came before was missed
		wait, cancel := context.WithTimeout(ctx, listenAtMost)
		_, err := conn.WaitForNotification(wait)
		cancel()
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			continue
		case !errors.Is(err, context.DeadlineExceeded):
			return err
		}
		ping, cancel := context.WithTimeout(ctx, listenAtMost)
		err = conn.Ping(ping)
		cancel()
		if err != nil {
			return err
		}
	}
}

// notify wakes other processes after commits of this one. That it fails is no
// failure of a revision.
func (s *Store) notify(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.dirty:
		}
		if err := s.wake(ctx); err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "other processes were not woken, and will look by themselves", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(debounce):
		}
	}
}

func (s *Store) wake(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, err := s.pool.Exec(ctx, "SELECT pg_notify($1, '')", channel)
	return err
}

func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
