package allocate_test

import (
	"errors"
	"math"
	"reflect"
	"testing"

	"github.com/strata-exp/strata/controlplane/internal/allocate"
	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
)

// TestShortage asks for more in a layer in which experiment 1 has 100 slots,
// experiment 2 has 8,900, and 1,000 are in no range.
func TestShortage(t *testing.T) {
	t.Parallel()
	for _, example := range []struct {
		name                   string
		targets, held, resting string
		ignoreResting          bool
		want                   allocate.Shortage
		text                   string
	}{
		{
			name: "too few are free", targets: "11:1200 12:20",
			want: allocate.Shortage{Wanted: 1120, Free: 1000},
			text: "1120 more slots are wanted and 1000 are free. You can ask for 120 fewer or give another experiment fewer",
		},
		{
			name: "what a variant gives up is not wanted from elsewhere", targets: "11:0 12:1101",
			want: allocate.Shortage{Wanted: 1001, Free: 1000},
			text: "1001 more slots are wanted and 1000 are free. You can ask for 1 fewer or give another experiment fewer",
		},
		{
			name: "waiting helps", targets: "11:800", resting: "9000-9100:3 9100-9500:4 9500-9800:3 9800-9900:1",
			want: allocate.Shortage{Wanted: 700, Free: 200, Resting: 800, NextFree: hour(1), EnoughFree: hour(2)},
			text: "700 more slots are wanted and 200 are free; 800 rest after other experiments, the first until 2026-01-01T01:00:00Z." +
				" You can ask for 500 fewer, wait until 2026-01-01T02:00:00Z, take slots that rest or give another experiment fewer",
		},
		{
			name: "waiting does not help", targets: "11:800", resting: "9000-9100:3", held: "9200-9700:7 9700-9900:5 9900-10000:7",
			want: allocate.Shortage{Wanted: 700, Free: 100, Resting: 100, NextFree: hour(1), Held: 800, Holders: []int32{5, 7}},
			text: "700 more slots are wanted and 100 are free; 100 rest after other experiments, the first until 2026-01-01T01:00:00Z;" +
				" 800 are held for paused experiments (5, 7)." +
				" You can ask for 600 fewer, take slots that rest, conclude a paused experiment or give another experiment fewer",
		},
		{
			name: "rests are ignored", targets: "11:1200", resting: "9000-9100:3", held: "9900-10000:3", ignoreResting: true,
			want: allocate.Shortage{Wanted: 1100, Free: 900, Held: 100, Holders: []int32{3}},
			text: "1100 more slots are wanted and 900 are free; 100 are held for paused experiments (3)." +
				" You can ask for 200 fewer, conclude a paused experiment or give another experiment fewer",
		},
		{
			name: "many hold slots", targets: "11:1200",
			held: "9000-9001:3 9001-9002:4 9002-9003:5 9003-9004:6 9004-9005:7 9005-9006:8 9006-9007:9",
			want: allocate.Shortage{Wanted: 1100, Free: 993, Held: 7, Holders: []int32{3, 4, 5, 6, 7, 8, 9}},
			text: "1100 more slots are wanted and 993 are free; 7 are held for paused experiments (3, 4, 5, 6, 7 and 2 others)." +
				" You can ask for 107 fewer, conclude a paused experiment or give another experiment fewer",
		},
	} {
		t.Run(example.name, func(t *testing.T) {
			t.Parallel()
			result, err := allocate.Allocate(allocate.Request{
				EID: 1, VIDs: []int32{11, 12}, Targets: parseTargets(t, example.targets),
				Ranges: parseRanges(t, "0-100:11 100-9000:21"), Held: parseHeld(t, example.held),
				Resting: parseResting(t, example.resting), IgnoreResting: example.ignoreResting,
			})
			var shortage *allocate.Shortage
			if !errors.As(err, &shortage) {
				t.Fatalf("got %v, error %v", result, err)
			}
			if !reflect.DeepEqual(*shortage, example.want) {
				t.Errorf("got %+v, want %+v", *shortage, example.want)
			}
			if got := err.Error(); got != example.text {
				t.Errorf("\n got %s\nwant %s", got, example.text)
			}
		})
	}
}

// TestRestsWithoutEnd has slots of which nobody knows how long they rest.
func TestRestsWithoutEnd(t *testing.T) {
	t.Parallel()
	_, err := allocate.Allocate(allocate.Request{
		EID: 1, VIDs: []int32{11}, Targets: []allocate.Target{{VID: 11, Slots: 2}},
		Ranges:  parseRanges(t, "2-10000:21"),
		Resting: []allocate.Resting{{Start: 0, End: 2, EID: 3}},
	})
	want := &allocate.Shortage{Wanted: 2, Resting: 2}
	if !reflect.DeepEqual(err, error(want)) {
		t.Errorf("got %+v, want %+v", err, want)
	}
}

// TestInputErrors breaks a request that is in order in one place.
func TestInputErrors(t *testing.T) {
	t.Parallel()
	type request = allocate.Request
	for _, example := range []struct {
		name  string
		spoil func(r *request)
		want  string
	}{
		{"no experiment", func(r *request) { r.EID = 0 }, "eid: is 0, ids are 1 or more"},
		{"no variant", func(r *request) { r.VIDs[1] = -5 }, "vids[1]: is -5, ids are 1 or more"},
		{"variants twice", func(r *request) { r.VIDs[1] = 11 }, "vids[1]: is 11, as vids[0] is: name each variant once"},

		{"a target of another variant", func(r *request) { r.Targets[1].VID = 21 }, "targets[1].vid: 21 is no variant of experiment 1"},
		{"a target of no variant", func(r *request) { r.Targets[1].VID = 0 }, "targets[1].vid: 0 is no variant of experiment 1"},
		{"targets twice", func(r *request) { r.Targets[1].VID = 11 }, "targets[1].vid: is 11, as targets[0].vid is: name each variant once"},
		{"a negative target", func(r *request) { r.Targets[0].Slots = -1 }, "targets[0].slots: is -1, want 0 to 10000"},
		{"a target beyond the layer", func(r *request) { r.Targets[0].Slots = 10_001 }, "targets[0].slots: is 10001, want 0 to 10000"},
		{"targets beyond the layer", func(r *request) { r.Targets[0].Slots = 9_900 }, "targets: add up to 10100 slots, a layer has 10000"},
		{
			"targets and what is kept beyond the layer",
			func(r *request) { r.Targets = r.Targets[:1]; r.Targets[0].Slots = 9_901 },
			"targets: add up to 9901 slots, and variants that are not named keep 100: a layer has 10000",
		},

		{"a range of no variant", func(r *request) { r.Ranges[0].Vid = 0 }, "ranges[0].vid: is 0, ids are 1 or more"},
		{"a missing range", func(r *request) { r.Ranges[2] = nil }, "ranges[2].vid: is 0, ids are 1 or more"},
		{"a range before the layer", func(r *request) { r.Ranges[0].Start = -1 }, "ranges[0].start: is -1, want 0 to 9999"},
		{"a range after the layer", func(r *request) { r.Ranges[0].Start = 10_000 }, "ranges[0].start: is 10000, want 0 to 9999"},
		{"a range beyond the layer", func(r *request) { r.Ranges[2].End = math.MaxInt32 }, "ranges[2].end: is 2147483647, want 201 to 10000"},
		{"an empty range", func(r *request) { r.Ranges[1].End = 100 }, "ranges[1].end: is 100, want 101 to 10000"},
		{
			"ranges that overlap", func(r *request) { r.Ranges[1].Start = 99 },
			"ranges[1]: has slot 99, which is in a range of variant 11: a slot has one owner",
		},

		{"held before the layer", func(r *request) { r.Held[0].Start = math.MinInt32 }, "held[0].start: is -2147483648, want 0 to 9999"},
		{"held for nothing", func(r *request) { r.Held[0].End = 400 }, "held[0].end: is 400, want 401 to 10000"},
		{
			"held in a range", func(r *request) { r.Held[0].Start = 299 },
			"held[0]: has slot 299, which is in a range of variant 21: a slot has one owner",
		},
		{
			"held twice", func(r *request) { r.Held[1].Start = 450 },
			"held[1]: has slot 450, which is held: a slot has one owner",
		},
		{
			"held by itself", func(r *request) { r.Held[1].EID = 1 },
			"held[1].eid: 1 is the experiment itself: pass what it holds as ranges",
		},

		{"a rest before the layer", func(r *request) { r.Resting[0].Start = -1 }, "resting[0].start: is -1, want 0 to 9999"},
		{"a rest backwards", func(r *request) { r.Resting[0].End = 0 }, "resting[0].end: is 0, want 601 to 10000"},
	} {
		t.Run(example.name, func(t *testing.T) {
			t.Parallel()
			r := request{
				EID: 1, VIDs: []int32{11, 12},
				Targets: []allocate.Target{{VID: 11, Slots: 150}, {VID: 12, Slots: 200}},
				Ranges: []*configv1.Range{
					{Start: 0, End: 100, Vid: 11}, {Start: 100, End: 200, Vid: 12}, {Start: 200, End: 300, Vid: 21},
				},
				Held:    []allocate.Held{{Start: 400, End: 500, EID: 3}, {Start: 500, End: 600, EID: 3}},
				Resting: []allocate.Resting{{Start: 600, End: 700, EID: 4}},
			}
			if _, err := allocate.Allocate(r); err != nil {
				t.Fatal(err)
			}
			example.spoil(&r)
			result, err := allocate.Allocate(r)
			if _, ok := errors.AsType[*allocate.InputError](err); !ok {
				t.Fatalf("got %v, error %v", result, err)
			}
			if got := err.Error(); got != example.want {
				t.Errorf("\n got %s\nwant %s", got, example.want)
			}
		})
	}
}
