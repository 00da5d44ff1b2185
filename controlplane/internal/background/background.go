// Package background does things again and again, whatever happens to the
// database meanwhile.
package background

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

// patience bounds each time that something is done.
const patience = 10 * time.Second

// Task is something to do again and again.
type Task struct {
	// Name says what, for the log.
	Name string
	// Every is how long to wait in between, give or take a tenth, so that processes
	// that started together do not ask together.
	Every time.Duration
	// Wake, if not nil, makes it be done at once when something is in it.
	Wake <-chan struct{}
	// Do does it once. Its context ends when it takes too long.
	Do func(ctx context.Context) error
}

// Run does tasks, beside each other, until ctx ends and each has returned. The
// first time of each is at once. The log is told when one begins to fail, and
// when it works again.
func Run(ctx context.Context, log *slog.Logger, tasks ...Task) {
	var running sync.WaitGroup
	for _, t := range tasks {
		running.Go(func() { t.loop(ctx, log.With("task", t.Name)) })
	}
	running.Wait()
}

func (t *Task) loop(ctx context.Context, log *slog.Logger) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-t.Wake:
		}
		err := t.once(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && !failing:
			log.WarnContext(ctx, "a task fails; trying again and again", "error", err)
		case err == nil && failing:
			log.InfoContext(ctx, "a task works again")
		}
		failing = err != nil
		timer.Reset(t.Every - t.Every/10 + rand.N(t.Every/5))
	}
}

func (t *Task) once(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return t.Do(ctx)
}
