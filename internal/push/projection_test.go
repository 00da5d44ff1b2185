package push

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	"github.com/strata-exp/strata/sdk/go/engine"
	"github.com/strata-exp/strata/sdk/go/view"
)

// naive is the projection as it is defined, over decoded messages.
func naive(v *view.View, s Scope) *view.View {
	has := func(service string) bool { return len(s.services) == 0 || slices.Contains(s.services, service) }
	experiments := map[string]*configv1.Experiment{}
	layers := map[string]*configv1.Layer{}
	for e := range v.All() {
		switch key := e.TreeKey(); key.Kind {
		case kindExperiment:
			x := new(configv1.Experiment)
			if proto.Unmarshal(e.Payload(), x) == nil {
				experiments[key.Name] = x
			}
		case kindLayer:
			l := new(configv1.Layer)
			if proto.Unmarshal(e.Payload(), l) == nil {
				layers[key.Name] = l
			}
		}
	}
	open := func(l *configv1.Layer) bool {
		return len(s.services) == 0 || l.GetService() == "" || has(l.GetService())
	}
	owned := func(vid int32) bool { // by an experiment of the scope
		for _, x := range experiments {
			for _, variant := range x.GetVariants() {
				if variant.GetVid() == vid && has(x.GetService()) {
					return true
				}
			}
		}
		return false
	}
	var puts []*view.Entity
	for e := range v.All() {
		key := e.TreeKey()
		switch {
		case key.Kind == kindField, key.Kind == kindLayer && len(s.services) == 0, key.Kind > kindField && s.unknown:
			puts = append(puts, e)
		case key.Kind == kindExperiment:
			stands := false
			for _, variant := range experiments[key.Name].GetVariants() {
				for _, l := range layers {
					for _, r := range l.GetRanges() {
						stands = stands || r.GetVid() == variant.GetVid() && open(l)
					}
				}
			}
			if stands && has(experiments[key.Name].GetService()) {
				puts = append(puts, e)
			}
		case key.Kind == kindLayer:
			l, ok := layers[key.Name]
			if !ok || !open(l) {
				continue
			}
			var payload []byte
			left, i := 0, 0
			for rest := e.Payload(); len(rest) > 0; {
				number, kind, n := protowire.ConsumeField(rest)
				isRange := number == 7 && kind == protowire.BytesType
				if isRange {
					i++
				}
				if !isRange || owned(l.GetRanges()[i-1].GetVid()) {
					payload = append(payload, rest[:n]...)
					if isRange {
						left++
					}
				}
				rest = rest[n:]
			}
			if left > 0 {
				puts = append(puts, view.NewEntity(key, payload))
			}
		}
	}
	return view.Empty().With(v.Position(), puts, nil)
}

func indexOf(v *view.View) *index {
	x := newIndex()
	x.advance(view.Compare(nil, v))
	return x
}

func projectAnew(v *view.View, s Scope) *view.View { return projectAll(indexOf(v), s, v) }

func same(t *testing.T, seed uint64, what string, got, want *view.View) {
	t.Helper()
	if got.Hash() == want.Hash() && got.Len() == want.Len() {
		return
	}
	t.Errorf("seed %d: %s differ", seed, what)
	for _, d := range view.Compare(want, got) {
		t.Errorf("%v: want %v, got %v", d.Key, d.Before, d.After)
	}
	t.FailNow()
}

func cases(t *testing.T, most int) int {
	t.Helper()
	if testing.Short() {
		return most / 10
	}
	return most
}

// TestProjectionIsIncremental compares an index and projections that are taken
// along a random history with those that are made anew, and with the definition.
func TestProjectionIsIncremental(t *testing.T) {
	t.Parallel()
	for seed := range uint64(cases(t, 24)) {
		w := newWorld(rand.New(rand.NewPCG(seed, 1)), seed%3 > 0)
		scopes := []Scope{newScope(nil, true), newScope(nil, false), w.scope(), w.scope(), w.scope()}
		x, base := newIndex(), view.Empty()
		projections := make([]*view.View, len(scopes))
		for revision := range int64(25) {
			next := w.view(view.Position{Epoch: 1, Revision: revision + 1})
			touched := x.advance(view.Compare(base, next))
			base = next
			for i, s := range scopes {
				if projections[i] == nil {
					projections[i] = projectAll(x, s, base)
				} else {
					before := projections[i]
					var changed []view.Key
					projections[i], changed = projectTouched(x, s, base, before, touched)
					var want []view.Key
					for _, d := range view.Compare(before, projections[i]) {
						want = append(want, d.Key)
					}
					if !slices.Equal(changed, want) {
						t.Fatalf("seed %d: changed %v, and should %v", seed, changed, want)
					}
				}
				if projections[i].Position() != base.Position() {
					t.Fatalf("seed %d: at %v, not %v", seed, projections[i].Position(), base.Position())
				}
				same(t, seed, "taken along and defined", projections[i], naive(base, s))
			}
			same(t, seed, "taken along and anew", projections[2], projectAnew(base, scopes[2]))
			for range 1 + w.random.IntN(4) {
				w.change()
			}
		}
		anew := indexOf(base)
		if fmt.Sprint(x.layers, x.experiments) != fmt.Sprint(anew.layers, anew.experiments) {
			t.Fatalf("seed %d: the index is another one", seed)
		}
		if len(x.owners) != len(anew.owners) || len(x.homes) != len(anew.homes) {
			t.Fatalf("seed %d: the index keeps variants that are gone", seed)
		}
	}
}

// TestProjectionOfProjection says that relays make the same of what they have as
// the control plane of all there is.
func TestProjectionOfProjection(t *testing.T) {
	t.Parallel()
	for seed := range uint64(cases(t, 400)) {
		w := newWorld(rand.New(rand.NewPCG(seed, 2)), seed%3 > 0)
		for range w.random.IntN(20) {
			w.change()
		}
		v := w.view(view.Position{Epoch: 1, Revision: 1})
		outer := w.scope()
		inner := w.within(outer)
		same(t, seed, fmt.Sprintf("by way of %q and at once %q", outer.services, inner.services),
			projectAnew(projectAnew(v, outer), inner), projectAnew(v, inner))
	}
}

// TestProjectionEvaluates says that a scope's services get the same from its
// projection as from the whole.
func TestProjectionEvaluates(t *testing.T) {
	t.Parallel()
	matched := 0
	for seed := range uint64(cases(t, 100)) {
		w := newWorld(rand.New(rand.NewPCG(seed, 3)), false)
		for range w.random.IntN(30) {
			w.change()
		}
		v := w.view(view.Position{Epoch: 1, Revision: 1})
		all, err := view.Compile(nil, nil, v)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		s := w.scope()
		part, err := view.Compile(nil, nil, projectAnew(v, s))
		if err != nil {
			t.Fatalf("seed %d, %v: %v", seed, s, err)
		}
		granted := s.services
		if s.whole() {
			granted = []string{serviceName(0), serviceName(1), serviceName(2), serviceName(3)}
		}
		for range 40 {
			ctx, err := engine.ParseContext(`{"user_id":"` + strconv.Itoa(w.random.IntN(1e6)) + `"}`)
			if err != nil {
				t.Fatal(err)
			}
			for _, service := range granted {
				want, got := all.Evaluate(service, ctx, nil, nil), part.Evaluate(service, ctx, nil, nil)
				if want.Parameters != got.Parameters || !slices.Equal(want.VIDs, got.VIDs) || !slices.Equal(want.MatchedLayers, got.MatchedLayers) {
					t.Fatalf("seed %d, %v, %s: %v of the whole, %v of the part", seed, s, service, want, got)
				}
				matched += len(want.VIDs)
			}
		}
	}
	if matched == 0 {
		t.Error("nothing ever matched")
	}
}

// FuzzKeepRanges compares what is left of a layer with what protobuf reads.
func FuzzKeepRanges(f *testing.F) {
	w := newWorld(rand.New(rand.NewPCG(1, 4)), true)
	for _, e := range w.entities {
		f.Add(e.Payload(), int32(3))
	}
	f.Fuzz(func(t *testing.T, payload []byte, keep int32) {
		kept := func(vid int32) bool { return vid%4 != keep }
		before := bytes.Clone(payload)
		got, ok := keepRanges(payload, kept)
		if !bytes.Equal(before, payload) {
			t.Fatal("the payload was changed")
		}
		found, read := layerLinks(payload)
		if read != ok {
			t.Fatalf("links: %t, ranges: %t", read, ok)
		}
		whole := new(configv1.Layer)
		if err := (proto.UnmarshalOptions{AllowPartial: true}).Unmarshal(payload, whole); err != nil {
			return // not UTF-8, or no message
		}
		if !ok {
			t.Fatal("a message was not read")
		}
		if found.service != whole.GetService() {
			t.Fatalf("service %q, want %q", found.service, whole.GetService())
		}
		part := new(configv1.Layer)
		if err := proto.Unmarshal(got, part); err != nil {
			t.Fatal(err)
		}
		whole.Ranges = slices.DeleteFunc(whole.Ranges, func(r *configv1.Range) bool { return !kept(r.GetVid()) })
		if !proto.Equal(whole, part) {
			t.Fatalf("want %v, got %v", whole, part)
		}
		again, _ := keepRanges(got, kept)
		if !bytes.Equal(again, got) {
			t.Fatal("what was left out once is left out again")
		}
	})
}
