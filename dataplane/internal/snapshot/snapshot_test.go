package snapshot_test

import (
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"

	"github.com/strata-exp/strata/dataplane/internal/snapshot"
	"github.com/strata-exp/strata/sdk/go/engine"
)

func compile(t *testing.T, revision int64, layers ...string) *engine.Ruleset {
	t.Helper()
	config := &configv1.Snapshot{Revision: revision}
	for i, id := range layers {
		config.Layers = append(config.Layers, &configv1.Layer{
			LayerId: id, Salt: id, HashKey: "user_id", Enabled: true, Priority: int32(len(layers) - i),
		})
	}
	ruleset, err := engine.Compile(nil, config)
	if err != nil {
		t.Fatal(err)
	}
	return ruleset
}

func TestHolder(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	h := snapshot.NewHolder(func() time.Time { return now })
	if h.Current() != nil {
		t.Error("it holds something before the first one")
	}
	changed := h.Changed()
	publish := func(revision int64) error { return h.Publish(0, compile(t, revision)) }
	if err := publish(0); err == nil {
		t.Error("revision 0 was taken")
	}
	if err := publish(1); err != nil {
		t.Fatal(err)
	}
	<-changed
	if h.Current().Revision() != 1 || !h.Current().LoadedAt.Equal(now) {
		t.Errorf("got %+v", h.Current())
	}

	changed = h.Changed()
	broken := errors.New("broken")
	h.Refuse(broken)
	<-changed
	if failure, ok := h.Failure(); !ok || !errors.Is(failure.Err, broken) || !failure.At.Equal(now) {
		t.Errorf("got %v", failure)
	}
	if h.Current().Revision() != 1 {
		t.Error("a failure changed what runs")
	}
	changed = h.Changed()
	h.Agree()
	<-changed
	if _, ok := h.Failure(); ok {
		t.Error("the failure is still there")
	}

	h.Refuse(broken)
	if err := publish(1); err == nil {
		t.Error("a revision that does not grow was taken")
	}
	if _, ok := h.Failure(); !ok {
		t.Error("a refused publication changed something")
	}
	if err := publish(5); err != nil {
		t.Fatal(err)
	}
	if _, ok := h.Failure(); ok {
		t.Error("the failure is still there")
	}
	if published, refused := h.Loads(); published != 2 || refused != 2 {
		t.Errorf("%d published, %d refused", published, refused)
	}
}

func TestPositionsOnlyGrow(t *testing.T) {
	t.Parallel()
	h := snapshot.NewHolder(time.Now)
	for _, step := range []struct {
		epoch, revision int64
		taken           bool
	}{{5, 7, true}, {5, 7, false}, {5, 6, false}, {4, 9, false}, {6, 1, true}, {5, 8, false}, {6, 2, true}} {
		if err := h.Publish(step.epoch, compile(t, step.revision)); (err == nil) != step.taken {
			t.Errorf("revision %d of epoch %d: %v", step.revision, step.epoch, err)
		}
	}
	if h.Current().Epoch != 6 || h.Current().Revision() != 2 {
		t.Errorf("got revision %d of epoch %d", h.Current().Revision(), h.Current().Epoch)
	}
}

func TestStale(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	h := snapshot.NewHolder(func() time.Time { return now })
	if _, known := h.Stale(); known {
		t.Error("nothing was confirmed, and yet")
	}
	h.Confirm(3 * time.Second)
	now = now.Add(time.Second)
	h.Confirm(10 * time.Second) // older than what is known
	if stale, known := h.Stale(); !known || stale != 4*time.Second {
		t.Errorf("got %v, %v", stale, known)
	}
}

func TestMatches(t *testing.T) {
	t.Parallel()
	h := snapshot.NewHolder(time.Now)
	publish := func(revision int64, layers ...string) *snapshot.Matches {
		if err := h.Publish(0, compile(t, revision, layers...)); err != nil {
			t.Fatal(err)
		}
		return h.Current().Matches
	}
	first := publish(1, "a", "b")
	first.Count([]string{"a", "b"})
	first.Count([]string{"a"})
	second := publish(2, "c", "a")
	second.Count([]string{"a", "c"})
	first.Count([]string{"a"}) // by an evaluation that is still under way
	if got := maps.Collect(second.All()); !maps.Equal(got, map[string]uint64{"a": 4, "c": 1}) {
		t.Errorf("got %v", got)
	}

	many := make([]string, snapshot.MaxCountedLayers+2)
	for i := range many {
		many[i] = fmt.Sprintf("l%04d", i)
	}
	third := publish(3, many...)
	third.Count(many)
	if got := len(maps.Collect(third.All())); got != snapshot.MaxCountedLayers || third.Other() != 2 {
		t.Errorf("%d layers counted, %d others", got, third.Other())
	}
}
