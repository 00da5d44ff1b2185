package auth

import (
	"context"
	"crypto/sha256"
	"sync"
	"time"

	"github.com/strata-exp/strata/internal/rpc"
)

// Nonces knows which signatures were used.
type Nonces interface {
	// Use reports whether this nonce of this access key was not used before, and
	// remembers it until then. Of all who use the same one at once, one alone hears
	// that it is fresh. An error is answered to the caller through the table of
	// package rpc, and the call is not carried out.
	Use(ctx context.Context, accessKey, nonce string, expires time.Time) (fresh bool, err error)
}

const (
	// nonceSpan is how much time is forgotten at once.
	nonceSpan = 10 // seconds
	// maxNonces is how many are remembered, unless it is said: at 60 seconds each,
	// those of 17,000 calls a second.
	maxNonces = 1 << 20
	// When to come back if there are too many.
	retryMin, retryMax = 5 * time.Second, 30 * time.Second
)

// MemoryNonces remembers nonces in memory: for one process, until it ends. It is
// safe for concurrent use.
type MemoryNonces struct {
	now  func() time.Time
	most int

	mu    sync.Mutex
	count int
	spans map[int64]map[nonce]struct{} // by when they end
	swept int64                        // the span of the last sweep
}

// nonce is what is remembered of one: enough of a hash, without pointers, as
// there are many.
type nonce [16]byte

func newNonce(accessKey, text string) nonce {
	sum := sha256.Sum256([]byte(accessKey + " " + text)) // neither has a space
	return nonce(sum[:16])
}

// NewMemoryNonces returns one that remembers at most so many, 0 for a default.
// If it is full, it refuses calls: it never forgets a signature that could be
// used again. A clock of nil is time.Now.
func NewMemoryNonces(most int, now func() time.Time) *MemoryNonces {
	if most <= 0 {
		most = maxNonces
	}
	if now == nil {
		now = time.Now
	}
	return &MemoryNonces{now: now, most: most, spans: map[int64]map[nonce]struct{}{}}
}

// Use implements Nonces. It returns a *rpc.Declined if it is full.
func (m *MemoryNonces) Use(_ context.Context, accessKey, text string, expires time.Time) (fresh bool, err error) {
	now := m.now().Unix()
	end := expires.Unix()/nonceSpan + 1
	key := newNonce(accessKey, text)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sweep(now / nonceSpan)
	if _, used := m.spans[end][key]; used {
		return false, nil
	}
	if m.count >= m.most {
		return false, rpc.Overloaded(retryMin, retryMax)
	}
	if m.spans[end] == nil {
		m.spans[end] = map[nonce]struct{}{}
	}
	m.spans[end][key] = struct{}{}
	m.count++
	return true, nil
}

// sweep forgets what ended before a span. Clocks may go back.
func (m *MemoryNonces) sweep(span int64) {
	if span == m.swept {
		return
	}
	m.swept = span
	for end, used := range m.spans {
		if end < span {
			m.count -= len(used)
			delete(m.spans, end)
		}
	}
}
