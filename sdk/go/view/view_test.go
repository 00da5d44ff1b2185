package view_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/sdk/go/engine"
	"github.com/strata-exp/strata/sdk/go/view"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func at(epoch, revision int64) view.Position { return view.Position{Epoch: epoch, Revision: revision} }

func entity(key view.Key, payload string) *view.Entity { return view.NewEntity(key, []byte(payload)) }

func message(tb testing.TB, key view.Key, m proto.Message) *view.Entity {
	tb.Helper()
	payload, err := proto.Marshal(m)
	if err != nil {
		tb.Fatal(err)
	}
	return view.NewEntity(key, payload)
}

// random returns a configuration of random entities.
func random(r *rand.Rand, p view.Position, size int) *view.View {
	var puts []*view.Entity
	for range size {
		key := view.Key{Kind: uint8(1 + r.IntN(4)), Name: strconv.Itoa(r.IntN(size))}
		puts = append(puts, entity(key, strings.Repeat(strconv.Itoa(r.IntN(9)), r.IntN(30_000))))
	}
	return view.Empty().With(p, puts, nil)
}

// updates returns the parts of an Update that leads from one to another, or from
// nothing if before is nil.
func updates(before, after *view.View) []*servingv1.Update {
	kind, from := servingv1.Update_KIND_FULL, int64(0)
	if before != nil {
		kind, from = servingv1.Update_KIND_DELTA, before.Position().Revision
	}
	var puts []*view.Entity
	var deletes []view.Key
	for _, d := range view.Compare(before, after) {
		if d.After == nil {
			deletes = append(deletes, d.Key)
		} else {
			puts = append(puts, d.After)
		}
	}
	var all []*servingv1.Update
	parts := view.EncodeParts(puts, deletes)
	for i, part := range parts {
		u := &servingv1.Update{
			Kind: kind, Epoch: after.Position().Epoch, FromRevision: from, ToRevision: after.Position().Revision,
			Part: int32(i), Changes: part,
		}
		if i == len(parts)-1 {
			hash := after.Hash()
			u.Last, u.Hash, u.EntityCount = true, hash[:], int32(after.Len())
		}
		all = append(all, u)
	}
	return all
}

func TestPositions(t *testing.T) {
	t.Parallel()
	ordered := []view.Position{{}, at(0, 1), at(1, 0), at(1, 5), at(2, 0), at(2, 4)}
	for i, a := range ordered {
		for j, b := range ordered {
			if got, want := a.Compare(b), max(-1, min(1, i-j)); got != want {
				t.Errorf("%v with %v: %d, want %d", a, b, got, want)
			}
		}
	}
}

// TestStage leads from one random configuration to another, whole and by changes.
func TestStage(t *testing.T) {
	t.Parallel()
	parts := 0
	for seed := range uint64(10) {
		r := rand.New(rand.NewPCG(seed, 1))
		a, b := random(r, at(1, 3), 80), random(r, at(1, 7), 80)
		for _, from := range []*view.View{nil, a} {
			var stage view.Stage
			all := updates(from, b)
			for i, u := range all {
				next, err := stage.Add(a, u)
				switch {
				case err != nil:
					t.Fatalf("seed %d: %v", seed, err)
				case i < len(all)-1 && next != nil:
					t.Fatalf("seed %d: done after part %d of %d", seed, i, len(all))
				case i == len(all)-1 && (next.Hash() != b.Hash() || next.Position() != b.Position() || next.Len() != b.Len()):
					t.Fatalf("seed %d: at %v, want %v", seed, next.Position(), b.Position())
				}
			}
			parts = max(parts, len(all))
		}
	}
	if parts < 2 {
		t.Error("no update had several parts")
	}
}

func TestStageRefuses(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 1))
	a, b := random(r, at(2, 3), 120), random(r, at(2, 7), 120)
	full, delta := updates(nil, b), updates(a, b)
	if len(full) < 3 || len(delta) < 2 {
		t.Fatal("too few parts")
	}
	changed := func(u *servingv1.Update, change func(*servingv1.Update)) *servingv1.Update {
		u = proto.CloneOf(u)
		change(u)
		return u
	}
	last := len(full) - 1
	for _, c := range []struct {
		name  string
		parts []*servingv1.Update
		older bool
	}{
		{"a part is missing", append(slices.Clone(full[:1]), full[2:]...), false},
		{"a part comes twice", append(slices.Clone(full[:1]), full...), false},
		{"the first part is missing", full[1:], false},
		{"two are mixed", append(slices.Clone(full[:1]), delta[1:]...), false},
		{"another hash", append(slices.Clone(full[:last]), changed(full[last], func(u *servingv1.Update) { u.Hash = u.GetHash()[1:] })), false},
		{"another count", append(slices.Clone(full[:last]), changed(full[last], func(u *servingv1.Update) { u.EntityCount++ })), false},
		{"an older whole", updates(nil, random(r, at(2, 2), 9)), true},
		{"one of an older history", updates(nil, random(r, at(1, 90), 9)), true},
		{"a delta from elsewhere", updates(random(r, at(2, 4), 9), b), false},
		{"a delta of another history", updates(a, random(r, at(3, 9), 9)), false},
		{"a delta that leads back", updates(a, random(r, at(2, 3), 9)), false},
		{"an unknown kind", []*servingv1.Update{changed(full[0], func(u *servingv1.Update) { u.Kind = 7 })}, false},
		{"no gzip", []*servingv1.Update{changed(full[0], func(u *servingv1.Update) { u.Changes = []byte("x") })}, false},
		{"cut gzip", []*servingv1.Update{changed(full[0], func(u *servingv1.Update) { u.Changes = u.GetChanges()[:40] })}, false},
	} {
		var stage view.Stage
		var next *view.View
		var err error
		for _, u := range c.parts {
			if next, err = stage.Add(a, u); err != nil || next != nil {
				break
			}
		}
		if err == nil || next != nil {
			t.Errorf("%s: taken", c.name)
		}
		if errors.Is(err, view.ErrOlder) != c.older {
			t.Errorf("%s: %v", c.name, err)
		}
		for i, u := range full { // and begins anew after it
			if next, err = stage.Add(a, u); err != nil || (next != nil) != (i == last) {
				t.Fatalf("%s: afterwards %v", c.name, err)
			}
		}
	}
}

func TestApplyRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		kind configv1.EntityKind
		key  string
		ok   bool
	}{
		{"largest", 255, strings.Repeat("k", 256), true},
		{"no kind", 0, "k", false},
		{"a kind too large", 256, "k", false},
		{"no key", 1, "", false},
		{"a key too long", 1, strings.Repeat("k", 257), false},
	} {
		_, put := view.Empty().Apply(at(1, 1), &configv1.Changes{Puts: []*configv1.Entity{{Kind: c.kind, Key: c.key}}})
		_, gone := view.Empty().Apply(at(1, 1), &configv1.Changes{Deletes: []*configv1.EntityKey{{Kind: c.kind, Key: c.key}}})
		if (put == nil) != c.ok || (gone == nil) != c.ok {
			t.Errorf("%s: %v, %v", c.name, put, gone)
		}
	}
}

func TestPartsAreBounded(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	zeros := make([]byte, 1<<20)
	for range view.MaxPartBytes>>20 + 1 {
		if _, err := w.Write(zeros); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := view.DecodePart(b.Bytes()); err == nil {
		t.Error("a bomb was taken")
	}
	if got := len(view.EncodeParts(nil, nil)); got != 1 {
		t.Errorf("%d parts of nothing, want 1", got)
	}
}

// experiment returns an experiment with one variant, and a layer that gives it all
// slots.
func experiment(tb testing.TB, eid int32, params string) []*view.Entity {
	tb.Helper()
	id := fmt.Sprint("layer-", eid)
	return []*view.Entity{
		message(tb, view.LayerKey(id), &configv1.Layer{
			LayerId: id, HashKey: "user_id", Salt: id, Enabled: true,
			Ranges: []*configv1.Range{{Start: 0, End: 10_000, Vid: eid}},
		}),
		message(tb, view.ExperimentKey(eid), &configv1.Experiment{
			Eid: eid, Service: "s", Variants: []*configv1.Variant{{Vid: eid, ParamsJson: params}},
		}),
	}
}

// TestCompile follows a history, and compares with what is compiled at once.
func TestCompile(t *testing.T) {
	t.Parallel()
	ctx, err := engine.ParseContext(`{"user_id":"u"}`)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	running := view.Empty().With(at(1, 1), []*view.Entity{
		entity(view.Key{Kind: 77, Name: "x"}, "not known"),
		message(t, view.FieldKey("country"), &configv1.Field{Name: "country", Type: configv1.FieldType_FIELD_TYPE_STRING}),
	}, nil)
	ruleset, err := view.Compile(nil, nil, running)
	if err != nil {
		t.Fatal(err)
	}
	for revision := range int64(60) {
		eid := 1 + r.Int32N(8)
		puts := experiment(t, eid, fmt.Sprintf(`{"p%d":%d}`, eid, revision))
		var deletes []view.Key
		if r.IntN(3) == 0 {
			puts, deletes = nil, []view.Key{view.LayerKey(fmt.Sprint("layer-", eid)), view.ExperimentKey(eid), {Kind: 77, Name: "x"}, view.FieldKey("country")}
		}
		next := running.With(at(1, revision+2), puts, deletes)
		if ruleset, err = view.Compile(running, ruleset, next); err != nil {
			t.Fatal(err)
		}
		anew, err := view.Compile(nil, nil, next)
		if err != nil {
			t.Fatal(err)
		}
		got, want := ruleset.Evaluate("s", ctx, nil, nil), anew.Evaluate("s", ctx, nil, nil)
		if got.Parameters != want.Parameters || ruleset.Revision() != revision+2 || ruleset.Layers() != anew.Layers() {
			t.Fatalf("revision %d: %s, want %s", revision, got.Parameters, want.Parameters)
		}
		running = next
	}
}

func TestCompileRefuses(t *testing.T) {
	t.Parallel()
	good := experiment(t, 1, "{}")
	for _, c := range []struct {
		name string
		put  *view.Entity
		want view.Key
	}{
		{"no message", entity(view.LayerKey("l"), "\xff"), view.LayerKey("l")},
		{"another key", view.NewEntity(view.ExperimentKey(7), good[1].Payload()), view.ExperimentKey(7)},
		{"a field of no type", message(t, view.FieldKey("f"), &configv1.Field{Name: "f"}), view.FieldKey("f")},
		{"a broken layer", message(t, view.LayerKey("l"), &configv1.Layer{LayerId: "l"}), view.LayerKey("l")},
		{"bad parameters", message(t, view.ExperimentKey(1), &configv1.Experiment{
			Eid: 1, Service: "s", Variants: []*configv1.Variant{{Vid: 1, ParamsJson: "["}},
		}), view.ExperimentKey(1)},
	} {
		_, err := view.Compile(nil, nil, view.Empty().With(at(1, 1), append(slices.Clone(good), c.put), nil))
		faults, ok := errors.AsType[view.Faults](err)
		if !ok || len(faults) == 0 || !slices.ContainsFunc(faults, func(f view.Fault) bool { return f.Key == c.want && f.Problem != "" }) {
			t.Errorf("%s: %v, want a fault of %v", c.name, err, c.want)
		}
	}
}

func FuzzDecodePart(f *testing.F) {
	f.Add(view.EncodeParts([]*view.Entity{entity(view.FieldKey("f"), "x")}, []view.Key{view.LayerKey("l")})[0])
	f.Add([]byte("\x1f\x8b"))
	f.Fuzz(func(_ *testing.T, part []byte) {
		var stage view.Stage
		_, _ = stage.Add(view.Empty(), &servingv1.Update{Kind: servingv1.Update_KIND_FULL, Epoch: 1, Changes: part, Last: true})
	})
}

// FuzzCut cuts an update at any byte of its frames: what is held stays, and the
// fault is found.
func FuzzCut(f *testing.F) {
	whole := updates(nil, random(rand.New(rand.NewPCG(5, 5)), at(1, 1), 20))
	f.Add(0, 10)
	f.Fuzz(func(t *testing.T, part, cut int) {
		var stage view.Stage
		for i, u := range whole {
			if i == part {
				changes := u.GetChanges()
				u = proto.CloneOf(u)
				u.Changes = changes[:max(0, min(cut, len(changes)-1))]
			}
			next, err := stage.Add(view.Empty(), u)
			if err != nil {
				return
			}
			if next != nil && part >= 0 && part < len(whole) {
				t.Fatal("a cut update was taken")
			}
		}
	})
}
