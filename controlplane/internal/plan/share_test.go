package plan_test

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/strata-exp/strata/controlplane/internal/plan"
	"github.com/strata-exp/strata/controlplane/internal/state"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
)

// stack makes layers one below the other, each with an experiment of one variant
// that has the slots from start to end.
func stack(tb testing.TB, n int, of func(i int) (salt, params string, start, end int32)) *state.State {
	tb.Helper()
	var changes []state.Change
	for i := range n {
		salt, params, start, end := of(i)
		eid := int32(i + 1)
		changes = append(
			changes,
			salted(layer(fmt.Sprintf("%05d", i), int32(-i), slots(start, end, 10*eid+1)), salt),
			experiment(eid, params),
		)
	}
	return apply(tb, empty(), changes...)
}

func hiddenBy(s *state.State) map[lossKey]*adminv1.HiddenParameter {
	all := map[lossKey]*adminv1.HiddenParameter{}
	for _, h := range plan.Make(empty(), s, plan.Options{}).GetHiddenParameters() {
		all[lossKey{h.GetEid(), h.GetPath()}] = h
	}
	return all
}

// TestManyLayers compares shares of long products with those of exact fractions.
func TestManyLayers(t *testing.T) {
	t.Parallel()
	for _, most := range []int32{10, 1000, 10_000} { // slots of a layer
		r := rand.New(rand.NewPCG(uint64(most), 1))
		const n = 300
		var sizes [n]int32
		s := stack(t, n, func(i int) (string, string, int32, int32) {
			sizes[i] = 1 + r.Int32N(most)
			return strconv.Itoa(i), `{"p":1}`, 0, sizes[i]
		})
		got := hiddenBy(s)
		kept := big.NewRat(1, 1)
		for i := range n {
			want, _ := new(big.Rat).Sub(big.NewRat(1, 1), kept).Float64()
			if h := got[lossKey{int32(i + 1), "/p"}]; h.GetShare() != want {
				t.Errorf("layer %d of up to %d slots: %v, want %v", i, most, h, want)
			}
			kept.Mul(kept, big.NewRat(int64(10_000-sizes[i]), 10_000))
		}
	}
}

// TestManyShields compares shares of a long chain, where layers have objects and
// now and then something else at one path, with those of exact fractions.
func TestManyShields(t *testing.T) {
	t.Parallel()
	const n, slots = 200, 100
	whole := func(i int) bool { return i%7 == 6 }
	s := stack(t, n, func(i int) (string, string, int32, int32) {
		if whole(i) {
			return strconv.Itoa(i), `{"m":0}`, 0, slots
		}
		return strconv.Itoa(i), fmt.Sprintf(`{"m":{"key_%d":1}}`, i), 0, slots
	})
	got := hiddenBy(s)
	// Users for whom nobody has anything yet, and for whom an object stands.
	none, shielded := big.NewRat(1, 1), new(big.Rat)
	hit, missed := big.NewRat(slots, 10_000), big.NewRat(10_000-slots, 10_000)
	for i := range n {
		path, kept := fmt.Sprintf("/m/key_%d", i), new(big.Rat).Add(none, shielded)
		if whole(i) { // any object above hides it
			path, kept = "/m", none
		}
		want, _ := new(big.Rat).Sub(big.NewRat(1, 1), kept).Float64()
		h := got[lossKey{int32(i + 1), path}]
		if h.GetShare() != want || h.GetAtMost() {
			t.Errorf("layer %d: %v, want %v", i, h, want)
		}
		if !whole(i) {
			shielded.Add(shielded, new(big.Rat).Mul(none, hit))
		}
		none.Mul(none, missed)
	}
}

// TestTooManyStates has more salts in pairs, open all at once, than can be
// followed. The shares are then the largest possible ones.
func TestTooManyStates(t *testing.T) {
	t.Parallel()
	for _, pairs := range []int{4, 16} {
		n := 2*pairs + 1
		s := stack(t, n, func(i int) (string, string, int32, int32) {
			switch {
			case i == 2*pairs:
				return "own", `{"m":{"mine":1}}`, 0, 10_000
			case i < pairs:
				return strconv.Itoa(i), fmt.Sprintf(`{"m":{"key_%d":1}}`, i), 0, 5000
			default:
				return strconv.Itoa(i - pairs), `{"m":0}`, 2500, 7500
			}
		})
		h := hiddenBy(s)[lossKey{int32(n), "/m/mine"}]
		exact, _ := exactPairs(pairs).Float64()
		if pairs < 10 && (h.GetShare() != exact || h.GetAtMost()) {
			t.Errorf("%d pairs: %v, want %v", pairs, h, exact)
		}
		if pairs > 10 && (h.GetShare() < exact || !h.GetAtMost()) {
			t.Errorf("%d pairs: %v, want at most something, and %v is exact", pairs, h, exact)
		}
		if len(h.GetHiddenBy()) != pairs {
			t.Errorf("%d pairs: %v", pairs, h)
		}
	}
}

// exactPairs is the share of users for whom no object stands, which is in half
// of the slots of each pair, and something else does, which is in a quarter of
// them.
func exactPairs(pairs int) *big.Rat {
	none, all := big.NewRat(1, 1), big.NewRat(1, 1)
	for range pairs {
		none.Mul(none, big.NewRat(1, 4)) // neither
		all.Mul(all, big.NewRat(1, 2))   // no object
	}
	return all.Sub(all, none)
}

// TestRuledLayers has rules, which may let nobody in or everybody: what such an
// experiment hides counts, and what it shields does not.
func TestRuledLayers(t *testing.T) {
	t.Parallel()
	type above struct {
		params string
		end    int32 // of the slots, from 0
		ruled  bool
	}
	for _, test := range []struct {
		name   string
		above  []above // from the highest
		share  float64
		atMost bool
		by     string
	}{
		{"shield", []above{{`{"m":{"x":1}}`, 5000, false}, {`{"m":0}`, 5000, false}}, 0.25, false, "[00001]"},
		{"ruled shield", []above{{`{"m":{"x":1}}`, 5000, true}, {`{"m":0}`, 5000, false}}, 0.5, true, "[00001]"},
		{"ruled shield beside another", []above{{`{"m":{"x":1}}`, 5000, true}, {`{"m":{"x":1}}`, 5000, false}, {`{"m":0}`, 5000, false}}, 0.25, true, "[00002]"},
		{"ruled shield of something else", []above{{`{"x":{"m":1}}`, 5000, true}, {`{"m":0}`, 5000, false}}, 0.5, false, "[00001]"},
		{"ruled shield below", []above{{`{"m":0}`, 5000, false}, {`{"m":{"x":1}}`, 5000, true}}, 0.5, false, "[00000]"},
		{"ruled", []above{{`{"m":0}`, 2500, true}}, 0.25, true, "[00000]"},
		{"ruled below a shield", []above{{`{"m":{"x":1}}`, 5000, false}, {`{"m":0}`, 5000, true}}, 0.25, true, "[00001]"},
		{"ruled below a shield for all", []above{{`{"m":{"x":1}}`, 10_000, false}, {`{"m":0}`, 5000, true}}, 0, false, "[]"},
		{"ruled where others hide too", []above{{`{"m":0}`, 10_000, false}, {`{"m":0}`, 5000, true}}, 1, true, "[00000 00001]"},
		{"hidden already", []above{{`{"m":{"x":1}}`, 5000, false}, {`{"m":0}`, 10_000, false}, {`{"m":{"mine":2}}`, 1, false}}, 0.50005, false, "[00001 00002]"},
		{"hidden from all already", []above{{`{"m":{"mine":1}}`, 10_000, false}, {`{"m":{"x":1}}`, 5000, false}, {`{"m":1}`, 5000, false}}, 1, false, "[00000 00002]"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			n := len(test.above)
			s := stack(t, n+1, func(i int) (string, string, int32, int32) {
				if i == n {
					return "own", `{"m":{"mine":1}}`, 0, 10_000
				}
				return strconv.Itoa(i), test.above[i].params, 0, test.above[i].end
			})
			for i, a := range test.above {
				if a.ruled {
					x := withRule(experiment(int32(i+1), a.params), is("vip"))
					s = apply(t, s, x)
				}
			}
			h := hiddenBy(s)[lossKey{int32(n + 1), "/m/mine"}]
			if h.GetShare() != test.share || h.GetAtMost() != test.atMost || fmt.Sprint(h.GetHiddenBy()) != test.by {
				t.Errorf("%v", h)
			}
		})
	}
}

// TestJointLayers has layers that share a salt with the one that is looked at.
func TestJointLayers(t *testing.T) {
	t.Parallel()
	for _, first := range []string{`{"m":{"x":1}}`, `{"x":1}`} { // with order and without
		s := stack(t, 5, func(i int) (string, string, int32, int32) {
			switch i {
			case 0:
				return "shield", first, 0, 5000
			case 1:
				return "joint", `{"m":0}`, 0, 2000 // none of the slots below
			case 2:
				return "joint", `{"m":0}`, 4000, 6000
			case 3:
				return "other", `{"m":0}`, 0, 1000
			default:
				return "joint", `{"m":{"mine":1}}`, 5000, 10_000
			}
		})
		want := 1 - 0.8*0.9
		if first != `{"x":1}` {
			want /= 2
		}
		h := hiddenBy(s)[lossKey{5, "/m/mine"}]
		if diff := h.GetShare() - want; diff > 1e-15 || diff < -1e-15 || fmt.Sprint(h.GetHiddenBy()) != "[00002 00003]" {
			t.Errorf("%v, want %v", h, want)
		}
	}
}
