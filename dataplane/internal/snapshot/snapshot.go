// Package snapshot holds the configuration that a data plane runs, and what
// became of the last attempt to load another one. It knows neither where
// configurations come from nor who evaluates them.
package snapshot

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/strata-exp/strata/sdk/go/engine"
)

// Snapshot is a configuration that runs or ran, with what belongs to it. Its
// fields never change.
type Snapshot struct {
	// Ruleset is the configuration. It is never nil.
	Ruleset *engine.Ruleset
	// Epoch tells the history that the revision belongs to from an earlier one,
	// which has a smaller one. Sources whose revisions have one history say 0.
	Epoch int64
	// LoadedAt is since when it has been running.
	LoadedAt time.Time
	// Matches counts how often its layers match.
	Matches *Matches
}

// Revision returns the revision of the configuration, at least 1.
func (s *Snapshot) Revision() int64 { return s.Ruleset.Revision() }

// Failure is a configuration that was refused.
type Failure struct {
	// Err is why.
	Err error
	// At is when it was refused.
	At time.Time
}

// Holder holds the running configuration. Current is free of locks; all methods
// are safe for concurrent use.
type Holder struct {
	now     func() time.Time
	current atomic.Pointer[Snapshot]

	mu      sync.Mutex
	failure *Failure
	loaded  int64
	refused int64
	changed chan struct{}

	confirmed atomic.Int64 // in nanoseconds since 1970; 0 before the first time
}

// NewHolder returns a holder of nothing. now is its clock.
func NewHolder(now func() time.Time) *Holder {
	return &Holder{now: now, changed: make(chan struct{})}
}

// Current returns the running configuration, nil before the first one.
func (h *Holder) Current() *Snapshot { return h.current.Load() }

// Publish makes a configuration the running one, all at once: an evaluation
// sees the old one or the new one. It forgets the last failure. Epochs never
// shrink, and revisions grow within one; anything else is an error and changes
// nothing.
func (h *Holder) Publish(epoch int64, ruleset *engine.Ruleset) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	before := h.current.Load()
	if ruleset.Revision() < 1 {
		return fmt.Errorf("a revision has to be at least 1, got %d", ruleset.Revision())
	}
	if before != nil && (epoch < before.Epoch || epoch == before.Epoch && ruleset.Revision() <= before.Revision()) {
		return fmt.Errorf("revision %d of epoch %d comes after revision %d of epoch %d",
			ruleset.Revision(), epoch, before.Revision(), before.Epoch)
	}
	h.take(before, epoch, ruleset)
	return nil
}

// Replace is Publish for another part of the revision that runs, where what the
// plane may have of it has changed.
func (h *Holder) Replace(ruleset *engine.Ruleset) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	before := h.current.Load()
	if before == nil || ruleset.Revision() != before.Revision() {
		return fmt.Errorf("revision %d is not the one that runs", ruleset.Revision())
	}
	h.take(before, before.Epoch, ruleset)
	return nil
}

func (h *Holder) take(before *Snapshot, epoch int64, ruleset *engine.Ruleset) {
	next := &Snapshot{Ruleset: ruleset, Epoch: epoch, LoadedAt: h.now()}
	if before == nil {
		next.Matches = newMatches(nil, ruleset.LayerIDs())
	} else {
		next.Matches = newMatches(before.Matches, ruleset.LayerIDs())
	}
	h.current.Store(next)
	h.loaded++
	h.failure = nil
	h.signal()
}

// Refuse records that a configuration was refused. The running one goes on.
func (h *Holder) Refuse(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failure = &Failure{Err: err, At: h.now()}
	h.refused++
	h.signal()
}

// Agree records that the source again has what is running, after a failure.
func (h *Holder) Agree() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.failure != nil {
		h.failure = nil
		h.signal()
	}
}

// Confirm records that, so long ago, the newest configuration that there was is
// the one that the source has handed over last, taken or refused.
func (h *Holder) Confirm(ago time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	at := h.now().Add(-ago).UnixNano()
	h.confirmed.Store(max(at, h.confirmed.Load()))
}

// Stale returns for how long nothing has confirmed that the newest configuration
// is at hand; false if nothing ever has.
func (h *Holder) Stale() (time.Duration, bool) {
	confirmed := h.confirmed.Load()
	if confirmed == 0 {
		return 0, false
	}
	return max(0, time.Duration(h.now().UnixNano()-confirmed)), true
}

// Failure returns the last failure; false if the last attempt was none.
func (h *Holder) Failure() (Failure, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.failure == nil {
		return Failure{}, false
	}
	return *h.failure, true
}

// Loads returns how many configurations were published and how many refused.
func (h *Holder) Loads() (published, refused int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.loaded, h.refused
}

// Changed returns a channel that is closed at the next change of what Current
// or Failure return. Take it before looking at them, so that no change is
// missed.
func (h *Holder) Changed() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.changed
}

func (h *Holder) signal() {
	close(h.changed)
	h.changed = make(chan struct{})
}
