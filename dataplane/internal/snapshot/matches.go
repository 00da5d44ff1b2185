package snapshot

import (
	"iter"
	"sync/atomic"
)

// MaxCountedLayers is how many layers are counted one by one: those that come
// first in the order of evaluation. It bounds the number of time series.
const MaxCountedLayers = 1000

// Matches counts how often each layer matched. Counting takes no lock, and is
// safe for concurrent use. A layer that both have is the same counter in a
// configuration and its successor.
type Matches struct {
	of    map[string]*counter // never changed
	other *counter
}

// counter is alone on its cache line, so that processors that count different
// layers do not wait for each other.
type counter struct {
	n atomic.Uint64
	_ [56]byte
}

func newMatches(before *Matches, layers []string) *Matches {
	m := &Matches{other: new(counter)}
	if before != nil {
		m.other = before.other
	}
	counted := layers[:min(len(layers), MaxCountedLayers)]
	m.of = make(map[string]*counter, len(counted))
	for _, id := range counted {
		c := (*counter)(nil)
		if before != nil {
			c = before.of[id]
		}
		if c == nil {
			c = new(counter)
		}
		m.of[id] = c
	}
	return m
}

// Count counts one match for each of the layers.
func (m *Matches) Count(layers []string) {
	for _, id := range layers {
		c, ok := m.of[id]
		if !ok {
			c = m.other
		}
		c.n.Add(1)
	}
}

// All yields each counted layer with its matches so far, in no order.
func (m *Matches) All() iter.Seq2[string, uint64] {
	return func(yield func(string, uint64) bool) {
		for id, c := range m.of {
			if !yield(id, c.n.Load()) {
				return
			}
		}
	}
}

// Other returns the matches of all layers that are not counted one by one.
func (m *Matches) Other() uint64 { return m.other.n.Load() }
