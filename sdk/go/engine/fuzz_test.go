package engine_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	"github.com/strata-exp/strata/sdk/conformance/generate"
	"github.com/strata-exp/strata/sdk/go/engine"
)

// FuzzLike compares like with a regular expression.
func FuzzLike(f *testing.F) {
	f.Add("a*b", "axxb")
	f.Add(`\*\\`, `*\`)
	f.Add("a*a*a*a*a*a*b", strings.Repeat("a", 50))
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if !utf8.ValidString(pattern) || !utf8.ValidString(text) || len(pattern) > 1000 {
			t.Skip()
		}
		if got, want := engine.MatchLike(pattern, text), naiveLike(pattern).MatchString(text); got != want {
			t.Errorf("%q like %q: got %t, want %t", text, pattern, got, want)
		}
	})
}

// FuzzSemver compares versions with a reading by regular expression.
func FuzzSemver(f *testing.F) {
	f.Add("1.2.3-beta.2", "v1.2.3-beta.11")
	f.Add("1.2", "1.2.0+build")
	f.Add("01.2.3", "1.2.3-")
	f.Add("99999999999999999999.0.0", "1.2.3-0a.rc-1")
	f.Fuzz(func(t *testing.T, a, b string) {
		for _, v := range []string{a, b} {
			if got, want := engine.IsSemver(v), naiveSemver.MatchString(v) && !strings.Contains(v, "\n"); got != want {
				t.Fatalf("%q: got valid %t, want %t", v, got, want)
			}
		}
		if !engine.IsSemver(a) || !engine.IsSemver(b) {
			return
		}
		if got, want := engine.CompareSemver(a, b), naiveCompareSemver(a, b); sign(got) != sign(want) {
			t.Errorf("%q and %q: got %d, want %d", a, b, got, want)
		}
	})
}

func sign(n int) int {
	switch {
	case n < 0:
		return -1
	case n > 0:
		return 1
	}
	return 0
}

// FuzzContext compares the context reader with encoding/json, where both take
// the text.
func FuzzContext(f *testing.F) {
	f.Add(`{"user_id":"u1","age":25,"tags":["a",{"b":null}],"x":true,"n":-1.5e3}`)
	f.Add(`{"a":"\ud83d\ude00\n","b":1e400}`)
	f.Add(strings.Repeat(`{"a":`, 300))
	f.Fuzz(func(t *testing.T, text string) {
		ctx, err := engine.ParseContext(text)
		var want map[string]any
		wantErr := json.Unmarshal([]byte(text), &want)
		if err != nil {
			return // we are stricter; that valid text is taken is shown elsewhere
		}
		if wantErr != nil {
			t.Fatalf("took what encoding/json refuses: %v", wantErr)
		}
		got := map[string]any{}
		for _, a := range ctx {
			var value any
			if err := json.Unmarshal(a.Value.AppendJSON(nil), &value); err != nil {
				t.Fatalf("%s: wrote invalid JSON: %v", a.Name, err)
			}
			got[a.Name] = value
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

// FuzzParams compares parameters in their normal form with what was written.
func FuzzParams(f *testing.F) {
	f.Add(`{"a":{"b":[1,2.50,1e3]},"c":null,"\u0041":"\/"}`)
	f.Add(`{"a":1,"a":2}`)
	f.Add(`{"n":9007199254740993}`)
	f.Fuzz(func(t *testing.T, text string) {
		rules, err := engine.Compile(nil, oneVariant(text))
		var want map[string]any
		wantErr := json.Unmarshal([]byte(text), &want)
		if err != nil {
			return
		}
		if wantErr != nil {
			t.Fatalf("took what encoding/json refuses: %v", wantErr)
		}
		result := rules.Evaluate("s", engine.Context{{Name: "user_id", Value: engine.StringValue("u")}}, nil, nil)
		var got map[string]any
		if err := json.Unmarshal([]byte(result.Parameters), &got); err != nil {
			t.Fatalf("served invalid JSON %s: %v", result.Parameters, err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		again, err := engine.Compile(nil, oneVariant(result.Parameters))
		if err != nil {
			t.Fatalf("refused what it served, %s: %v", result.Parameters, err)
		}
		if second := again.Evaluate("s", engine.Context{{Name: "user_id", Value: engine.StringValue("u")}}, nil, nil); second.Parameters != result.Parameters {
			t.Errorf("the normal form is not stable: %s, then %s", result.Parameters, second.Parameters)
		}
	})
}

// oneVariant is a configuration in which everyone gets params.
func oneVariant(params string) *configv1.Snapshot {
	return &configv1.Snapshot{
		Layers: []*configv1.Layer{{
			LayerId: "l", HashKey: "user_id", Salt: "s", Enabled: true, Ranges: []*configv1.Range{{End: 10000, Vid: 1}},
		}},
		Experiments: []*configv1.Experiment{{Eid: 1, Service: "s", Variants: []*configv1.Variant{{Vid: 1, ParamsJson: params}}}},
	}
}

// FuzzRule evaluates random rules in random contexts against the naive
// implementation.
func FuzzRule(f *testing.F) {
	f.Add(uint64(1), uint64(2))
	f.Fuzz(func(t *testing.T, a, b uint64) {
		g := generate.New(a, b)
		snapshot := g.Snapshot()
		snapshot.Experiments[0].Rule = g.Rule(snapshot, 6)
		rules, err := engine.Compile(nil, snapshot)
		if err != nil {
			t.Fatal(err)
		}
		context := g.Context()
		for range 2 {
			service := g.Service()
			want := naive{snapshot}.evaluate(service, parsed(t, context), nil)
			if err := compare(rules, service, context, nil, want); err != nil {
				t.Error(err)
			}
		}
	})
}

// FuzzCompile feeds configurations that nobody would write.
func FuzzCompile(f *testing.F) {
	valid, err := proto.Marshal(generate.New(1, 1).Snapshot())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(valid)
	f.Fuzz(func(t *testing.T, wire []byte) {
		snapshot := &configv1.Snapshot{}
		if proto.Unmarshal(wire, snapshot) != nil {
			t.Skip()
		}
		rules, err := engine.Compile(nil, snapshot)
		if err != nil {
			if len(err.Error()) == 0 {
				t.Error("a fault without words")
			}
			return
		}
		for _, e := range snapshot.GetExperiments() {
			ctx := engine.Context{{Name: "user_id", Value: engine.StringValue("u")}}
			result := rules.Evaluate(e.GetService(), ctx, nil, nil)
			explained := rules.Explain(e.GetService(), ctx, nil)
			if got, want := shown(explained.Result), shown(result); got != want {
				t.Errorf("evaluated %s, explained %s", want, got)
			}
			for _, leaf := range rules.Leaves(result) {
				if !rules.Knows(e.GetService(), leaf.Path) {
					t.Errorf("%q is a leaf and not known", leaf.Path)
				}
			}
		}
	})
}

func shown(r *engine.Result) string { return fmt.Sprint(r.Parameters, r.VIDs, r.MatchedLayers) }
