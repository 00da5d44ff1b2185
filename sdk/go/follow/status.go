package follow

import (
	"time"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/sdk/go/hashtree"
	"github.com/strata-exp/strata/sdk/go/view"
)

// Status is how a follower is at a time.
type Status struct {
	// State is REJECTED where what was received last does not run, else STALE
	// where nothing was heard for three heartbeats, or ever. It is unspecified
	// before there is anything.
	State servingv1.PlaneState
	// Silent says that nothing was heard for three heartbeats, or ever, whatever
	// State is.
	Silent bool
	// Environment is what is followed, empty as long as only the server knows.
	Environment string
	// Replicated is where the newest configuration is that was received whole,
	// and the zero Position before there is one.
	Replicated view.Position
	// Active is where the configuration is that runs, and the zero Position before
	// there is one.
	Active view.Position
	// ActiveHash is the hash of that.
	ActiveHash hashtree.Hash
	// Faults says why Replicated does not run, nil if it does.
	Faults view.Faults
	// Connected is since when the stream lasts, or the time of fetching, and zero
	// where there is none.
	Connected time.Time
	// Stream is the server's name for the stream, empty if there is none.
	Stream string
	// Heard is when the server was heard of last, and zero if never.
	Heard time.Time
	// Stale is for how long nobody has confirmed that Replicated is the newest
	// configuration; if nobody ever has, for how long that has been so.
	Stale time.Duration
	// Confirmed says that somebody has.
	Confirmed bool
	// Err is why the last stream has ended, nil once another one goes well.
	Err error
	// LastGoodFailures is how often the last good configuration could not be
	// written.
	LastGoodFailures int64
}

func (h *held) status() Status {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := Status{
		State: h.state(), Silent: h.stale(), Environment: h.environment, Replicated: h.replicated.Position(), Faults: h.faults,
		Heard: h.heard, Confirmed: !h.confirmed.IsZero(), Err: h.problem,
	}
	if h.active != nil {
		s.Active, s.ActiveHash = h.active.Position(), h.active.Hash()
	}
	if h.link != nil {
		s.Connected, s.Stream = h.link.since, h.link.stream
	}
	since := h.born
	if s.Confirmed {
		since = h.confirmed
	}
	s.Stale = time.Since(since)
	if h.store != nil {
		s.LastGoodFailures = h.store.Failures()
	}
	return s
}

// state returns the state. The lock has to be held.
func (h *held) state() servingv1.PlaneState {
	switch {
	case h.replicated.Position() == view.Position{}:
		return servingv1.PlaneState_PLANE_STATE_UNSPECIFIED
	case h.faults != nil:
		return servingv1.PlaneState_PLANE_STATE_REJECTED
	case h.stale():
		return servingv1.PlaneState_PLANE_STATE_STALE
	default:
		return servingv1.PlaneState_PLANE_STATE_SYNCED
	}
}
