package background_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/strata-exp/strata/controlplane/internal/background"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestRun has a task that fails twice and is then done, and one that only waits.
func TestRun(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	var log bytes.Buffer
	wake, times := make(chan struct{}, 1), make(chan int)
	n, ended := 0, make(chan struct{})
	go func() {
		defer close(ended)
		background.Run(
			ctx, slog.New(slog.NewTextHandler(&log, nil)),
			background.Task{Name: "short", Every: time.Hour, Wake: wake, Do: func(ctx context.Context) error {
				if _, ok := ctx.Deadline(); !ok {
					t.Error("it may take for ever")
				}
				n++
				times <- n
				if n <= 2 {
					return errors.New("not yet")
				}
				return nil
			}},
			background.Task{Name: "long", Every: time.Hour, Do: func(ctx context.Context) error {
				<-ctx.Done()
				return ctx.Err()
			}},
		)
	}()
	for want := 1; want <= 4; want++ {
		if got := <-times; got != want { // the first time without being woken
			t.Fatalf("it was done %d times, not %d", got, want)
		}
		wake <- struct{}{}
	}
	<-times
	cancel()
	<-ended
	text := log.String()
	if strings.Count(text, "a task fails") != 1 || strings.Count(text, "a task works again") != 1 || strings.Contains(text, "long") {
		t.Errorf("logged %s", text)
	}
}

// TestPeriod waits for a task that nobody wakes.
func TestPeriod(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	times := 0
	background.Run(ctx, slog.New(slog.DiscardHandler), background.Task{Every: time.Millisecond, Do: func(context.Context) error {
		if times++; times == 3 {
			cancel()
		}
		return nil
	}})
	if times != 3 {
		t.Errorf("it was done %d times", times)
	}
}
