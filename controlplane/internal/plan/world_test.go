package plan_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/strata-exp/strata/controlplane/internal/state"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	"github.com/strata-exp/strata/sdk/go/engine"
)

// world is a configuration to make a state of.
type world struct {
	layers      map[string]*adminv1.Layer
	experiments map[int32]*adminv1.Experiment
	fields      map[string]*configv1.Field
}

func newWorld() world {
	return world{map[string]*adminv1.Layer{}, map[int32]*adminv1.Experiment{}, map[string]*configv1.Field{}}
}

// changes returns what leads from one world to another.
func (w world) changes(to world) []state.Change {
	var all []state.Change
	for _, id := range slices.Sorted(maps.Keys(to.layers)) {
		all = append(all, state.Change{Layer: to.layers[id], Exact: true})
	}
	for _, eid := range slices.Sorted(maps.Keys(to.experiments)) {
		all = append(all, state.Change{Experiment: to.experiments[eid]})
	}
	for _, name := range slices.Sorted(maps.Keys(to.fields)) {
		all = append(all, state.Change{Field: to.fields[name]})
	}
	for _, id := range slices.Sorted(maps.Keys(w.layers)) {
		if to.layers[id] == nil {
			all = append(all, state.Change{Delete: state.LayerID(id), Exact: true})
		}
	}
	for _, eid := range slices.Sorted(maps.Keys(w.experiments)) {
		if to.experiments[eid] == nil {
			all = append(all, state.Change{Delete: state.ExperimentID(eid), Exact: true})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(w.fields)) {
		if to.fields[name] == nil {
			all = append(all, state.Change{Delete: state.FieldID(name), Exact: true})
		}
	}
	return all
}

func version(revision int64) state.Version {
	return state.Version{Revision: revision, Time: time.Unix(revision, 0)}
}

func empty() *state.State { return state.Empty(version(1)) }

func apply(tb testing.TB, s *state.State, changes ...state.Change) *state.State {
	tb.Helper()
	made, err := s.Apply(version(s.Revision()+1), changes)
	if err != nil {
		tb.Fatal(err)
	}
	return made.State
}

func slots(start, end, vid int32) *configv1.Range {
	return &configv1.Range{Start: start, End: end, Vid: vid}
}

// layer is a layer with a salt of its own.
func layer(id string, priority int32, ranges ...*configv1.Range) state.Change {
	return state.Change{Exact: true, Layer: &adminv1.Layer{
		LayerId: id, Version: "v1", Priority: priority, HashKey: "user_id", Ranges: ranges,
	}}
}

func service(name, schema string) state.Change {
	return state.Change{Service: &adminv1.Service{Service: name, SchemaJson: schema}}
}

func salted(c state.Change, salt string) state.Change {
	c.Layer.Salt = salt
	return c
}

// experiment is one of the service "shop", with variants of which the vids are
// ten times the eid and more.
func experiment(eid int32, params ...string) state.Change {
	x := &adminv1.Experiment{Eid: eid, Service: "shop"}
	for i, text := range params {
		x.Variants = append(x.Variants, &configv1.Variant{Vid: 10*eid + int32(i) + 1, ParamsJson: text})
	}
	return state.Change{Experiment: x}
}

func with(c state.Change, change func(*adminv1.Experiment)) state.Change {
	change(c.Experiment)
	return c
}

func field(name string) state.Change {
	return state.Change{Field: &configv1.Field{Name: name, Type: configv1.FieldType_FIELD_TYPE_BOOL}}
}

// is is a rule that a context fulfils where a field is true.
func is(name string) *configv1.Rule {
	return &configv1.Rule{
		Op: configv1.Operator_OPERATOR_EQ, Field: name,
		Values: []*configv1.Value{{Kind: &configv1.Value_BoolValue{BoolValue: true}}},
	}
}

// generator makes small worlds in which everything meets: few paths, few splits,
// objects against whole values.
type generator struct{ *rand.Rand }

func pick[T any](g generator, from ...T) T { return from[g.IntN(len(from))] }

func ruleName(eid int32) string { return fmt.Sprintf("rule_%d", eid) }

func (g generator) world() world {
	w := newWorld()
	ids := []string{"a", "b", "c", "d", "e"}
	homes := map[string][]int32{} // vids by layer
	for eid := int32(1); eid <= 6; eid++ {
		if g.IntN(8) == 0 {
			continue
		}
		x := &adminv1.Experiment{Eid: eid, Service: pick(g, "shop", "shop", "search"), Description: pick(g, "", "x")}
		if eid%3 == 0 {
			x.Service = "search"
		} else {
			x.Service = "shop"
		}
		if g.IntN(4) == 0 {
			x.Rule = is(ruleName(eid))
		}
		home := pick(g, ids...)
		for i := range int32(1 + g.IntN(3)) {
			vid := 10*eid + i
			x.Variants = append(x.Variants, &configv1.Variant{Vid: vid, ParamsJson: g.object(3)})
			homes[home] = append(homes[home], vid)
		}
		w.experiments[eid] = x
	}
	for _, id := range ids {
		if len(homes[id]) == 0 && g.IntN(2) == 0 {
			continue
		}
		n := pick(g, 1, 1, 2, 3, 4)
		w.layers[id] = &adminv1.Layer{
			LayerId: id, Version: "v1", Priority: g.Int32N(3), HashKey: fmt.Sprintf("key_%d", n), Salt: fmt.Sprintf("salt_%d", n),
			Enabled: new(g.IntN(6) > 0), Ranges: g.ranges(homes[id]),
		}
	}
	for _, name := range []string{ruleName(1), ruleName(2)} {
		if g.IntN(2) == 0 {
			w.fields[name] = &configv1.Field{Name: name, Type: configv1.FieldType_FIELD_TYPE_BOOL}
		}
	}
	return w
}

func (g generator) ranges(vids []int32) (all []*configv1.Range) {
	if len(vids) == 0 {
		return nil
	}
	for at := pick[int32](g, 0, 0, g.Int32N(3000)); at < engine.Slots; {
		end := min(at+1+g.Int32N(pick[int32](g, 100, 4000, 10000)), engine.Slots)
		if g.IntN(4) > 0 {
			all = append(all, slots(at, end, pick(g, vids...)))
		}
		at = end
	}
	return all
}

// change returns a world that differs from another in a few places.
func (g generator) change(w world) world {
	other := g.world()
	to := world{maps.Clone(w.layers), maps.Clone(w.experiments), maps.Clone(w.fields)}
	for range 1 + g.IntN(3) {
		for _, id := range slices.Sorted(maps.Keys(w.layers)) {
			if g.IntN(6) > 0 {
				continue
			}
			l := w.layers[id]
			to.layers[id] = &adminv1.Layer{
				LayerId: id, Version: pick(g, "v1", "v2"), Priority: pick(g, l.GetPriority(), g.Int32N(3)),
				HashKey: l.GetHashKey(), Salt: l.GetSalt(), Ranges: pick(g, l.GetRanges(), g.ranges(vidsOf(l))),
				Enabled: new(g.IntN(6) > 0),
			}
		}
		for _, eid := range slices.Sorted(maps.Keys(w.experiments)) {
			if other.experiments[eid] != nil && g.IntN(6) == 0 {
				to.experiments[eid] = g.retold(w.experiments[eid])
			}
		}
	}
	return to
}

func vidsOf(l *adminv1.Layer) []int32 {
	vids := map[int32]bool{}
	for _, r := range l.GetRanges() {
		vids[r.GetVid()] = true
	}
	return slices.Sorted(maps.Keys(vids))
}

// retold returns an experiment with other parameters or another rule.
func (g generator) retold(x *adminv1.Experiment) *adminv1.Experiment {
	y := &adminv1.Experiment{Eid: x.GetEid(), Service: x.GetService(), Rule: x.GetRule(), Name: pick(g, "", "renamed")}
	if g.IntN(3) == 0 {
		y.Rule = pick(g, nil, is(ruleName(x.GetEid())))
	}
	for _, v := range x.GetVariants() {
		if g.IntN(2) == 0 {
			v = &configv1.Variant{Vid: v.GetVid(), ParamsJson: g.object(3)}
		}
		y.Variants = append(y.Variants, v)
	}
	return y
}

func (g generator) object(depth int) string {
	var members []string
	for _, key := range []string{"m", "m-x", "n", "~/"} {
		if g.IntN(5) < 2 {
			members = append(members, fmt.Sprintf("%q:%s", key, g.value(depth-1)))
		}
	}
	g.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	return "{" + strings.Join(members, ",") + "}"
}

func (g generator) value(depth int) string {
	if depth > 0 && g.IntN(5) < 3 {
		return g.object(depth)
	}
	return pick(g, "1", "2", "null", `"x"`, "[{}]", "{}", "{}")
}
