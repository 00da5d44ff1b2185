package auth

import (
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestMemoryNonces(t *testing.T) {
	t.Parallel()
	clock := newClock()
	m := NewMemoryNonces(3, clock.now)
	use := func(accessKey, nonce string, lifetime time.Duration) string {
		fresh, err := m.Use(t.Context(), accessKey, nonce, clock.now().Add(lifetime))
		if err != nil {
			return outcome(setupEdge().Coded(t.Context(), watch, err))
		}
		return strconv.FormatBool(fresh)
	}
	expect := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	expect(use("a", "1", time.Minute), "true")
	expect(use("a", "1", time.Minute), "false")
	expect(use("b", "1", time.Minute), "true")
	expect(use("a", "2", time.Second), "true")
	expect(use("a", "3", time.Second), overloadedOutcome)
	expect(use("a", "1", time.Minute), "false") // known even if it is full
	clock.add(30 * time.Second)
	expect(use("a", "1", 30*time.Second), "false") // the same moment
	expect(use("a", "3", time.Minute), "true")     // "2" has expired
	clock.add(-time.Hour)
	expect(use("a", "1", time.Hour+30*time.Second), "false")
	expect(use("a", "4", time.Minute), overloadedOutcome)
	clock.add(3 * time.Hour)
	for _, nonce := range []string{"5", "6", "7"} {
		expect(use("a", nonce, time.Minute), "true")
	}
}

// TestNonceIsUsedOnce has many use the same one while time goes on.
func TestNonceIsUsedOnce(t *testing.T) {
	t.Parallel()
	clock := newClock()
	m := NewMemoryNonces(0, clock.now)
	for round := range 100 {
		var fresh atomic.Int32
		var wait sync.WaitGroup
		expires := clock.now().Add(time.Minute)
		for range 8 {
			wait.Go(func() {
				if ok, err := m.Use(t.Context(), "a", strconv.Itoa(round), expires); err != nil {
					t.Error(err)
				} else if ok {
					fresh.Add(1)
				}
				clock.add(time.Second)
			})
		}
		wait.Wait()
		if fresh.Load() != 1 {
			t.Errorf("fresh %d times", fresh.Load())
		}
	}
	if m.count > 200 {
		t.Errorf("remembers %d", m.count)
	}
}
