package source

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/strata-exp/strata/dataplane/internal/snapshot"
	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	"github.com/strata-exp/strata/sdk/go/engine"
)

// Next returns what leads from a revision to a later one, as soon as there is
// one. After 0, or after a revision that whoever answers no longer knows, that is
// the whole configuration, with from_revision 0.
type Next func(ctx context.Context, after int64) (*configv1.Delta, error)

// Waits between attempts grow from the first to the longest, with jitter, so that
// data planes do not come back all at once to what could not serve them.
const (
	firstWait   = 100 * time.Millisecond
	longestWait = 10 * time.Second
)

// Feed is a source that is fed revision by revision, with the numbers that the
// control plane gave them.
type Feed struct {
	next   Next
	holder *snapshot.Holder
	log    *slog.Logger
}

var _ Source = (*Feed)(nil)

// NewFeed returns a source of what next returns.
func NewFeed(next Next, holder *snapshot.Holder, log *slog.Logger) *Feed {
	return &Feed{next: next, holder: holder, log: log}
}

// Start waits for the first configuration, however long that takes.
func (f *Feed) Start(ctx context.Context) error {
	delta, ok := f.wait(ctx, 0)
	if !ok {
		return ctx.Err()
	}
	return f.take(delta)
}

// Run takes over each revision until ctx ends. One that can not be compiled is
// told to the holder, and passed over for the next one.
func (f *Feed) Run(ctx context.Context) error {
	for {
		delta, ok := f.wait(ctx, f.holder.Current().Revision())
		if !ok {
			return nil
		}
		err := f.take(delta)
		if err == nil {
			continue
		}
		f.refuse(delta, err)
		// What comes next starts from the refused revision, which is not what runs.
		if _, ok := f.wait(ctx, delta.GetToRevision()); !ok {
			return nil
		}
		if delta, ok = f.wait(ctx, 0); !ok {
			return nil
		}
		if err := f.take(delta); err != nil {
			f.refuse(delta, err)
		}
	}
}

// wait asks until there is an answer; ok is false if ctx ends before.
func (f *Feed) wait(ctx context.Context, after int64) (delta *configv1.Delta, ok bool) {
	for longest := firstWait; ; longest = min(2*longest, longestWait) {
		delta, err := f.next(ctx, after)
		if err == nil {
			return delta, true
		}
		if ctx.Err() != nil {
			return nil, false
		}
		f.log.WarnContext(ctx, "no news of the configuration; what was served goes on being served", "error", err)
		select {
		case <-time.After(rand.N(longest)):
		case <-ctx.Done():
			return nil, false
		}
	}
}

// take makes a delta's result what is served.
func (f *Feed) take(delta *configv1.Delta) error {
	running := (*engine.Ruleset)(nil)
	if current := f.holder.Current(); current != nil {
		running = current.Ruleset
	}
	ruleset, err := compile(running, delta)
	if err != nil {
		return err
	}
	if err := f.holder.Publish(ruleset); err != nil {
		return err
	}
	f.log.Info("serving a new revision", "revision", ruleset.Revision(),
		"layers", ruleset.Layers(), "experiments", ruleset.Experiments())
	return nil
}

func compile(running *engine.Ruleset, delta *configv1.Delta) (*engine.Ruleset, error) {
	switch from := delta.GetFromRevision(); {
	case from == 0:
		return engine.Compile(running, &configv1.Snapshot{
			Revision: delta.GetToRevision(),
			Layers:   delta.GetLayers(), Experiments: delta.GetExperiments(), Fields: delta.GetFields(),
		})
	case from != running.Revision():
		return nil, fmt.Errorf("the change starts from revision %d, but revision %d is running", from, running.Revision())
	default:
		return running.Apply(engine.Change{
			Revision: delta.GetToRevision(),
			Layers:   delta.GetLayers(), Experiments: delta.GetExperiments(), Fields: delta.GetFields(),
			DeletedLayers: delta.GetDeletedLayers(), DeletedExperiments: delta.GetDeletedExperiments(), DeletedFields: delta.GetDeletedFields(),
		})
	}
}

func (f *Feed) refuse(delta *configv1.Delta, err error) {
	f.holder.Refuse(err)
	f.log.Error("a revision is refused, what was served goes on being served",
		"revision", delta.GetToRevision(), "running", f.holder.Current().Revision(), "faults", strings.Split(err.Error(), "\n"))
}
