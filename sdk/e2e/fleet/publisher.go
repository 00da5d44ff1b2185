package fleet

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/sdk/e2e/history"
)

// Publisher makes changes at a rate, each until it knows what became of it.
type Publisher struct {
	fleet  *Fleet
	name   string
	random *rand.Rand
	made   int
}

// NewPublisher returns one of a name that no other one has.
func (f *Fleet) NewPublisher(name string) *Publisher {
	return &Publisher{fleet: f, name: name, random: f.Random(name)}
}

// Publish makes one change, and tries until it is acknowledged or refused, or ctx
// ends.
func (p *Publisher) Publish(ctx context.Context) (int64, error) {
	f := p.fleet
	key := fmt.Sprintf("%s-%d", p.name, p.made)
	p.made++
	request := &adminv1.RevisionServiceApplyRequest{
		Changes: f.options.World.Change(p.random, key), Message: key, IdempotencyKey: key,
	}
	record := func(what history.What, revision int64, err error) {
		e := history.Event{Observer: p.name, What: what, Key: key, Revision: revision}
		if err != nil {
			e.Text = err.Error()
		}
		f.Recorder.Add(e)
	}
	for {
		record(history.Invoke, 0, nil)
		revision, err := f.Admin.Apply(ctx, request)
		switch {
		case err == nil:
			record(history.OK, revision, nil)
			return revision, nil
		case !lost(err):
			record(history.Fail, 0, err)
			return 0, fmt.Errorf("%s: %w", key, err)
		}
		record(history.Unknown, 0, err)
		f.Admin.Next()
		if err := Pause(ctx, time.Duration(5+p.random.IntN(50))*time.Millisecond); err != nil {
			return 0, err
		}
	}
}

// Run publishes at a rate until ctx ends or so many changes are made. It gives
// the time of an attempt that takes longer to those that come after.
func (p *Publisher) Run(ctx context.Context, perSecond float64, most int) error {
	tick := time.NewTicker(time.Duration(float64(time.Second) / perSecond))
	defer tick.Stop()
	for p.made < most {
		if _, err := p.Publish(ctx); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
	return nil
}

// Go runs something until stop is called, which fails the test if it did.
func (f *Fleet) Go(what string, run func(ctx context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(f.t.Context())
	var wait sync.WaitGroup
	var failed error
	wait.Go(func() { failed = run(ctx) })
	stop = sync.OnceFunc(func() {
		cancel()
		wait.Wait()
		if failed != nil {
			f.t.Errorf("%s: %v", what, failed)
		}
	})
	f.t.Cleanup(stop)
	return stop
}

// Pause waits for a time, or for the end of a context.
func Pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
