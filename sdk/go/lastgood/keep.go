package lastgood

import (
	"context"
	"time"
)

const (
	// minPause is how long nothing is written after a write.
	minPause = time.Second
	// failedPause is the same after a write that failed.
	failedPause = 5 * time.Second
	// share is how many times as long as a write took nothing is written after
	// it: 10,000 layers that are published ten times a second must not keep a
	// processor busy.
	share = 19
)

// Put has a content written by Run, soon. One that was not yet written is
// replaced: only the newest counts.
func (s *Store) Put(content *Content) {
	s.pending.Store(content)
	select {
	case s.wake <- struct{}{}:
	default: // it has been told
	}
}

// Run writes what is Put, with pauses between, until ctx ends, and what is left
// then. What could not be written is tried again.
func (s *Store) Run(ctx context.Context) {
	defer s.flush()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		}
		began := time.Now()
		written := s.flush()
		wait := pause(time.Since(began), written)
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// pause returns how long to wait after a write.
func pause(took time.Duration, written bool) time.Duration {
	if !written {
		return max(failedPause, share*took)
	}
	return max(minPause, share*took)
}

// flush writes what was put, and reports whether that did not fail.
func (s *Store) flush() bool {
	content := s.pending.Swap(nil)
	if content == nil || s.Write(content) == nil {
		return true
	}
	if s.pending.CompareAndSwap(nil, content) {
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
	return false
}
