package plan_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"sync"

	"github.com/strata-exp/strata/controlplane/internal/state"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	"github.com/strata-exp/strata/sdk/go/engine"
)

// What is here says by itself, and slowly, what a plan should. Layers of one
// split share salt and hash key, and no two splits have the same hash key, so
// that a context can put a user into any slot of each.

// owners returns the variant of each slot that somebody can fall into.
func owners(l *adminv1.Layer) *[engine.Slots]int32 {
	var all [engine.Slots]int32
	if l.GetEnabled() {
		for _, r := range l.GetRanges() {
			for slot := r.GetStart(); slot < r.GetEnd(); slot++ {
				all[slot] = r.GetVid()
			}
		}
	}
	return &all
}

// leaves returns the JSON text of all leaves of parameters, and of all paths that
// are objects with members.
func leaves(text string) (values, objects map[string]string) {
	values, objects = map[string]string{}, map[string]string{}
	var walk func(path, text string)
	walk = func(path, text string) {
		var members map[string]json.RawMessage
		if json.Unmarshal([]byte(text), &members) != nil || members == nil || len(members) == 0 {
			values[path] = text
			return
		}
		objects[path] = text
		for key, member := range members {
			walk(path+"/"+strings.NewReplacer("~", "~0", "/", "~1").Replace(key), string(member))
		}
	}
	walk("", text)
	delete(values, "")
	delete(objects, "")
	return values, objects
}

// keys returns a key for each slot of a salt.
func keys(salt string) []string {
	if all, ok := keysBySalt.Load(salt); ok {
		return all.([]string) //nolint:forcetypeassert // nothing else is stored
	}
	all, missing := make([]string, engine.Slots), engine.Slots
	for i := 0; missing > 0; i++ {
		key := fmt.Sprintf("user_%d", i)
		if slot := engine.Slot(salt, key); all[slot] == "" {
			all[slot] = key
			missing--
		}
	}
	keysBySalt.Store(salt, all)
	return all
}

var keysBySalt sync.Map

// cell is a set of slots of one split that all layers treat alike.
type cell struct {
	hashKey, key string
	slots        int64
	vids         map[string]int32 // by layer
}

// cells returns the cells of each split.
func cells(s *state.State) [][]cell {
	splits := map[string][]*adminv1.Layer{}
	for _, r := range s.Layers() {
		splits[r.Layer().GetSalt()] = append(splits[r.Layer().GetSalt()], r.Layer())
	}
	var all [][]cell
	for _, salt := range slices.Sorted(maps.Keys(splits)) {
		var owned []*[engine.Slots]int32
		for _, l := range splits[salt] {
			owned = append(owned, owners(l))
		}
		found := map[string]*cell{}
		for slot := range engine.Slots {
			vids := map[string]int32{}
			for i, l := range splits[salt] {
				vids[l.GetLayerId()] = owned[i][slot]
			}
			name := fmt.Sprint(vids)
			if found[name] == nil {
				found[name] = &cell{splits[salt][0].GetHashKey(), keys(salt)[slot], 0, vids}
			}
			found[name].slots++
		}
		var split []cell
		for _, name := range slices.Sorted(maps.Keys(found)) {
			split = append(split, *found[name])
		}
		all = append(all, split)
	}
	return all
}

// each calls do for each way to put a user into one cell of each split, with how
// many users of 10,000 to the power of splits that is.
func each(splits [][]cell, do func(user []cell, weight *big.Int)) {
	user := make([]cell, len(splits))
	var walk func(i int, weight *big.Int)
	walk = func(i int, weight *big.Int) {
		if i == len(splits) {
			do(user, weight)
			return
		}
		for _, c := range splits[i] {
			user[i] = c
			walk(i+1, new(big.Int).Mul(weight, big.NewInt(c.slots)))
		}
	}
	walk(0, big.NewInt(1))
}

// loss is what is known of one parameter of an experiment.
type loss struct {
	all, hidden big.Int
	varies      bool            // by rules
	by          map[string]bool // layers that hide it from somebody, by what the engine says
}

type lossKey struct {
	eid  int32
	path string
}

// losses asks the engine about all users, if layers are named as if there were no
// others. A rule is TRUE where the field of its
// experiment is: all ways are tried, and the one that hides counts. The rule of
// an experiment itself does not matter.
func losses(s *state.State, service string, layers ...string) map[lossKey]*loss {
	all := map[lossKey]*loss{}
	var ruled []int32
	for _, r := range s.Experiments() {
		if r.Experiment().GetRule() != nil && r.Experiment().GetService() == service {
			ruled = append(ruled, r.Experiment().GetEid())
		}
	}
	each(cells(s), func(user []cell, weight *big.Int) {
		var ways [][]engine.ParameterExplanation
		var truths []map[int32]bool
		for way := range 1 << len(ruled) {
			ctx, truth := context(user), map[int32]bool{}
			for i, eid := range ruled {
				truth[eid] = way>>i&1 == 1
				ctx = append(ctx, engine.Attribute{Name: ruleName(eid), Value: engine.BoolValue(truth[eid])})
			}
			ways, truths = append(ways, s.Ruleset().Explain(service, ctx, layers).Parameters), append(truths, truth)
		}
		for _, v := range variantsOf(s, user) {
			x := s.ExperimentOf(v.GetVid())
			if x.GetService() != service {
				continue
			}
			values, _ := leaves(v.GetParamsJson())
			for path := range values {
				key := lossKey{x.GetEid(), path}
				if all[key] == nil {
					all[key] = &loss{by: map[string]bool{}}
				}
				all[key].count(weight, v.GetVid(), path, ways, truths, x)
			}
		}
	})
	return all
}

func context(user []cell) engine.Context {
	var ctx engine.Context
	for _, c := range user {
		ctx = append(ctx, engine.Attribute{Name: c.hashKey, Value: engine.StringValue(c.key)})
	}
	return ctx
}

// variantsOf returns the variants whose slots a user is in, whatever rules say.
func variantsOf(s *state.State, user []cell) (all []*configv1.Variant) {
	for _, c := range user {
		for _, vid := range c.vids {
			for _, v := range s.ExperimentOf(vid).GetVariants() {
				if v.GetVid() == vid {
					all = append(all, v)
				}
			}
		}
	}
	return all
}

func (l *loss) count(weight *big.Int, vid int32, path string, ways [][]engine.ParameterExplanation, truths []map[int32]bool, x *adminv1.Experiment) {
	hidden, tried := 0, 0
	for i, way := range ways {
		if truth, ok := truths[i][x.GetEid()]; ok && !truth {
			continue // it takes no part
		}
		tried++
		if by := hider(way, vid, path); by != "" {
			hidden++
			l.by[by] = true
		}
	}
	l.all.Add(&l.all, weight)
	if hidden > 0 {
		l.hidden.Add(&l.hidden, weight)
	}
	l.varies = l.varies || hidden > 0 && hidden < tried
}

// hider returns the layer that hides what a variant has at a path, or "".
func hider(explained []engine.ParameterExplanation, vid int32, path string) string {
	for _, p := range explained {
		if p.Path != path && !strings.HasPrefix(path, p.Path+"/") {
			continue
		}
		for _, h := range p.Hidden {
			if h.VID == vid {
				return p.Winner.LayerID
			}
		}
	}
	return ""
}

func (l *loss) share() float64 {
	share, _ := new(big.Rat).SetFrac(&l.hidden, &l.all).Float64()
	return share
}
