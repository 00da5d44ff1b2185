package auth

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/sdk/go/accesskey"
)

// What an access key may be instead of good.
var (
	ErrUnknown = errors.New("the access key is unknown, or was revoked")
	ErrTooSoon = errors.New("the access key is not valid yet")
	ErrExpired = errors.New("the access key has expired")
)

// Keyring holds the public keys of all who may call, as they are at the moment.
// Reading takes no lock. It is safe for concurrent use.
type Keyring struct {
	mu      sync.Mutex // of those who set
	current atomic.Pointer[keys]
}

// keys is one state of a keyring. Apart from changed it never changes.
type keys struct {
	version int64
	list    []*servingv1.PublicKey
	entries map[string]*entry
	changed chan struct{} // closed when there is another state
}

type entry struct {
	public    ed25519.PublicKey
	notBefore time.Time // zero is always
	principal *Principal
}

// NewKeyring returns a keyring without keys.
func NewKeyring() *Keyring {
	k := &Keyring{}
	k.current.Store(&keys{version: math.MinInt64, changed: make(chan struct{})})
	return k
}

// Set makes these the keys, unless the version is lower than the one that is
// held: that is not done, and no error. The keys must not be changed afterwards.
// One that can not be used is left out; the error says which and why, and the
// others are set all the same.
func (k *Keyring) Set(version int64, list []*servingv1.PublicKey) error {
	next := &keys{version: version, entries: make(map[string]*entry, len(list)), changed: make(chan struct{})}
	var faults []error
	for i, key := range list {
		e, err := newEntry(key)
		if err == nil && next.entries[key.GetAccessKey()] != nil {
			err = errors.New("it is there twice")
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("access key %d, %q, is left out: %w", i, key.GetAccessKey(), err))
			continue
		}
		next.entries[key.GetAccessKey()] = e
		next.list = append(next.list, key)
	}
	slices.SortFunc(next.list, func(a, b *servingv1.PublicKey) int {
		return strings.Compare(a.GetAccessKey(), b.GetAccessKey())
	})
	k.mu.Lock()
	defer k.mu.Unlock()
	last := k.current.Load()
	if version < last.version {
		return nil
	}
	k.current.Store(next)
	close(last.changed)
	return errors.Join(faults...)
}

func newEntry(key *servingv1.PublicKey) (*entry, error) {
	e := &entry{public: slices.Clone(key.GetPublicKey()), principal: newPrincipal(key)}
	switch {
	case len(e.public) != ed25519.PublicKeySize:
		return nil, fmt.Errorf("its public key has %d bytes, not %d", len(e.public), ed25519.PublicKeySize)
	case accesskey.Name(e.public) != key.GetAccessKey():
		return nil, errors.New("its name is not the fingerprint of its public key")
	}
	if key.GetNotBefore() != nil {
		if err := key.GetNotBefore().CheckValid(); err != nil {
			return nil, fmt.Errorf("not_before: %w", err)
		}
		e.notBefore = key.GetNotBefore().AsTime()
	}
	if key.GetExpiresAt() != nil {
		if err := key.GetExpiresAt().CheckValid(); err != nil {
			return nil, fmt.Errorf("expires_at: %w", err)
		}
	}
	return e, nil
}

// Version returns the version that was set last, or the least there is.
func (k *Keyring) Version() int64 { return k.current.Load().version }

// Keys returns the keys with their version, sorted by access key. They must not
// be changed.
func (k *Keyring) Keys() (version int64, list []*servingv1.PublicKey) {
	current := k.current.Load()
	return current.version, current.list
}

// Changed returns a channel that is closed at the next change. Who waits gets
// the channel first, and then looks at the keys.
func (k *Keyring) Changed() <-chan struct{} { return k.current.Load().changed }

// Principal returns whose access key this is at that time, or ErrUnknown,
// ErrTooSoon or ErrExpired. What goes on for long, such as a stream, asks again
// whenever keys have changed, and when the principal expires.
func (k *Keyring) Principal(accessKey string, now time.Time) (*Principal, error) {
	e, err := k.current.Load().find(accessKey, now)
	if err != nil {
		return nil, err
	}
	return e.principal, nil
}

func (k *keys) find(accessKey string, now time.Time) (*entry, error) {
	e, ok := k.entries[accessKey]
	switch {
	case !ok:
		return nil, ErrUnknown
	case now.Before(e.notBefore):
		return nil, ErrTooSoon
	case !e.principal.ExpiresAt.IsZero() && !now.Before(e.principal.ExpiresAt):
		return nil, ErrExpired
	}
	return e, nil
}
