package source

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/strata-exp/strata/dataplane/internal/snapshot"
	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	"github.com/strata-exp/strata/internal/obs"
)

// script is a feed that gives out what a test says, and tells what it was asked.
type script struct {
	asked chan int64
	give  chan any // *configv1.Delta or error
}

func newScript() *script { return &script{asked: make(chan int64), give: make(chan any)} }

func (s *script) Next(ctx context.Context, after int64) (*configv1.Delta, error) {
	select {
	case s.asked <- after:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case what := <-s.give:
		if err, ok := what.(error); ok {
			return nil, err
		}
		return what.(*configv1.Delta), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// answer waits until the feed is asked for what comes after a revision, and
// answers.
func (s *script) answer(t *testing.T, after int64, what any) {
	t.Helper()
	if got := <-s.asked; got != after {
		t.Fatalf("asked for what comes after %d, want %d", got, after)
	}
	s.give <- what
}

func delta(from, to int64, vids ...int32) *configv1.Delta {
	d := &configv1.Delta{FromRevision: from, ToRevision: to}
	d.Layers = []*configv1.Layer{{LayerId: "l", HashKey: "k", Salt: "s", Enabled: true}}
	for i, vid := range vids {
		d.Layers[0].Ranges = append(d.Layers[0].Ranges, &configv1.Range{Start: int32(i), End: int32(i + 1), Vid: vid})
	}
	d.Experiments = []*configv1.Experiment{{Eid: 1, Service: "s", Variants: []*configv1.Variant{{Vid: 1, ParamsJson: "{}"}}}}
	return d
}

func TestFeed(t *testing.T) {
	t.Parallel()
	holder := snapshot.NewHolder(time.Now)
	feed := newScript()
	source := NewFeed(feed.Next, holder, obs.Discard())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() {
		if err := source.Start(ctx); err != nil {
			done <- err
			return
		}
		done <- source.Run(ctx)
	}()
	feed.answer(t, 0, errors.New("not yet"))
	feed.answer(t, 0, delta(0, 5, 1))
	feed.answer(t, 5, delta(5, 7, 1, 1))
	feed.answer(t, 7, delta(7, 8, 2)) // no such variant
	feed.answer(t, 8, delta(8, 9))
	if got := holder.Current().Revision(); got != 7 {
		t.Errorf("revision %d is running, want 7", got)
	}
	if failure, failed := holder.Failure(); !failed {
		t.Error("the refused revision is not told of")
	} else if failure.Err == nil {
		t.Error("the failure has no reason")
	}
	feed.answer(t, 0, delta(0, 9, 1))
	feed.answer(t, 9, errors.New("gone"))
	feed.answer(t, 9, delta(9, 10))
	<-feed.asked // so 10 has been taken
	if got := holder.Current().Revision(); got != 10 {
		t.Errorf("revision %d is running, want 10", got)
	}
	if _, failed := holder.Failure(); failed {
		t.Error("the failure is not forgotten")
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
