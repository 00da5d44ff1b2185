package strata

import (
	"hash/maphash"
	"strconv"
	"sync"
	"unicode/utf8"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/sdk/go/engine"
)

// expose records the matches that a reading exposes, each once in its window.
func (e Evaluation) expose(path string, reading *engine.Reading) {
	matches := e.running.rules.Matches(e.result)
	for _, i := range reading.Exposed {
		e.exposeTo(&matches[i], path, false)
	}
	for _, i := range reading.Hidden {
		e.exposeTo(&matches[i], path, true)
	}
}

func (e Evaluation) exposeTo(m *engine.Match, path string, hidden bool) {
	value := valueOf(e.context[m.HashKey])
	c := e.client
	once := meeting{hash: c.met.hash(value), window: m.Window, vid: m.VID, hidden: hidden}
	if c.met.again(once) {
		return
	}
	key, ok := engine.KeyText(value)
	if !ok {
		return // the context is not what was evaluated
	}
	if !sendable(key, maxKeyBytes) || !sendable(path, maxPathBytes) {
		c.outbox.drop(1, "a key or path is not UTF-8, or too long to be sent")
		return
	}
	at := e.running.position()
	taken := c.outbox.put(&servingv1.Exposure{
		Service: e.service, LayerId: m.LayerID, HashKey: m.HashKey, Key: key, Slot: engine.Slot(m.Salt, key),
		Eid: m.EID, Vid: m.VID, Epoch: at.Epoch, Revision: at.Revision, Path: path, Hidden: hidden,
	}, nil)
	if !taken {
		c.met.forget(once)
	}
}

// sendable reports whether a server takes a text.
func sendable(text string, maxBytes int) bool { return len(text) <= maxBytes && utf8.ValidString(text) }

// meeting is what is recorded once: somebody, by the hash of their key, and a
// variant, in a window of revisions.
type meeting struct {
	hash, window uint64
	vid          int32
	hidden       bool
}

const (
	// metShards is how many may look at the same time.
	metShards = 16
	// generation is how many meetings are remembered at least, all shards
	// together; twice as many at most.
	generation = 50_000
)

// met remembers meetings: the latest, and about as many before them. It is safe
// for concurrent use.
type met struct {
	seed   maphash.Seed
	shards [metShards]metShard
}

type metShard struct {
	mu               sync.Mutex
	latest, previous map[meeting]struct{}
	_                [32]byte // keeps the locks of two shards out of one cache line
}

func newMet() *met { return &met{seed: maphash.MakeSeed()} }

// hash returns a hash of the key text of a value.
func (s *met) hash(value engine.Value) uint64 {
	if value.Kind() == engine.Number {
		var digits [24]byte
		return maphash.Bytes(s.seed, strconv.AppendInt(digits[:0], int64(value.Number()), 10))
	}
	return maphash.String(s.seed, value.Text())
}

// again reports whether a meeting need not be recorded, and remembers it.
func (s *met) again(m meeting) bool {
	shard := &s.shards[m.hash%metShards]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	if m.hidden && shard.remembers(meeting{hash: m.hash, window: m.window, vid: m.vid}) {
		return true // it was recorded when it was not hidden, which says more
	}
	if _, known := shard.latest[m]; known {
		return true
	}
	_, known := shard.previous[m]
	if len(shard.latest) >= generation/metShards {
		shard.previous, shard.latest = shard.latest, nil
	}
	if shard.latest == nil {
		shard.latest = map[meeting]struct{}{}
	}
	shard.latest[m] = struct{}{}
	return known
}

// forget has a meeting recorded the next time.
func (s *met) forget(m meeting) {
	shard := &s.shards[m.hash%metShards]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	delete(shard.latest, m)
	delete(shard.previous, m)
}

// remembers reports whether a meeting is remembered. The lock has to be held.
func (s *metShard) remembers(m meeting) bool {
	if _, known := s.latest[m]; known {
		return true
	}
	_, known := s.previous[m]
	return known
}
