package plan_test

import (
	"cmp"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/strata-exp/strata/controlplane/internal/plan"
	"github.com/strata-exp/strata/controlplane/internal/state"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/sdk/go/engine"
)

var cases = flag.Int("plan.cases", 40, "how many random changes each property is checked on")

// eachCase makes random changes. One that fails names its seed.
func eachCase(t *testing.T, check func(t *testing.T, before, after *state.State)) {
	t.Helper()
	for seed := range uint64(*cases) {
		g := generator{rand.New(rand.NewPCG(seed, 1))}
		a := g.world()
		b := pick(g, g.world(), newWorld(), g.change(a), g.change(a), g.change(a))
		if g.IntN(10) == 0 {
			a = newWorld()
		}
		before := apply(t, empty(), newWorld().changes(a)...)
		after := apply(t, before, a.changes(b)...)
		check(t, before, after)
		if t.Failed() {
			t.Fatalf("with seed %d", seed)
		}
	}
}

func TestSamePlan(t *testing.T) {
	t.Parallel()
	eachCase(t, func(t *testing.T, before, after *state.State) {
		t.Helper()
		p := plan.Make(before, after, plan.Options{})
		first, second := marshal(t, p), marshal(t, plan.Make(before, after, plan.Options{}))
		if !slices.Equal(first, second) {
			t.Error("two plans of one change differ")
		}
		if p.GetChecksum() != after.Checksum().String() || p.GetBaseChecksum() != before.Checksum().String() ||
			p.GetBaseRevision() != before.Revision() {
			t.Errorf("revision %d, %s -> %s", p.GetBaseRevision(), p.GetBaseChecksum(), p.GetChecksum())
		}
		nothing := &adminv1.Plan{
			BaseRevision: after.Revision(), BaseChecksum: after.Checksum().String(), Checksum: after.Checksum().String(),
		}
		if p := plan.Make(after, after, plan.Options{}); !proto.Equal(p, nothing) {
			t.Errorf("a change of nothing has a plan: %v", p)
		}
	})
}

func marshal(t *testing.T, p *adminv1.Plan) []byte {
	t.Helper()
	text, err := proto.MarshalOptions{Deterministic: true}.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestResources(t *testing.T) {
	t.Parallel()
	eachCase(t, func(t *testing.T, before, after *state.State) {
		t.Helper()
		p := plan.Make(before, after, plan.Options{})
		touched := state.Compare(before, after)
		if len(p.GetResources()) != len(touched) {
			t.Errorf("%d resources, want %d", len(p.GetResources()), len(touched))
		}
		for _, d := range p.GetResources() {
			if updated := d.GetAction() == adminv1.ResourceDiff_ACTION_UPDATE; updated != (len(d.GetValues()) > 0) {
				t.Errorf("%v", d)
			}
			for _, v := range d.GetValues() {
				if v.GetBefore() == v.GetAfter() {
					t.Errorf("%v", v)
				}
			}
			if !slices.IsSortedFunc(d.GetValues(), func(a, b *adminv1.ValueDiff) int { return cmp.Compare(a.GetPath(), b.GetPath()) }) {
				t.Errorf("out of order: %v", d)
			}
		}
	})
}

func TestMoves(t *testing.T) {
	t.Parallel()
	type move struct{ from, to int32 }
	eachCase(t, func(t *testing.T, before, after *state.State) {
		t.Helper()
		listed := map[string]bool{}
		mirrored := plan.Make(after, before, plan.Options{}).GetLayers()
		for i, m := range plan.Make(before, after, plan.Options{}).GetLayers() {
			id := m.GetLayerId()
			listed[id] = true
			a, b := owners(before.Layer(id)), owners(after.Layer(id))
			got, want := map[move]int32{}, map[move]int32{}
			var unchanged int32
			for slot := range a {
				if a[slot] != b[slot] {
					want[move{a[slot], b[slot]}]++
				} else {
					unchanged++
				}
			}
			sum := m.GetSlotsUnchanged()
			for _, x := range m.GetMoves() {
				got[move{x.GetFromVid(), x.GetToVid()}] = x.GetSlots()
				sum += x.GetSlots()
			}
			if m.GetRehashed() {
				if before.Layer(id).GetSalt() == after.Layer(id).GetSalt() || sum != 0 {
					t.Errorf("%v", m)
				}
				continue
			}
			if !mapsEqual(got, want) || m.GetSlotsUnchanged() != unchanged || sum != engine.Slots {
				t.Errorf("%v, want %v and %d unchanged", m, want, unchanged)
			}
			for _, x := range m.GetMoves() {
				back := slices.ContainsFunc(mirrored[i].GetMoves(), func(y *adminv1.Move) bool {
					return y.GetFromVid() == x.GetToVid() && y.GetToVid() == x.GetFromVid() && y.GetSlots() == x.GetSlots()
				})
				if !back || len(mirrored[i].GetMoves()) != len(m.GetMoves()) {
					t.Errorf("%v is not mirrored by %v", m, mirrored[i])
				}
			}
		}
		for _, s := range []*state.State{before, after} {
			for _, r := range s.Layers() {
				if id := r.ID.Key; !listed[id] && *owners(before.Layer(id)) != *owners(after.Layer(id)) {
					t.Errorf("layer %s moves and is not listed", id)
				}
			}
		}
	})
}

func mapsEqual[K, V comparable](a, b map[K]V) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		if b[k] != v {
			return false
		}
	}
	return true
}

func TestParameters(t *testing.T) {
	t.Parallel()
	type key struct {
		vid  int32
		path string
	}
	eachCase(t, func(t *testing.T, before, after *state.State) {
		t.Helper()
		got, want := map[key][3]any{}, map[key][3]any{}
		var order []string
		for _, c := range plan.Make(before, after, plan.Options{}).GetParameters() {
			got[key{c.GetVid(), c.GetPath()}] = [3]any{c.GetBefore(), c.GetAfter(), c.GetSlots()}
			order = append(order, c.GetService()+"\x00"+fmt.Sprintf("%08d", c.GetVid())+c.GetPath())
		}
		if !slices.IsSorted(order) {
			t.Errorf("out of order: %q", order)
		}
		for _, r := range after.Experiments() {
			for _, v := range r.Experiment().GetVariants() {
				for _, old := range before.Experiment(r.Experiment().GetEid()).GetVariants() {
					if old.GetVid() != v.GetVid() {
						continue
					}
					var slots int32
					for _, vid := range owners(after.Layer(r.Experiment().GetLayerId())) {
						if vid == v.GetVid() {
							slots++
						}
					}
					for path, change := range changedLeaves(old.GetParamsJson(), v.GetParamsJson()) {
						want[key{v.GetVid(), path}] = [3]any{change[0], change[1], slots}
					}
				}
			}
		}
		if !mapsEqual(got, want) {
			t.Errorf("got  %v\nwant %v", got, want)
		}
	})
}

// changedLeaves compares leaves. Where an object stands against a leaf they are
// compared as wholes, and what is below it is not told again.
func changedLeaves(before, after string) map[string][2]string {
	changed := map[string][2]string{}
	a, objectsA := leaves(before)
	b, objectsB := leaves(after)
	paths := map[string]bool{}
	for path := range a {
		paths[path] = true
	}
	for path := range b {
		paths[path] = true
	}
	for path := range paths {
		x, y := cmp.Or(a[path], objectsA[path]), cmp.Or(b[path], objectsB[path])
		if x != y && !below(path, a) && !below(path, b) {
			changed[path] = [2]string{x, y}
		}
	}
	return changed
}

// below reports whether a path is below one of some leaves.
func below(path string, leaves map[string]string) bool {
	for leaf := range leaves {
		if strings.HasPrefix(path, leaf+"/") {
			return true
		}
	}
	return false
}
