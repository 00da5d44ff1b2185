package state_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/strata-exp/strata/controlplane/internal/state"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	"github.com/strata-exp/strata/sdk/go/engine"
)

func layer(id string, ranges ...*configv1.Range) state.Change {
	return state.Change{Layer: &adminv1.Layer{LayerId: id, Version: "v1", Priority: 100, HashKey: "user_id", Ranges: ranges}}
}

func slots(start, end, vid int32) *configv1.Range {
	return &configv1.Range{Start: start, End: end, Vid: vid}
}

func experiment(eid int32, vids ...int32) state.Change {
	x := &adminv1.Experiment{Eid: eid, Service: "shop"}
	for _, vid := range vids {
		x.Variants = append(x.Variants, &configv1.Variant{Vid: vid, ParamsJson: fmt.Sprintf(`{ "vid": %d }`, vid)})
	}
	return state.Change{Experiment: x}
}

func field(name string) state.Change {
	return state.Change{Field: &configv1.Field{Name: name, Type: configv1.FieldType_FIELD_TYPE_STRING}}
}

func using(name string) *configv1.Rule {
	return &configv1.Rule{
		Op: configv1.Operator_OPERATOR_EQ, Field: name,
		Values: []*configv1.Value{{Kind: &configv1.Value_StringValue{StringValue: "x"}}},
	}
}

func version(revision int64) state.Version {
	return state.Version{Revision: revision, Time: time.Unix(revision, 0)}
}

func apply(t *testing.T, s *state.State, changes ...state.Change) *state.State {
	t.Helper()
	result, err := s.Apply(version(s.Revision()+1), changes)
	if err != nil {
		t.Fatal(err)
	}
	return result.State
}

func base(t *testing.T) *state.State {
	t.Helper()
	return apply(t, state.Empty(version(1)),
		layer("a", slots(0, 1000, 11), slots(1000, 2000, 12), slots(5000, 6000, 21)),
		layer("b"), layer("drafts"),
		experiment(1, 11, 12), experiment(2, 21), experiment(3, 31), field("country"))
}

// exact is an experiment as its life would store it.
func exact(s *state.State, eid int32, change func(*adminv1.Experiment)) state.Change {
	x := proto.CloneOf(s.Experiment(eid))
	change(x)
	return state.Change{Experiment: x, Exact: true}
}

func TestProblems(t *testing.T) {
	t.Parallel()
	s := base(t)
	paused := apply(t, s, layer("a", slots(0, 1000, 11), slots(1000, 2000, 12)), exact(s, 2, func(x *adminv1.Experiment) {
		x.State, x.Held = adminv1.ExperimentState_EXPERIMENT_STATE_PAUSED, []*configv1.Range{slots(5000, 6000, 21)}
	}))
	concluded := apply(t, s, layer("a", slots(0, 2000, 11), slots(5000, 6000, 21)), exact(s, 1, func(x *adminv1.Experiment) {
		x.State, x.WinnerVid = adminv1.ExperimentState_EXPERIMENT_STATE_CONCLUDED, 11
	}))
	ruled := experiment(2, 21)
	ruled.Experiment.Rule = using("country")
	draft := experiment(3, 31)
	draft.Experiment.LayerId = "drafts"
	large := experiment(4, 41)
	large.Experiment.Variants[0].ParamsJson = `{"a":"` + strings.Repeat("x", engine.MaxParamsBytes) + `"}`
	broken := experiment(4, 41)
	broken.Experiment.Variants[0].ParamsJson = `{"a":`
	badRule := experiment(4, 41)
	badRule.Experiment.Rule = &configv1.Rule{Op: configv1.Operator_OPERATOR_AND}
	otherService := experiment(1, 11, 12)
	otherService.Experiment.Service = "search"
	salted := layer("a")
	salted.Layer.Salt = "new"
	salted.Mask = []string{"salt"}
	rekeyed := salted
	rekeyed.Layer = &adminv1.Layer{LayerId: "a", HashKey: "device_id"}
	rekeyed.Mask = []string{"hash_key"}
	owned := layer("a", slots(0, 1000, 11))
	owned.Layer.Service = "search"
	unsalted := layer("c")
	unsalted.Layer.Version = ""
	nowhere := experiment(3, 31)
	nowhere.Experiment.LayerId = "nowhere"
	for _, test := range []struct {
		name    string
		state   *state.State
		changes []state.Change
		want    adminv1.ErrorReason
		text    string // of the whole error
	}{
		{"overlap", s, []state.Change{layer("a", slots(0, 10, 11), slots(9, 20, 12))}, adminv1.ErrorReason_ERROR_REASON_RANGES_OVERLAP, "layer a: ranges[1]: slots [9, 20) overlap ranges[0]"},
		{"two layers", s, []state.Change{layer("b", slots(0, 10, 11))}, adminv1.ErrorReason_ERROR_REASON_EXPERIMENT_IN_TWO_LAYERS, "lives in layer"},
		{"unknown variant", s, []state.Change{layer("b", slots(0, 10, 99))}, adminv1.ErrorReason_ERROR_REASON_UNKNOWN_VARIANT, "99 is no variant"},
		{"vid taken", s, []state.Change{experiment(4, 11)}, adminv1.ErrorReason_ERROR_REASON_ID_TAKEN, "11 belongs to experiment 1"},
		{"twice", s, []state.Change{field("x"), field("x")}, adminv1.ErrorReason_ERROR_REASON_ID_TAKEN, "stands twice"},
		{"too large", s, []state.Change{large}, adminv1.ErrorReason_ERROR_REASON_PARAMS_TOO_LARGE, "at most 1048576 are allowed"},
		{"no JSON", s, []state.Change{broken}, adminv1.ErrorReason_ERROR_REASON_INVALID_PARAMS, "variants[0].params"},
		{"rule", s, []state.Change{badRule}, adminv1.ErrorReason_ERROR_REASON_INVALID_RULE, "want at least one"},
		{"service changes", s, []state.Change{otherService}, adminv1.ErrorReason_ERROR_REASON_INVALID_VALUE, "make a new experiment"},
		{"service of layer", s, []state.Change{owned}, adminv1.ErrorReason_ERROR_REASON_SERVICE_MISMATCH, "the layer to service search"},
		{"salt", s, []state.Change{salted}, adminv1.ErrorReason_ERROR_REASON_SALT_IMMUTABLE, "make a new layer"},
		{"hash key", s, []state.Change{rekeyed}, adminv1.ErrorReason_ERROR_REASON_HASH_KEY_IMMUTABLE, "make a new layer"},
		{"no salt", s, []state.Change{unsalted}, adminv1.ErrorReason_ERROR_REASON_INVALID_VALUE, "{layer_id}_{version}"},
		{"missing", s, []state.Change{{Delete: state.LayerID("x")}}, adminv1.ErrorReason_ERROR_REASON_RESOURCE_NOT_FOUND, "layer x: does not exist at revision 2"},
		{"update missing", s, []state.Change{{Layer: &adminv1.Layer{LayerId: "x"}, Existence: state.MustExist}}, adminv1.ErrorReason_ERROR_REASON_RESOURCE_NOT_FOUND, ""},
		{"create existing", s, []state.Change{{Layer: &adminv1.Layer{LayerId: "a"}, Existence: state.MustNotExist}}, adminv1.ErrorReason_ERROR_REASON_ALREADY_EXISTS, "update it"},
		{"etag", s, []state.Change{{Delete: state.LayerID("b"), Etag: "1"}}, adminv1.ErrorReason_ERROR_REASON_STALE_ETAG, "revision 2"},
		{"mask", s, []state.Change{{Layer: &adminv1.Layer{LayerId: "a"}, Mask: []string{"state"}}}, adminv1.ErrorReason_ERROR_REASON_INVALID_VALUE, "want some of version"},
		{"delete layer", s, []state.Change{{Delete: state.LayerID("a")}}, adminv1.ErrorReason_ERROR_REASON_STILL_REFERENCED, "experiment 1 lives in it"},
		{"delete draft's layer", apply(t, s, draft), []state.Change{{Delete: state.LayerID("drafts")}}, adminv1.ErrorReason_ERROR_REASON_STILL_REFERENCED, "experiment 3 lives in it"},
		{"delete experiment", s, []state.Change{{Delete: state.ExperimentID(1)}}, adminv1.ErrorReason_ERROR_REASON_STILL_REFERENCED, "has slots in layer a"},
		{"delete field", apply(t, s, ruled), []state.Change{{Delete: state.FieldID("country")}}, adminv1.ErrorReason_ERROR_REASON_STILL_REFERENCED, "rule of experiment 2"},
		{"no such layer", s, []state.Change{nowhere}, adminv1.ErrorReason_ERROR_REASON_INVALID_VALUE, "no layer nowhere"},
		{"held", paused, []state.Change{layer("a", slots(0, 1000, 11), slots(1000, 5001, 12))}, adminv1.ErrorReason_ERROR_REASON_SLOTS_HELD, "slot 5000 and maybe others are held for the paused experiment 2"},
		{"salt of held", apply(t, paused, layer("a")), []state.Change{salted}, adminv1.ErrorReason_ERROR_REASON_SALT_IMMUTABLE, ""},
		{"concluded", concluded, []state.Change{layer("a", slots(0, 1000, 11), slots(1000, 2000, 12), slots(5000, 6000, 21))}, adminv1.ErrorReason_ERROR_REASON_INVALID_STATE, "none but its winner 11"},
		{"held elsewhere", paused, []state.Change{{Experiment: &adminv1.Experiment{Eid: 2, LayerId: "b"}, Mask: []string{"layer_id"}}}, adminv1.ErrorReason_ERROR_REASON_INVALID_STATE, "slots are held for it in layer a"},
		{"delete held", paused, []state.Change{{Delete: state.ExperimentID(2)}}, adminv1.ErrorReason_ERROR_REASON_STILL_REFERENCED, "conclude it first"},
		{"stale deletion", s, []state.Change{{Delete: state.ExperimentID(1), Etag: "1"}}, adminv1.ErrorReason_ERROR_REASON_STALE_ETAG, ""},
		{"several", s, []state.Change{layer("a", slots(0, 10, 11), slots(9, 20, 99))}, adminv1.ErrorReason_ERROR_REASON_INVALID_CONFIGURATION, "99 is no variant"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			checksum := test.state.Checksum()
			_, err := test.state.Apply(version(9), test.changes)
			refused, ok := errors.AsType[state.Refused](err)
			if !ok {
				t.Fatalf("got %v", err)
			}
			if refused.Reason() != test.want || !strings.Contains(err.Error(), test.text) {
				t.Errorf("got %v:\n%v", refused.Reason(), err)
			}
			if test.state.Checksum() != checksum {
				t.Error("what was refused changed the state")
			}
		})
	}
}

func TestExperimentsFollowTheirSlots(t *testing.T) {
	t.Parallel()
	s := base(t)
	check := func(s *state.State, eid int32, want adminv1.ExperimentState, layerID string) {
		t.Helper()
		x := s.Experiment(eid)
		if x.GetState() != want || x.GetLayerId() != layerID {
			t.Errorf("experiment %d is %v in layer %q, want %v in %q", eid, x.GetState(), x.GetLayerId(), want, layerID)
		}
	}
	check(s, 1, adminv1.ExperimentState_EXPERIMENT_STATE_RUNNING, "a")
	check(s, 3, adminv1.ExperimentState_EXPERIMENT_STATE_DRAFT, "")
	s = apply(t, s, layer("b", slots(0, 10, 31)))
	check(s, 3, adminv1.ExperimentState_EXPERIMENT_STATE_RUNNING, "b")
	s = apply(t, s, layer("a", slots(5000, 6000, 21)))
	check(s, 1, adminv1.ExperimentState_EXPERIMENT_STATE_PAUSED, "a")
	s = apply(t, s, layer("b", slots(0, 10, 31), slots(10, 20, 12)))
	check(s, 1, adminv1.ExperimentState_EXPERIMENT_STATE_RUNNING, "b")
	// A new version of the experiment leaves that alone, a deletion of all that it
	// is with it.
	s = apply(t, s, experiment(1, 11, 12, 13))
	check(s, 1, adminv1.ExperimentState_EXPERIMENT_STATE_RUNNING, "b")
	s = apply(t, s, layer("b", slots(0, 10, 31)), state.Change{Delete: state.ExperimentID(1)})
	if s.Experiment(1) != nil || s.ExperimentOf(11) != nil {
		t.Error("the experiment is still there")
	}
}

func TestMask(t *testing.T) {
	t.Parallel()
	s := base(t)
	c := state.Change{Layer: &adminv1.Layer{LayerId: "a", Priority: 7, Owners: []string{"me"}}, Mask: []string{"priority", "owners"}}
	s = apply(t, s, c)
	l := s.Layer("a")
	if l.GetPriority() != 7 || len(l.GetOwners()) != 1 || len(l.GetRanges()) != 3 || l.GetSalt() != "a_v1" || !l.GetEnabled() {
		t.Errorf("got %v", l)
	}
	s = apply(t, s, state.Change{Layer: &adminv1.Layer{LayerId: "a"}, Mask: []string{"owners"}})
	if got := s.Layer("a").GetOwners(); len(got) != 0 {
		t.Errorf("the owners are %v, want none", got)
	}
}

// TestSlotsChangeTheEtag moves slots of an experiment that stays RUNNING.
func TestSlotsChangeTheEtag(t *testing.T) {
	t.Parallel()
	s := base(t)
	moved := apply(t, s, layer("a", slots(0, 900, 11), slots(1000, 2000, 12), slots(5000, 6000, 21)))
	for eid, want := range map[int32]int64{1: 3, 2: 2, 3: 2} {
		if r := moved.Resource(state.ExperimentID(eid)); r.Updated.Revision != want || r.Created.Revision != 2 {
			t.Errorf("experiment %d is of revision %d, made in %d; want %d", eid, r.Updated.Revision, r.Created.Revision, want)
		}
	}
	check(t, moved)
}

// TestNotesAreNotForPlanes changes what data planes do not get.
func TestNotesAreNotForPlanes(t *testing.T) {
	t.Parallel()
	s := base(t)
	noted := apply(t, s, state.Change{Experiment: &adminv1.Experiment{Eid: 1, Hypothesis: "more"}, Mask: []string{"hypothesis"}})
	if noted.Checksum() == s.Checksum() {
		t.Error("the checksum does not cover notes")
	}
	for _, touch := range state.Compare(s, noted) {
		if touch.Before.Config() != touch.After.Config() {
			t.Errorf("planes get %v", touch.After.Config())
		}
	}
}

// random makes changes that are mostly valid: the rest is refused, which must
// leave nothing behind.
type random struct{ *rand.Rand }

func (r random) change() state.Change {
	id := fmt.Sprint("layer", r.IntN(4))
	switch r.IntN(8) {
	case 6:
		return service([]string{"shop", "mail"}[r.IntN(2)], []string{texts, numbers, `{"properties":{"vid":{"maximum":50}}}`}[r.IntN(3)])
	case 7:
		return state.Change{Delete: state.ServiceID([]string{"shop", "mail"}[r.IntN(2)])}
	case 0:
		return field(fmt.Sprint("f", r.IntN(5)))
	case 1:
		return state.Change{Delete: state.FieldID(fmt.Sprint("f", r.IntN(5)))}
	case 2:
		eid := int32(1 + r.IntN(6))
		c := experiment(eid, 10*eid, 10*eid+1)
		if r.IntN(2) == 0 {
			c.Experiment.Rule = using(fmt.Sprint("f", r.IntN(5)))
		}
		return c
	case 3:
		return state.Change{Delete: []state.ID{state.LayerID(id), state.ExperimentID(int32(1 + r.IntN(6)))}[r.IntN(2)]}
	default:
		var ranges []*configv1.Range
		for at := int32(r.IntN(3000)); at < 9000 && r.IntN(4) > 0; {
			end := at + 1 + int32(r.IntN(1000))
			eid := int32(1 + r.IntN(6))
			ranges = append(ranges, slots(at, end, 10*eid+int32(r.IntN(2))))
			at = end + int32(r.IntN(1000))
		}
		r.Shuffle(len(ranges), func(i, j int) { ranges[i], ranges[j] = ranges[j], ranges[i] })
		return layer(id, ranges...)
	}
}

// TestRandomChanges compares each state that changes lead to with one that is
// made from its resources alone, and goes back and forth.
func TestRandomChanges(t *testing.T) {
	t.Parallel()
	const seed = 7
	r := random{rand.New(rand.NewPCG(seed, 0))}
	s := state.Empty(version(1))
	states := []*state.State{s}
	refused := 0
	for len(states) < 300 {
		var changes []state.Change
		for range 1 + r.IntN(4) {
			changes = append(changes, r.change())
		}
		result, err := s.Apply(version(s.Revision()+1), changes)
		if err != nil {
			refused++
			continue
		}
		if len(result.Touched) == 0 {
			if result.State != s {
				t.Fatal("a change of nothing made a state")
			}
			continue
		}
		differ := slices.DeleteFunc(slices.Clone(result.Touched), func(t state.Touch) bool {
			return t.Before != nil && t.After != nil && t.Before.Digest == t.After.Digest // only its slots are others
		})
		if got := state.Compare(s, result.State); !slices.Equal(got, differ) {
			t.Fatalf("seed %d, revision %d: touched %v, but %v differ", seed, s.Revision(), differ, got)
		}
		s = result.State
		check(t, s)
		states = append(states, s)
	}
	if refused == 0 {
		t.Error("nothing was refused: the changes are too tame")
	}
	for range 200 {
		from, to := states[r.IntN(len(states))], states[r.IntN(len(states))]
		back, err := from.Apply(version(from.Revision()+1), from.Restore(to, nil))
		if err != nil {
			t.Fatalf("seed %d: from revision %d to %d: %v", seed, from.Revision(), to.Revision(), err)
		}
		if back.State.Checksum() != to.Checksum() {
			t.Errorf("seed %d: from revision %d to %d ends elsewhere", seed, from.Revision(), to.Revision())
		}
		again, err := from.Ruleset().Apply(engineChange(from, to))
		if err != nil {
			t.Fatal(err)
		}
		sameSnapshot(t, again.Snapshot(), to.Ruleset().Snapshot())
	}
}

// engineChange is what planes get of the difference of two states.
func engineChange(from, to *state.State) engine.Change {
	change := engine.Change{Revision: to.Revision()}
	for _, touch := range state.Compare(from, to) {
		gone := touch.After == nil
		r := touch.After
		if gone {
			r = touch.Before
		}
		switch config := r.Config().(type) {
		case *configv1.Layer:
			if gone {
				change.DeletedLayers = append(change.DeletedLayers, config.GetLayerId())
			} else {
				change.Layers = append(change.Layers, config)
			}
		case *configv1.Experiment:
			if gone {
				change.DeletedExperiments = append(change.DeletedExperiments, config.GetEid())
			} else {
				change.Experiments = append(change.Experiments, config)
			}
		case *configv1.Field:
			if gone {
				change.DeletedFields = append(change.DeletedFields, config.GetName())
			} else {
				change.Fields = append(change.Fields, config)
			}
		}
	}
	return change
}

// check compares a state with one loaded from what it would be stored as.
func check(t *testing.T, s *state.State) {
	t.Helper()
	var stored []*state.Resource
	for _, list := range [][]*state.Resource{s.Services(), s.Fields(), s.Experiments(), s.Layers()} {
		for _, r := range list {
			decoded, err := state.Decode(r.ID, r.Payload, r.Created, r.Updated)
			if err != nil {
				t.Fatal(err)
			}
			stored = append(stored, decoded)
		}
	}
	loaded, err := state.Load(s.Version(), stored)
	if err != nil {
		t.Fatal(err)
	}
	if loaded.Checksum() != s.Checksum() {
		t.Fatalf("revision %d has the checksum %v, loaded it has %v", s.Revision(), s.Checksum(), loaded.Checksum())
	}
	if n := s.Size(); n != len(stored) {
		t.Fatalf("revision %d counts %d resources, but lists %d", s.Revision(), n, len(stored))
	}
	sameSnapshot(t, loaded.Ruleset().Snapshot(), s.Ruleset().Snapshot())
	for _, r := range s.Experiments() {
		x := r.Experiment()
		running := x.GetState() == adminv1.ExperimentState_EXPERIMENT_STATE_RUNNING
		placed := slices.ContainsFunc(s.Layer(x.GetLayerId()).GetRanges(), func(g *configv1.Range) bool {
			return s.ExperimentOf(g.GetVid()).GetEid() == x.GetEid()
		})
		if running != placed {
			t.Fatalf("revision %d: experiment %d is %v in layer %s, and has slots there: %t",
				s.Revision(), x.GetEid(), x.GetState(), x.GetLayerId(), placed)
		}
	}
}

func sameSnapshot(t *testing.T, a, b *configv1.Snapshot) {
	t.Helper()
	for _, s := range []*configv1.Snapshot{a, b} {
		slices.SortFunc(s.GetLayers(), func(x, y *configv1.Layer) int { return strings.Compare(x.GetLayerId(), y.GetLayerId()) })
		slices.SortFunc(s.GetExperiments(), func(x, y *configv1.Experiment) int { return int(x.GetEid() - y.GetEid()) })
		slices.SortFunc(s.GetFields(), func(x, y *configv1.Field) int { return strings.Compare(x.GetName(), y.GetName()) })
	}
	if !proto.Equal(a, b) {
		t.Fatalf("configurations differ:\n%v\n%v", a, b)
	}
}
