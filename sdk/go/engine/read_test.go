package engine_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	"github.com/strata-exp/strata/sdk/go/engine"
)

// stack returns a configuration of layers of falling priority that everybody is
// in: layer i has experiment i+1, of which the user gets the first variant.
func stack(experiments ...[]string) *configv1.Snapshot {
	s := &configv1.Snapshot{}
	for i, variants := range experiments {
		e := &configv1.Experiment{Eid: int32(i + 1), Service: "s"}
		for j, params := range variants {
			e.Variants = append(e.Variants, &configv1.Variant{Vid: int32(100*(i+1) + j), ParamsJson: params})
		}
		s.Experiments = append(s.Experiments, e)
		s.Layers = append(s.Layers, &configv1.Layer{
			LayerId: fmt.Sprint("l", i), Priority: int32(-i), HashKey: "user_id", Salt: fmt.Sprint("salt", i), Enabled: true,
			Ranges: []*configv1.Range{{Start: 0, End: 10000, Vid: e.GetVariants()[0].GetVid()}},
		})
	}
	return s
}

// TestReadOfManyMembers reads each of more members than are looked at one by one.
func TestReadOfManyMembers(t *testing.T) {
	t.Parallel()
	const many = 1000
	upper, lower := []byte("{"), []byte("{")
	for i := range many {
		upper = fmt.Appendf(upper, `"a%d":%d,`, i, i)
		lower = fmt.Appendf(lower, `"b%d":%d,`, i, i)
	}
	rules, err := engine.Compile(nil, stack([]string{string(upper) + `"x":1}`}, []string{string(lower) + `"x":2}`}))
	if err != nil {
		t.Fatal(err)
	}
	result := rules.Evaluate("s", engine.Context{{Name: "user_id", Value: engine.StringValue("u")}}, nil, nil)
	for i := range many {
		for j, letter := range "ab" {
			if got := rules.Read(result, fmt.Sprintf("%c%d", letter, i)); got.Value != strconv.Itoa(i) || got.Winner != int32(j) {
				t.Errorf("%c%d: got %+v", letter, i, got)
			}
		}
	}
	if got := rules.Read(result, "x"); got.Value != "1" || !slices.Equal(got.Hidden, []int32{1}) {
		t.Errorf("x: got %+v", got)
	}
	if got := rules.Read(result, "c1"); got.Value != "" || got.Winner != -1 {
		t.Errorf("c1: got %+v", got)
	}
	if got := len(rules.Leaves(result)); got != 2*many+1 {
		t.Errorf("%d leaves", got)
	}
}

func TestRead(t *testing.T) {
	t.Parallel()
	layers := [][]string{
		{`{"a":{"x":1},"k.\\":true,"list":[{"in":1}]}`, `{}`},
		{`{"a":5,"only":{"here":{}}}`},
		{`{"a":{"y":2}}`, `{"control":{"left":"out"}}`},
		{`{}`},
	}
	for _, c := range []struct {
		path, value     string
		winner          int32
		exposed, hidden []int32
		known           bool
	}{
		{path: "", value: `{"a":{"x":1,"y":2},"k.\\":true,"list":[{"in":1}],"only":{"here":{}}}`, exposed: []int32{0, 2, 3}, hidden: []int32{1}, known: true},
		{path: "a", value: `{"x":1,"y":2}`, exposed: []int32{0, 2}, hidden: []int32{1}, known: true},
		{path: "a.x", value: "1", exposed: []int32{0}, hidden: []int32{1}, known: true},
		{path: "a.y", value: "2", winner: 2, exposed: []int32{2}, hidden: []int32{1}, known: true},
		{path: "a.z", winner: -1, hidden: []int32{1}},
		{path: `k\.\\`, value: "true", exposed: []int32{0}, known: true},
		{path: `k.\`, winner: -1},
		{path: "list", value: `[{"in":1}]`, exposed: []int32{0}, known: true},
		{path: "list.0", winner: -1, exposed: []int32{0}},
		{path: "only", value: `{"here":{}}`, winner: 1, known: true},
		{path: "only.here", value: "{}", winner: 1, known: true},
		{path: "control", winner: -1, exposed: []int32{2}, known: true},
		{path: "control.left", winner: -1, exposed: []int32{2}, known: true},
		{path: "contro", winner: -1},
		{path: "unknown", winner: -1},
	} {
		rules := compile(t, stack(layers...))
		result := rules.Evaluate("s", userContext("u"), nil, nil)
		for range 2 { // the second time it is remembered
			got := rules.Read(result, c.path)
			if got.Value != c.value || got.Winner != c.winner || !slices.Equal(got.Exposed, c.exposed) || !slices.Equal(got.Hidden, c.hidden) {
				t.Errorf("%q: got %+v, want %+v", c.path, *got, c)
			}
		}
		if rules.Knows("s", c.path) != c.known {
			t.Errorf("%q: known is %t", c.path, !c.known)
		}
	}
}

func TestReadOfNothing(t *testing.T) {
	t.Parallel()
	rules := compile(t, stack([]string{`{"a":1}`}))
	result := rules.Evaluate("s", nil, nil, nil)
	for path, value := range map[string]string{"": "{}", "a": ""} {
		if got := rules.Read(result, path); got.Value != value || got.Winner != -1 || got.Exposed != nil || got.Hidden != nil {
			t.Errorf("%q: got %+v", path, *got)
		}
	}
	if rules.Matches(result) != nil || rules.Leaves(result) != nil {
		t.Error("there is something in it")
	}
	var none *engine.Ruleset
	if none.Knows("s", "a") || none.HashKeys() != nil || none.Services() != nil || rules.Knows("other", "") {
		t.Error("an empty configuration knows something")
	}
}

func TestLeaves(t *testing.T) {
	t.Parallel()
	rules := compile(t, stack([]string{`{"b":{"c":1},"":0}`, `{"b":2}`}, []string{`{"a.b":1,"b":{"c":1,"d":{}}}`}))
	var got []string
	for _, leaf := range rules.Leaves(rules.Evaluate("s", userContext("u"), nil, nil)) {
		got = append(got, fmt.Sprint(leaf.Path, leaf.Winner, leaf.Exposed, leaf.Hidden))
	}
	if want := []string{`a\.b1 [1] []`, "b0 [0] [1]", "b.c0 [0] [1]"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestPaths(t *testing.T) {
	t.Parallel()
	for path, keys := range map[string][]string{
		"": nil, "a": {"a"}, "a.b": {"a", "b"}, ".": {"", ""}, "a.": {"a", ""}, `a\.b`: {"a.b"}, `a\\.b`: {`a\`, "b"},
		`a\x`: {`a\x`}, `a\`: {`a\`}, `\.\\`: {`.\`},
	} {
		if got := engine.ParsePath(path); !slices.Equal(got, keys) {
			t.Errorf("%q: got %q, want %q", path, got, keys)
		}
		if got := engine.ParsePath(engine.JoinPath(keys)); !slices.Equal(got, keys) {
			t.Errorf("%q: joined and parsed %q", keys, got)
		}
	}
}

// TestChanged shows which parameters a change may touch, and that windows end
// for those alone whose layer or experiment changed.
func TestChanged(t *testing.T) {
	t.Parallel()
	whole := func() *configv1.Snapshot {
		s := stack([]string{`{"a":1}`, `{"b":{"c":2}}`}, []string{`{"d":3}`}, []string{`{"e":4}`})
		// The second experiment lives in the first one's layer.
		s.Layers[0].Ranges = []*configv1.Range{{Start: 0, End: 5000, Vid: 100}, {Start: 5000, End: 10000, Vid: 200}}
		s.Layers = slices.Delete(s.Layers, 1, 2)
		return s
	}
	windows := func(rules *engine.Ruleset) map[int32]uint64 {
		all := map[int32]uint64{}
		for i := range 50 {
			for _, m := range rules.Matches(rules.Evaluate("s", userContext(strconv.Itoa(i)), nil, nil)) {
				all[m.EID] = m.Window
			}
		}
		return all
	}
	before := compile(t, whole())
	for name, c := range map[string]struct {
		change func(*configv1.Snapshot)
		want   string
		ended  []int32
	}{
		"nothing":       {change: func(*configv1.Snapshot) {}},
		"a value":       {func(s *configv1.Snapshot) { s.Experiments[0].Variants[0].ParamsJson = `{"a":2}` }, "s.a s.b.c", []int32{1}},
		"a path":        {func(s *configv1.Snapshot) { s.Experiments[1].Variants[0].ParamsJson = `{"f":3}` }, "s.d s.f", []int32{2}},
		"a layer":       {func(s *configv1.Snapshot) { s.Layers[0].Priority = 9 }, "s.a s.b.c s.d", []int32{1, 2}},
		"layer is gone": {func(s *configv1.Snapshot) { s.Layers = s.Layers[:1] }, "s.e", nil},
		"experiment gone": {func(s *configv1.Snapshot) {
			s.Layers[0].Ranges = s.Layers[0].Ranges[:1]
			s.Experiments = slices.Delete(s.Experiments, 1, 2)
		}, "s.a s.b.c s.d", []int32{1}},
		"a declared type": {func(s *configv1.Snapshot) {
			s.Fields = append(s.Fields, &configv1.Field{Name: "x", Type: configv1.FieldType_FIELD_TYPE_INT})
		}, "", nil},
	} {
		s := whole()
		c.change(s)
		after, err := engine.Compile(before, s)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(engine.Changed(before, after), " "); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
		old, now := windows(before), windows(after)
		for eid, window := range now {
			if ended := slices.Contains(c.ended, eid); (old[eid] != window) != ended {
				t.Errorf("%s: experiment %d: window ended is %t, want %t", name, eid, !ended, ended)
			}
		}
	}
	if got := engine.Changed(nil, before); len(got) != 4 {
		t.Errorf("from nothing: got %q", got)
	}
	if got := engine.Changed(before, nil); len(got) != 4 {
		t.Errorf("to nothing: got %q", got)
	}
}

// TestReadingsAreBounded reads more paths than are remembered, from many
// goroutines, and then has the results pushed out of the cache.
func TestReadingsAreBounded(t *testing.T) {
	t.Parallel()
	rules := compile(t, stack([]string{`{"a":"` + strings.Repeat("x", 1000) + `"}`}, []string{`{"b":1}`}))
	result := rules.Evaluate("s", userContext("u"), nil, nil)
	var wait sync.WaitGroup
	for worker := range 8 {
		wait.Go(func() {
			for i := range 2000 {
				path := "a"
				if i%2 == 1 {
					path = fmt.Sprint("a.", worker, ".", i)
				}
				if got := rules.Read(result, path); len(got.Exposed) != 1 || (got.Value != "") != (path == "a") {
					t.Errorf("%s: got %+v", path, got)
				}
			}
		})
	}
	wait.Wait()
	if used, most := rules.CacheBytes(); used > most || used > 1<<20 {
		t.Errorf("%d bytes are held", used)
	}
}

func TestReadAllocatesNothing(t *testing.T) { //nolint:paralleltest // counts allocations
	rules := compile(t, stack([]string{`{"a":{"b":1}}`}, []string{`{"b":1}`}))
	result := rules.Evaluate("s", userContext("u"), nil, nil)
	rules.Read(result, "a.b")
	if n := testing.AllocsPerRun(100, func() { rules.Read(result, "a.b") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestWindowsSurviveForgottenNames has so many names come and go that all is
// compiled anew, which changes nothing for those who stayed.
func TestWindowsSurviveForgottenNames(t *testing.T) {
	t.Parallel()
	rules := compile(t, stack([]string{`{"a":1}`}))
	window := func() uint64 { return rules.Matches(rules.Evaluate("s", userContext("u"), nil, nil))[0].Window }
	before := window()
	for i, most := 0, 0; ; i++ {
		next, err := rules.Apply(engine.Change{
			Experiments: []*configv1.Experiment{{Eid: 2, Service: fmt.Sprint("service ", i), Variants: []*configv1.Variant{{Vid: 2, ParamsJson: `{"b":1}`}}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		if changed := engine.Changed(rules, next); len(changed) != 0 {
			t.Fatalf("change %d: %q changed, and the experiment is in no layer", i, changed)
		}
		rules = next
		if window() != before {
			t.Fatalf("change %d: a window has ended", i)
		}
		if rules.Symbols() < most { // they were forgotten
			return
		}
		most = rules.Symbols()
	}
}
