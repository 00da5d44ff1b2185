package source

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

const (
	// firstEpoch is that of a store that does not say which it has.
	firstEpoch = 1
	// maxEpoch is far beyond any time in microseconds. It keeps one in nanoseconds
	// out, after which no later epoch would ever come.
	maxEpoch = 100_000_000_000_000_000
	// keyEpoch is the key of the epoch, under the prefix.
	keyEpoch = "epoch"
)

// history is what a store's contents are judged by: the epoch that stands in it,
// the highest of its revisions, and whether they ever went back.
//
// Revisions of a store grow with each of its changes, so data planes that serve
// the same revision in the same epoch serve the same contents. A store that was
// restored from a backup, or replaced, counts the same revisions again. Then those
// who run it have to write a later epoch. No data plane makes one up: one that is
// started afterwards would not know it, and would be behind for all who do.
type history struct {
	key   string            // of the epoch
	texts map[string]string // of all other keys under the prefix
	text  *string           // of the epoch, nil if there is none

	changed bool   // texts have changed since advance
	forgets bool   // revisions may fall with the same contents, and never say more than those
	epoch   int64  // the latest that was seen, 0 before the first
	store   uint64 // that the epoch began with
	latest  int64  // the highest revision that the store had in the epoch
	back    error  // says how the store went back in the epoch, nil if it did not
}

func newHistory(prefix string) history {
	return history{key: prefix + keyEpoch, texts: map[string]string{}}
}

func (h *history) put(key, text string) {
	if key == h.key {
		h.text = &text
		return
	}
	if before, ok := h.texts[key]; !ok || before != text {
		h.texts[key], h.changed = text, true
	}
}

func (h *history) delete(key string) {
	if key == h.key {
		h.text = nil
	} else if _, ok := h.texts[key]; ok {
		delete(h.texts, key)
		h.changed = true
	}
}

func (h *history) replace(texts map[string]string) {
	h.text = nil
	for key := range h.texts {
		if _, ok := texts[key]; !ok {
			h.delete(key)
		}
	}
	for key, text := range texts {
		h.put(key, text)
	}
}

// advance takes note of a store and the revision at which it has the texts. It
// reports whether they are of a later epoch than those before, and why they can
// not be served.
func (h *history) advance(store uint64, revision int64) (later bool, err error) {
	changed := h.changed
	h.changed = false
	epoch, err := h.said()
	if err == nil && epoch > h.epoch {
		h.epoch, h.store, h.latest, h.back = epoch, store, revision, nil
		return true, nil
	}
	if h.epoch > 0 && h.back == nil {
		h.back = h.wentBack(store, revision, changed)
	}
	if h.back == nil {
		h.latest = max(h.latest, revision)
	}
	switch {
	case err != nil:
		return false, err
	case epoch < h.epoch:
		return false, fmt.Errorf("%s: the epoch is %d, and was %d before: put a later number there", h.key, epoch, h.epoch)
	default:
		return false, h.back
	}
}

// said returns the epoch that stands in the store.
func (h *history) said() (int64, error) {
	if h.text == nil {
		return firstEpoch, nil
	}
	epoch, err := strconv.ParseUint(strings.TrimSpace(*h.text), 10, 63)
	if err != nil || epoch < firstEpoch || epoch > maxEpoch {
		return 0, fmt.Errorf("%s: the epoch is %.40q: want a decimal number, such as the time in microseconds", h.key, *h.text)
	}
	return int64(epoch), nil
}

func (h *history) wentBack(store uint64, revision int64, changed bool) error {
	var how string
	switch {
	case store != h.store:
		how = fmt.Sprintf("it is the cluster %x, and was %x before", store, h.store)
	case h.forgets && changed && revision <= h.latest:
		how = fmt.Sprintf("it has other contents at revision %d, and was at %d before", revision, h.latest)
	case !h.forgets && revision < h.latest:
		how = fmt.Sprintf("its revision is %d, and was %d before", revision, h.latest)
	default:
		return nil
	}
	return errors.New("the store has gone back: " + how + ". If it is the right one, as after a restore, put a later number into " + h.key)
}
