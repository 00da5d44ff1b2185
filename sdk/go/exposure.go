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
	if c.met.again(meeting{hash: c.met.hash(value), window: m.Window, vid: m.VID, hidden: hidden}) {
		return
	}
	key, ok := engine.KeyText(value)
	if !ok {
		return // the context is not what was evaluated
	}
	if !utf8.ValidString(key) || !utf8.ValidString(path) {
		c.outbox.drop(1, "text that is not UTF-8 can not be sent")
		return
	}
	at := e.running.position()
	c.outbox.put(&servingv1.Exposure{
		Service: e.service, LayerId: m.LayerID, HashKey: m.HashKey, Key: key, Slot: engine.Slot(m.Salt, key),
		Eid: m.EID, Vid: m.VID, Epoch: at.Epoch, Revision: at.Revision, Path: path, Hidden: hidden,
	}, nil)
}

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

// again reports whether a meeting is remembered, and remembers it.
func (s *met) again(m meeting) bool {
	shard := &s.shards[m.hash%metShards]
	shard.mu.Lock()
	defer shard.mu.Unlock()
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
