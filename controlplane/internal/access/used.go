package access

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/strata-exp/strata/db/dbsqlc"
)

// used is when keys were used, to the hour.
type used struct {
	mu sync.Mutex
	// last is the last hour of each key that was seen.
	last map[string]time.Time
	// dirty are the keys whose last hour is not written yet.
	dirty map[string]time.Time
}

func newUsed() *used { return &used{last: map[string]time.Time{}, dirty: map[string]time.Time{}} }

// Used notes that a key has signed a call. It takes no time to speak of, and is
// written later, while Run runs.
func (s *Store) Used(accessKey string, now time.Time) {
	hour := now.Truncate(time.Hour)
	u := s.used
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.last[accessKey].Before(hour) {
		u.last[accessKey], u.dirty[accessKey] = hour, hour
	}
}

// take returns what is not written yet, by hour, each list sorted, so that
// processes lock the rows in the same order.
func (u *used) take() map[time.Time][]string {
	u.mu.Lock()
	defer u.mu.Unlock()
	hours := map[time.Time][]string{}
	for _, accessKey := range slices.Sorted(maps.Keys(u.dirty)) {
		hour := u.dirty[accessKey]
		hours[hour] = append(hours[hour], accessKey)
	}
	clear(u.dirty)
	return hours
}

// flush writes which keys were used. What can not be written is kept for the next
// time.
func (s *Store) flush(ctx context.Context) error {
	var errs []error
	for hour, keys := range s.used.take() {
		if err := s.queries().MarkKeysUsed(ctx, dbsqlc.MarkKeysUsedParams{UsedAt: hour, AccessKeys: keys}); err != nil {
			s.used.giveBack(hour, keys)
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (u *used) giveBack(hour time.Time, keys []string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, accessKey := range keys {
		if u.dirty[accessKey].Before(hour) {
			u.dirty[accessKey] = hour
		}
	}
}
