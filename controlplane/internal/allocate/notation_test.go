package allocate_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/strata-exp/strata/controlplane/internal/allocate"
	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
)

// The examples write ranges as "0-5000:1 5000-10000:2", moves as
// "5000-6000:2>1", and slots that an experiment holds or rests after as
// "0-100:7", or "0-100:7/71" where its variant is known.

func parseRanges(t *testing.T, text string) []*configv1.Range {
	t.Helper()
	var all []*configv1.Range
	for field := range strings.FieldsSeq(text) {
		r := &configv1.Range{}
		if _, err := fmt.Sscanf(field, "%d-%d:%d", &r.Start, &r.End, &r.Vid); err != nil {
			t.Fatalf("%s: %v", field, err)
		}
		all = append(all, r)
	}
	return all
}

func formatRanges(all []*configv1.Range) string {
	texts := make([]string, len(all))
	for i, r := range all {
		texts[i] = fmt.Sprintf("%d-%d:%d", r.GetStart(), r.GetEnd(), r.GetVid())
	}
	return strings.Join(texts, " ")
}

func formatMoves(all []allocate.Move) string {
	texts := make([]string, len(all))
	for i, m := range all {
		texts[i] = fmt.Sprintf("%d-%d:%d>%d", m.Start, m.End, m.From, m.To)
	}
	return strings.Join(texts, " ")
}

func parseTargets(t *testing.T, text string) []allocate.Target {
	t.Helper()
	var all []allocate.Target
	for field := range strings.FieldsSeq(text) {
		var target allocate.Target
		if _, err := fmt.Sscanf(field, "%d:%d", &target.VID, &target.Slots); err != nil {
			t.Fatalf("%s: %v", field, err)
		}
		all = append(all, target)
	}
	return all
}

func parseHeld(t *testing.T, text string) []allocate.Held {
	t.Helper()
	var all []allocate.Held
	for _, r := range parseRanges(t, text) {
		all = append(all, allocate.Held{Start: r.GetStart(), End: r.GetEnd(), EID: r.GetVid()})
	}
	return all
}

// parseResting gives each rest its end in hour(1), hour(2) and so on.
func parseResting(t *testing.T, text string) []allocate.Resting {
	t.Helper()
	var all []allocate.Resting
	for i, field := range strings.Fields(text) {
		r := allocate.Resting{Until: hour(i + 1)}
		slots, vid, known := strings.Cut(field, "/")
		if _, err := fmt.Sscanf(slots, "%d-%d:%d", &r.Start, &r.End, &r.EID); err != nil {
			t.Fatalf("%s: %v", field, err)
		}
		if known {
			if _, err := fmt.Sscan(vid, &r.VID); err != nil {
				t.Fatalf("%s: %v", field, err)
			}
		}
		all = append(all, r)
	}
	return all
}

func formatResting(all []allocate.Resting) string {
	texts := make([]string, len(all))
	for i, r := range all {
		texts[i] = fmt.Sprintf("%d-%d:%d", r.Start, r.End, r.EID)
		if r.VID != 0 {
			texts[i] += fmt.Sprintf("/%d", r.VID)
		}
	}
	return strings.Join(texts, " ")
}

// hour is a time of a day on which all examples play.
func hour(n int) time.Time { return time.Date(2026, 1, 1, n, 0, 0, 0, time.UTC) }
