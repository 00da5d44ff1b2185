package lifecycle_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"

	"github.com/strata-exp/strata/controlplane/internal/lifecycle"
	"github.com/strata-exp/strata/controlplane/internal/revision"
	"github.com/strata-exp/strata/controlplane/internal/state"
	"github.com/strata-exp/strata/internal/rpc"
)

// Requests of the tests, with what they have in common.
type (
	setAllocation = adminv1.ExperimentServiceSetAllocationRequest
	start         = adminv1.ExperimentServiceStartRequest
	pause         = adminv1.ExperimentServicePauseRequest
	resume        = adminv1.ExperimentServiceResumeRequest
	conclude      = adminv1.ExperimentServiceConcludeRequest
	archive       = adminv1.ExperimentServiceArchiveRequest
)

// call calls the function that a request is for.
func call(head revision.Head, request any) ([]state.Change, error) {
	switch r := request.(type) {
	case *start:
		return lifecycle.Start(head, r)
	case *pause:
		return lifecycle.Pause(head, r)
	case *resume:
		return lifecycle.Resume(head, r)
	case *conclude:
		return lifecycle.Conclude(head, r)
	case *archive:
		return lifecycle.Archive(head, r)
	case *setAllocation:
		return lifecycle.SetAllocation(head, r)
	case []state.Change:
		return r, nil
	default:
		return nil, errors.ErrUnsupported
	}
}

// does makes requests, none of which may fail.
func (w *world) does(requests ...any) {
	w.tb.Helper()
	for _, r := range requests {
		changes, err := call(w.head(), r)
		if err != nil {
			w.tb.Fatalf("%T: %v", r, err)
		}
		w.apply(changes)
	}
}

func winner(eid, vid int32) *conclude {
	return &conclude{Eid: eid, Outcome: &adminv1.ExperimentServiceConcludeRequest_WinnerVid{WinnerVid: vid}}
}

func revert(eid int32) *conclude {
	return &conclude{Eid: eid, Outcome: &adminv1.ExperimentServiceConcludeRequest_Revert{Revert: true}}
}

// stripped takes all slots of layer a away.
func stripped() []state.Change {
	return []state.Change{{Layer: &adminv1.Layer{LayerId: "a"}, Mask: []string{"ranges"}}}
}

// TestSteps follows experiment 2, with the variants 21 and 22, through requests.
func TestSteps(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		requests []any
		state    adminv1.ExperimentState
		ranges   string // of the layer
		held     string
		plan     string // as stored: vid:slots
		winner   int32
	}{
		{name: "allocated before", requests: []any{&setAllocation{Eid: 2, Allocation: slots(21, 10, 22, 5)}}, state: draft, plan: "21:10 22:5"},
		{name: "started by its own allocation", requests: []any{
			&setAllocation{Eid: 2, Allocation: slots(21, 10, 22, 5)}, &start{Eid: 2},
		}, state: running, ranges: "0-10:21 9995-10000:22"},
		{name: "started by the request's", requests: []any{
			&setAllocation{Eid: 2, Allocation: slots(21, 10)}, &start{Eid: 2, Allocation: slots(22, 5)},
		}, state: running, ranges: "0-5:22"},
		{name: "paused", requests: []any{
			&start{Eid: 2, Allocation: slots(21, 10, 22, 5)}, &pause{Eid: 2},
		}, state: paused, held: "0-10:21 9995-10000:22"},
		{name: "resumed", requests: []any{
			&start{Eid: 2, Allocation: slots(21, 10, 22, 5)}, &pause{Eid: 2}, &resume{Eid: 2},
		}, state: running, ranges: "0-10:21 9995-10000:22"},
		{name: "made smaller while paused", requests: []any{
			&start{Eid: 2, Allocation: slots(21, 10, 22, 5)}, &pause{Eid: 2}, &setAllocation{Eid: 2, Allocation: slots(21, 4)},
		}, state: paused, held: "0-4:21"},
		{name: "freed while paused", requests: []any{
			&start{Eid: 2, Allocation: slots(21, 10)}, &pause{Eid: 2}, &setAllocation{Eid: 2, Allocation: slots()},
		}, state: paused},
		{name: "paused by an Apply", requests: []any{
			&start{Eid: 2, Allocation: slots(21, 10)}, stripped(), &setAllocation{Eid: 2, Allocation: slots(21, 3)},
		}, state: paused, plan: "21:3"},
		{name: "resumed after that", requests: []any{
			&start{Eid: 2, Allocation: slots(21, 10)}, stripped(), &setAllocation{Eid: 2, Allocation: slots(21, 3)}, &resume{Eid: 2},
		}, state: running, ranges: "0-3:21"},
		{name: "concluded with a winner", requests: []any{
			&start{Eid: 2, Allocation: slots(21, 10, 22, 5)}, winner(2, 22),
		}, state: concluded, ranges: "0-10:22 9995-10000:22", winner: 22},
		{name: "concluded with a winner while paused", requests: []any{
			&start{Eid: 2, Allocation: slots(21, 10, 22, 5)}, &pause{Eid: 2}, winner(2, 22),
		}, state: concluded, ranges: "0-10:22 9995-10000:22", winner: 22},
		{name: "concluded without slots", requests: []any{
			&start{Eid: 2, Allocation: slots(21, 10)}, stripped(), winner(2, 21),
		}, state: concluded, winner: 21},
		{name: "reverted", requests: []any{&start{Eid: 2, Allocation: slots(21, 10)}, revert(2)}, state: concluded},
		{name: "reverted while paused", requests: []any{
			&start{Eid: 2, Allocation: slots(21, 10)}, &pause{Eid: 2}, revert(2),
		}, state: concluded},
		{name: "rolled out", requests: []any{
			&start{Eid: 2, Allocation: slots(21, 10, 22, 5)}, winner(2, 22), &setAllocation{Eid: 2, Allocation: slots(22, 10_000)},
		}, state: concluded, ranges: "0-10000:22", winner: 22},
		{name: "rolled back", requests: []any{
			&start{Eid: 2, Allocation: slots(21, 10, 22, 5)}, winner(2, 22), &setAllocation{Eid: 2, Allocation: slots(22, 0)},
		}, state: concluded, winner: 22},
		{name: "archived", requests: []any{
			&start{Eid: 2, Allocation: slots(21, 10)}, winner(2, 21), &archive{Eid: 2},
		}, state: archived, winner: 21},
		{name: "archived before it started", requests: []any{
			&setAllocation{Eid: 2, Allocation: slots(21, 10)}, &archive{Eid: 2},
		}, state: archived},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 2, "a")
			w.does(test.requests...)
			x := w.state.Experiment(2)
			plan := make([]string, len(x.GetAllocation()))
			for i, v := range x.GetAllocation() {
				plan[i] = ranges([]*configv1.Range{{End: v.GetSlots(), Vid: v.GetVid()}})
			}
			want := strings.Fields(test.plan)
			for i := range want {
				vid, slots, _ := strings.Cut(want[i], ":")
				want[i] = "0-" + slots + ":" + vid
			}
			if x.GetState() != test.state || x.GetWinnerVid() != test.winner || !slices.Equal(plan, want) {
				t.Errorf("got %v", x)
			}
			if got := ranges(w.state.Layer("a").GetRanges()); got != test.ranges {
				t.Errorf("ranges %q, want %q", got, test.ranges)
			}
			if got := ranges(x.GetHeld()); got != test.held {
				t.Errorf("held %q, want %q", got, test.held)
			}
		})
	}
}

func TestAllocationsAreRead(t *testing.T) {
	t.Parallel()
	percent := func(of ...*adminv1.VariantPercent) *adminv1.Allocation {
		return &adminv1.Allocation{Kind: &adminv1.Allocation_Percent{Percent: &adminv1.Allocation_PercentPerVariant{Variants: of}}}
	}
	weights := func(total int32, of ...*adminv1.VariantWeight) *adminv1.Allocation {
		return &adminv1.Allocation{Kind: &adminv1.Allocation_Weights_{Weights: &adminv1.Allocation_Weights{TotalSlots: total, Variants: of}}}
	}
	for _, test := range []struct {
		name       string
		allocation *adminv1.Allocation
		want       map[int32]int32
		fields     []string // of the violations
	}{
		{name: "slots", allocation: slots(21, 7, 22, 0), want: map[int32]int32{21: 7}},
		{name: "all slots", allocation: slots(22, 10_000), want: map[int32]int32{22: 10_000}},
		{name: "percent", allocation: percent(&adminv1.VariantPercent{Vid: 21, Percent: 33.33}), want: map[int32]int32{21: 3333}},
		{
			name:       "weights",
			allocation: weights(1001, &adminv1.VariantWeight{Vid: 22, Weight: 1}, &adminv1.VariantWeight{Vid: 21, Weight: 1}),
			want:       map[int32]int32{22: 501, 21: 500},
		},
		{name: "nothing", allocation: slots(), want: map[int32]int32{}},
		{name: "another's", allocation: slots(11, 7), fields: []string{"allocation.slots.variants[0].vid"}},
		{name: "twice", allocation: slots(21, 7, 22, 1, 21, 7), fields: []string{"allocation.slots.variants[2].vid"}},
		{name: "negative", allocation: slots(21, -7), fields: []string{"allocation.slots.variants[0].slots"}},
		{name: "too many", allocation: slots(21, 6000, 22, 4001), fields: []string{"allocation"}},
		{
			name:       "half a slot",
			allocation: percent(&adminv1.VariantPercent{Vid: 21, Percent: 1}, &adminv1.VariantPercent{Vid: 22, Percent: 0.005}),
			fields:     []string{"allocation.percent.variants[1].percent"},
		},
		{
			name:       "everything wrong",
			allocation: percent(&adminv1.VariantPercent{Vid: 5, Percent: -1}),
			fields:     []string{"allocation.percent.variants[0].percent", "allocation.percent.variants[0].vid"},
		},
		{name: "no weight", allocation: weights(10, &adminv1.VariantWeight{Vid: 21}), fields: []string{"allocation.weights"}},
		{name: "not its weight", allocation: weights(10, &adminv1.VariantWeight{Vid: 11, Weight: 1}), fields: []string{"allocation.weights.variants[0].vid"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 2, "a")
			changes, err := lifecycle.SetAllocation(w.head(), &setAllocation{Eid: 2, Allocation: test.allocation})
			if len(test.fields) > 0 {
				refusal, ok := errors.AsType[*rpc.Refusal](err)
				if !ok || refusal.Reason != adminv1.ErrorReason_ERROR_REASON_INVALID_ALLOCATION || !slices.Equal(fields(refusal), test.fields) {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			w.apply(changes)
			w.check(2, test.want)
		})
	}
}

func fields(r *rpc.Refusal) []string {
	var all []string
	for _, v := range r.Violations {
		all = append(all, v.Field)
	}
	return all
}

// check compares what is planned for a DRAFT.
func (w *world) check(eid int32, want map[int32]int32) {
	w.tb.Helper()
	planned := w.state.Experiment(eid).GetAllocation()
	for _, v := range planned {
		if want[v.GetVid()] != v.GetSlots() {
			w.tb.Errorf("planned %v, want %v", planned, want)
		}
	}
	if len(planned) != len(want) {
		w.tb.Errorf("planned %v, want %v", planned, want)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	const prefix = "ERROR_REASON_"
	started := &start{Eid: 2, Allocation: slots(21, 10)}
	for _, test := range []struct {
		name    string
		before  []any
		request any
		reason  string
		problem string // how it begins
		fields  []string
	}{
		{
			name: "unknown", request: &pause{Eid: 7}, reason: "RESOURCE_NOT_FOUND",
			problem: "there is no experiment 7 at revision 2",
		},
		{
			name: "stale", before: []any{started}, request: &pause{Eid: 2, Etag: "2"}, reason: "STALE_ETAG", fields: []string{"etag"},
			problem: `etag: is "2", but experiment 2 was changed by revision 3: read it again and retry`,
		},
		{
			name: "in one wrong state", request: &pause{Eid: 2}, reason: "INVALID_STATE",
			problem: "experiment 2 is DRAFT, and only one that is RUNNING can be paused",
		},
		{
			name: "in several", request: revert(2), reason: "INVALID_STATE",
			problem: "experiment 2 is DRAFT, and only one that is RUNNING or PAUSED can be concluded",
		},
		{
			name: "without an allocation", request: &start{Eid: 2}, reason: "INVALID_ALLOCATION", fields: []string{"allocation"},
			problem: "allocation: gives no slots: say how many each variant gets, here or before with SetAllocation",
		},
		{
			name: "to nothing", before: []any{started}, request: &setAllocation{Eid: 2, Allocation: slots()},
			reason: "INVALID_ALLOCATION", fields: []string{"allocation"},
			problem: "allocation: takes all slots of a RUNNING experiment: pause or conclude it instead",
		},
		{
			name: "another's winner", before: []any{started}, request: winner(2, 11), reason: "UNKNOWN_VARIANT", fields: []string{"winner_vid"},
			problem: "winner_vid: 11 is no variant of experiment 2",
		},
		{
			name: "slots for a loser", before: []any{started, winner(2, 22)}, request: &setAllocation{Eid: 2, Allocation: slots(21, 1)},
			reason: "INVALID_ALLOCATION", fields: []string{"allocation"},
			problem: "allocation: gives variant 21 slots, but experiment 2 is CONCLUDED, and only its winner 22 can have some",
		},
		{
			name: "slots without a winner", before: []any{started, revert(2)}, request: &setAllocation{Eid: 2, Allocation: slots(21, 1)},
			reason: "INVALID_STATE",
			problem: "experiment 2 is CONCLUDED, and as it has no winner it can have no slots: " +
				"only one that is DRAFT, RUNNING or PAUSED, or has a winner, can be given some",
		},
		{
			name: "in another layer", request: &start{Eid: 2, Allocation: slots(21, 1), LayerId: "b"}, reason: "INVALID_VALUE", fields: []string{"layer_id"},
			problem: "layer_id: experiment 2 is to live in layer a: leave the layer out, or update the experiment first",
		},
		{
			name:    "without a layer",
			before:  []any{[]state.Change{{Experiment: &adminv1.Experiment{Eid: 2}, Mask: []string{"layer_id"}}}},
			request: &start{Eid: 2, Allocation: slots(21, 1)}, reason: "INVALID_VALUE", fields: []string{"layer_id"},
			problem: "layer_id: experiment 2 names no layer: say which one it is to live in",
		},
		{
			name:    "in no layer",
			before:  []any{[]state.Change{{Experiment: &adminv1.Experiment{Eid: 2}, Mask: []string{"layer_id"}}}},
			request: &start{Eid: 2, Allocation: slots(21, 1), LayerId: "z"}, reason: "RESOURCE_NOT_FOUND",
			problem: "there is no layer z at revision 3",
		},
		{
			name: "too much", before: []any{started, &start{Eid: 1, Allocation: slots(11, 9000)}, &pause{Eid: 1}, revert(2)},
			request: &start{Eid: 3, Allocation: slots(31, 1000)}, reason: "NOT_ENOUGH_SLOTS",
			problem: "layer a has not enough free slots: 1000 more slots are wanted and 990 are free; ",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 3, "a")
			w.does(test.before...)
			_, err := call(w.head(), test.request)
			refusal, ok := errors.AsType[*rpc.Refusal](err)
			if !ok {
				t.Fatalf("got %v", err)
			}
			if got := strings.TrimPrefix(refusal.Reason.String(), prefix); got != test.reason || !strings.HasPrefix(refusal.Problem, test.problem) {
				t.Errorf("got %s: %s", got, refusal.Problem)
			}
			if got := fields(refusal); !slices.Equal(got, test.fields) {
				t.Errorf("got %q", got)
			}
		})
	}
}

// TestShortagesAreToldInNumbers reads the metadata.
func TestShortagesAreToldInNumbers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2, "a")
	w.does(&start{Eid: 2, Allocation: slots(21, 10)}, revert(2))
	free := w.now.Add(cooling - cooling/10)
	_, err := lifecycle.Start(w.head(), &start{Eid: 1, Allocation: slots(11, 10_000)})
	refusal, ok := errors.AsType[*rpc.Refusal](err)
	if !ok {
		t.Fatalf("got %v", err)
	}
	want := map[string]string{
		"layer_id": "a", "wanted": "10000", "free": "9990", "resting": "10", "held": "0",
		"next_free": free.Format(time.RFC3339), "enough_free": free.Format(time.RFC3339),
	}
	for name, value := range want {
		if refusal.Metadata[name] != value {
			t.Errorf("%s is %q, want %q", name, refusal.Metadata[name], value)
		}
	}
	w.does(&start{Eid: 1, Allocation: slots(11, 10_000), IgnoreCooling: true})
}

// TestWhatIsSoAlreadyChangesNothing sets what is set.
func TestWhatIsSoAlreadyChangesNothing(t *testing.T) {
	t.Parallel()
	for name, before := range map[string][]any{
		"DRAFT":     {&setAllocation{Eid: 2, Allocation: slots(21, 10)}},
		"RUNNING":   {&start{Eid: 2, Allocation: slots(21, 10)}},
		"PAUSED":    {&start{Eid: 2, Allocation: slots(21, 10)}, &pause{Eid: 2}},
		"CONCLUDED": {&start{Eid: 2, Allocation: slots(21, 10)}, winner(2, 21)},
		"stripped":  {&start{Eid: 2, Allocation: slots(21, 10)}, stripped(), &setAllocation{Eid: 2, Allocation: slots(21, 10)}},
	} {
		w := newWorld(t, 2, "a")
		w.does(before...)
		changes, err := lifecycle.SetAllocation(w.head(), &setAllocation{Eid: 2, Allocation: slots(22, 0, 21, 10)})
		if err != nil || changes != nil {
			t.Errorf("%s: got %v, %v", name, changes, err)
		}
	}
}

// TestRestsThatCanNotBeRead returns the error as it is.
func TestRestsThatCanNotBeRead(t *testing.T) {
	t.Parallel()
	head := newWorld(t, 2, "a").head()
	fault := errors.New("gone")
	head.Resting = func(string) ([]revision.Rest, error) { return nil, fault }
	if _, err := lifecycle.Start(head, &start{Eid: 2, Allocation: slots(21, 1)}); !errors.Is(err, fault) {
		t.Errorf("got %v", err)
	}
}
