package plan_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/strata-exp/strata/controlplane/internal/plan"
	"github.com/strata-exp/strata/controlplane/internal/state"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
)

// exactly is an experiment as its life would store it.
func exactly(s *state.State, eid int32, change func(*adminv1.Experiment)) state.Change {
	x := proto.CloneOf(s.Experiment(eid))
	change(x)
	return state.Change{Experiment: x, Exact: true}
}

func conclude(x *adminv1.Experiment) {
	x.State, x.WinnerVid = adminv1.ExperimentState_EXPERIMENT_STATE_CONCLUDED, 11
}

func patch(l *adminv1.Layer, mask ...string) state.Change {
	return state.Change{Layer: l, Mask: mask, Exact: true}
}

func withRule(c state.Change, rule *configv1.Rule) state.Change {
	return with(c, func(x *adminv1.Experiment) { x.Rule = rule })
}

// TestWarnings has what is to be warned of, and what is not.
func TestWarnings(t *testing.T) {
	t.Parallel()
	const a, b, c = `{"p":1}`, `{"p":2}`, `{"q":3}`
	s := apply(
		t, empty(),
		layer("a", 100, slots(0, 1000, 11), slots(1000, 2000, 12)), layer("b", 50),
		experiment(1, a, b), withRule(experiment(2, a), is("vip")), experiment(3, c), field("vip"),
	)
	disabled := apply(t, s, patch(&adminv1.Layer{LayerId: "a", Enabled: new(false)}, "enabled"))
	low := apply(t, s, layer("b", 50, slots(0, 5000, 21)))
	for _, test := range []struct {
		name    string
		state   *state.State
		changes []state.Change
		want    []string // "code layer eid: text in it"
	}{
		{"growth", s, []state.Change{layer("a", 100, slots(0, 1000, 11), slots(1000, 5000, 12))}, nil},
		{"notes", s, []state.Change{patch(&adminv1.Layer{LayerId: "a", Description: "x"}, "description")}, nil},
		{"shrink", s, []state.Change{layer("a", 100, slots(0, 1000, 11), slots(1000, 1999, 12))}, []string{
			"TAINTED_EXPERIMENT a 1: Experiment 1 was running, and users in 1 of its 2000 slots lose their variant: what",
		}},
		{"swap", s, []state.Change{layer("a", 100, slots(0, 1000, 12), slots(1000, 2000, 11))}, []string{
			"TAINTED_EXPERIMENT a 1: Experiment 1 was running, and users in 2000 of its 2000 slots lose their variant: what",
		}},
		{"pause", s, []state.Change{layer("a", 100)}, []string{
			"TAINTED_EXPERIMENT a 1: users in 2000 of its 2000 slots lose",
		}},
		{"conclude", s, []state.Change{layer("a", 100, slots(0, 2000, 11)), exactly(s, 1, conclude)}, nil},
		{"delete", s, []state.Change{layer("a", 100), {Delete: state.ExperimentID(1)}}, nil},
		{"rule", s, []state.Change{withRule(experiment(1, a, b), is("vip"))}, []string{
			"TAINTED_EXPERIMENT a 1: its rule changes for users in 2000 slots",
		}},
		{"params", s, []state.Change{experiment(1, a, c)}, []string{
			"TAINTED_EXPERIMENT a 1: parameters of variant 12 change for users in 2000 slots",
		}},
		{"params of nobody", s, []state.Change{experiment(3, a)}, nil},
		{"new variant", s, []state.Change{experiment(1, a, b, c)}, nil},
		{"order of variants", s, []state.Change{with(experiment(1, a, b), func(x *adminv1.Experiment) { slices.Reverse(x.GetVariants()) })}, nil},
		{"priority", s, []state.Change{patch(&adminv1.Layer{LayerId: "a", Priority: 7}, "priority")}, []string{
			"TAINTED_EXPERIMENT a 1: the priority of its layer changes",
		}},
		{"disable", s, []state.Change{patch(&adminv1.Layer{LayerId: "a", Enabled: new(false)}, "enabled")}, []string{
			"TAINTED_EXPERIMENT a 1: and its layer is disabled, which had 2000 slots for it: what",
		}},
		{"enable", disabled, []state.Change{patch(&adminv1.Layer{LayerId: "a", Enabled: new(true)}, "enabled")}, []string{
			"TAINTED_EXPERIMENT a 1: and its layer is enabled: what",
		}},
		{"change what is disabled", disabled, []state.Change{experiment(1, c, c), layer("b", 50, slots(0, 10, 31))}, nil},
		{"salt", s, []state.Change{salted(layer("a", 100, slots(0, 1000, 11), slots(1000, 2000, 12)), "x")}, []string{
			"TAINTED_EXPERIMENT a 1: and everyone in its 2000 slots falls into another slot: what",
			"REHASHED_LAYER a 0: everyone in it falls into another slot",
		}},
		{"salt of nobody", s, []state.Change{salted(layer("b", 50), "x")}, nil},
		{"same salt", s, []state.Change{salted(layer("c", 0), "a_v1")}, []string{
			`DUPLICATE_SALT c 0: Layers a and c split users by user_id with the same salt, "a_v1"`,
		}},
		{"same salt, other key", s, []state.Change{{Layer: &adminv1.Layer{LayerId: "c", HashKey: "device", Salt: "a_v1"}}}, nil},
		{"same salt, disabled", disabled, []state.Change{salted(layer("c", 0), "a_v1")}, nil},
		{"same salt, twice new", s, []state.Change{salted(layer("c", 0), "x"), salted(layer("d", 0), "x")}, []string{
			`DUPLICATE_SALT c 0: Layers c and d split`,
		}},
		{"undeclared", s, []state.Change{withRule(experiment(3, c), is("vp"))}, []string{"UNDECLARED_FIELD  3: uses vp, which is not"}},
		{"undeclared by deletion", s, []state.Change{{Delete: state.FieldID("vip"), Exact: true}}, []string{"UNDECLARED_FIELD  2: uses vip"}},
		{"hidden", s, []state.Change{layer("b", 50, slots(0, 5000, 21))}, []string{
			"HIDDEN_PARAMETER b 2: Layer a hides /p of experiment 2 from 20 % of the users who would get it",
		}},
		{"hidden from more", low, []state.Change{layer("a", 100, slots(0, 1000, 11), slots(1000, 2001, 12))}, []string{
			"HIDDEN_PARAMETER b 2: from 20.01 % of",
		}},
		{"hidden from as many", low, []state.Change{layer("a", 100, slots(0, 1000, 11), slots(1001, 2001, 12))}, []string{"TAINTED_EXPERIMENT a 1: "}},
		{"hidden by a rule", low, []state.Change{withRule(experiment(3, b), is("vip")), layer("c", 70, slots(0, 9999, 31))}, []string{
			"HIDDEN_PARAMETER b 2: One of the layers a and c hides /p of experiment 2 from up to 99.99 % of",
			"HIDDEN_PARAMETER c 3: Layer a hides /p of experiment 3 from 20 % of",
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			after := apply(t, test.state, test.changes...)
			compareWarnings(t, plan.Make(test.state, after, plan.Options{}), test.want)
		})
	}
}

func compareWarnings(t *testing.T, p *adminv1.Plan, want []string) {
	t.Helper()
	got := p.GetWarnings()
	for i, w := range got {
		code := strings.TrimPrefix(w.GetCode().String(), "WARNING_CODE_")
		line := fmt.Sprintf("%s %s %d: ", code, w.GetLayerId(), w.GetEid())
		if i >= len(want) || !strings.HasPrefix(want[i], line) || !strings.Contains(w.GetMessage(), want[i][len(line):]) {
			t.Errorf("%s%s", line, w.GetMessage())
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d warnings, want %d: %q", len(got), len(want), want)
	}
}

func TestRestingSlots(t *testing.T) {
	t.Parallel()
	before := apply(t, empty(), layer("a", 0, slots(1000, 2000, 11)), layer("b", 0), experiment(1, "{}"), experiment(2, "{}"))
	after := apply(
		t, before,
		layer("a", 0, slots(0, 500, 21), slots(900, 1500, 11), slots(1500, 2000, 21), slots(3000, 3001, 21)),
		layer("new", 0, slots(0, 100, 31)), experiment(3, "{}"),
	)
	asked := map[string]int{}
	rests := func(layerID string) []plan.Rest {
		asked[layerID]++
		return []plan.Rest{
			{Start: 2000, End: 10_000, EID: 9}, // the last slot of 2
			{Start: 0, End: 100, EID: 2},       // its own
			{Start: 400, End: 950, EID: 7},     // 100 go to 2, 50 to 1
			{Start: 450, End: 460},             // nobody knows whose
			{Start: 900, End: 950, EID: 1},     // its own
			{Start: 1400, End: 1600, EID: 8},   // taken already
		}
	}
	p := plan.Make(before, after, plan.Options{Resting: rests})
	p.Warnings = slices.DeleteFunc(p.GetWarnings(), func(w *adminv1.Warning) bool {
		return w.GetCode() != adminv1.WarningCode_WARNING_CODE_RESTING_SLOTS
	})
	compareWarnings(t, p, []string{
		"RESTING_SLOTS a 1: Experiment 1 gets 50 slots of layer a while they rest after experiment 7",
		"RESTING_SLOTS a 2: Experiment 2 gets 10 slots of layer a while they rest after another experiment",
		"RESTING_SLOTS a 2: Experiment 2 gets 100 slots of layer a while they rest after experiment 7",
		"RESTING_SLOTS a 2: gets 1 slot of layer a",
	})
	if len(asked) != 1 || asked["a"] != 1 {
		t.Errorf("asked for %v", asked)
	}
}
