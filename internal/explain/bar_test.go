package explain

import (
	"strings"
	"testing"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
)

func TestBar(t *testing.T) {
	t.Parallel()
	dots := func(n int) string { return strings.Repeat("·", n) }
	blocks := func(n int) string { return strings.Repeat("█", n) }
	for _, test := range []struct {
		name             string
		slot, start, end int32
		want             string
	}{
		{"no range", 0, 0, 0, "▼" + dots(49)},
		{"last slot", 9999, 0, 0, dots(49) + "▼"},
		{"all", 5000, 0, 10000, blocks(25) + "▼" + blocks(24)},
		{"half", 9999, 5000, 10000, dots(25) + blocks(24) + "▼"},
		{"one slot is seen", 0, 9999, 10000, "▼" + dots(48) + "█"},
		{"cells are whole", 200, 399, 401, dots(1) + "▼█" + dots(47)},
		{"end is not included", 0, 200, 400, "▼█" + dots(48)},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var r *configv1.Range
			if test.end > 0 {
				r = &configv1.Range{Start: test.start, End: test.end}
			}
			if got := bar(test.slot, r); got != "["+test.want+"]" {
				t.Errorf("got  %s\nwant [%s]", got, test.want)
			}
		})
	}
}

func TestPercentIsExact(t *testing.T) {
	t.Parallel()
	for slots, want := range map[int32]string{
		1: "0.01 %", 10: "0.1 %", 100: "1 %", 1000: "10 %", 1050: "10.5 %", 3333: "33.33 %", 10000: "100 %",
	} {
		if got := percent(slots); got != want {
			t.Errorf("%d: got %s, want %s", slots, got, want)
		}
	}
}
