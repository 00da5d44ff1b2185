package source

import (
	"strings"
	"testing"
)

// TestHistory has stores say and do what takes no server to see.
func TestHistory(t *testing.T) {
	t.Parallel()
	const none = "-" // there is no key of the epoch
	type step struct {
		epoch, text string
		store       uint64
		revision    int64
		later       bool
		want        string // part of the error, "" if there is none
	}
	for name, test := range map[string]struct {
		forgets bool
		steps   []step
	}{
		"a number that was lowered, and is put back": {steps: []step{
			{"7", "a", 1, 10, true, ""},
			{"6", "b", 1, 11, false, "is 6, and was 7"},
			{none, "c", 1, 12, false, "is 1, and was 7"},
			{"7", "d", 1, 13, false, ""},
			{"8", "d", 1, 14, true, ""},
		}},
		"it goes back while the number is malformed": {steps: []step{
			{none, "a", 1, 10, true, ""},
			{"?", "a", 1, 11, false, "want a decimal number"},
			{"?", "b", 1, 5, false, "want a decimal number"},
			{"1", "c", 1, 50, false, "its revision is 5, and was 11 before"},
			{"2", "c", 1, 51, true, ""},
			{"2", "d", 1, 52, false, ""},
		}},
		"malformed from the start": {steps: []step{
			{"?", "a", 1, 10, false, "want a decimal number"},
			{"?", "b", 2, 5, false, "want a decimal number"}, // nothing was served that this could be told from
			{"3", "b", 2, 6, true, ""},
			{"3", "c", 2, 7, false, ""},
		}},
		"the first store comes back": {steps: []step{
			{"1", "a", 1, 10, true, ""},
			{"1", "a", 2, 20, false, "it is the cluster 2, and was 1 before"},
			{"1", "a", 1, 20, false, "it is the cluster 2"},
			{"9", "a", 1, 21, true, ""},
		}},
		"indexes that are forgotten": {forgets: true, steps: []step{
			{"1", "a", 0, 10, true, ""},
			{"1", "a", 0, 5, false, ""},
			{"1", "b", 0, 11, false, ""},
			{"1", "c", 0, 11, false, "it has other contents at revision 11, and was at 11 before"},
		}},
	} {
		h := newHistory("p/")
		h.forgets = test.forgets
		for i, s := range test.steps {
			texts := map[string]string{"p/layers/a.json": s.text}
			if s.epoch != none {
				texts["p/epoch"] = s.epoch
			}
			h.replace(texts)
			later, err := h.advance(s.store, s.revision)
			switch {
			case later != s.later:
				t.Errorf("%s, %d: later is %v", name, i, later)
			case s.want == "" && err != nil:
				t.Errorf("%s, %d: %v", name, i, err)
			case s.want != "" && (err == nil || !strings.Contains(err.Error(), s.want)):
				t.Errorf("%s, %d: %v, want %s", name, i, err, s.want)
			}
		}
	}
}
