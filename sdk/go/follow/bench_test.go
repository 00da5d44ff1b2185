package follow

import (
	"fmt"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/sdk/go/engine"
	"github.com/strata-exp/strata/sdk/go/view"
)

// compiler is a sink that has what it gets run.
type compiler struct {
	running *view.View
	ruleset *engine.Ruleset
}

func (c *compiler) Replicated(*view.View) {}

func (c *compiler) Activate(v *view.View) error {
	ruleset, err := view.Compile(c.running, c.ruleset, v)
	if err == nil {
		c.running, c.ruleset = v, ruleset
	}
	return err
}

func (c *compiler) Keys(int64, []*servingv1.PublicKey) {}
func (c *compiler) Confirm(time.Duration)              {}
func (c *compiler) Followers() []*servingv1.Followers  { return nil }

// layer is an entity that differs from revision to revision.
func layer(b *testing.B, i int, revision int64) *view.Entity {
	b.Helper()
	return encode(b, view.LayerKey(fmt.Sprintf("layer-%05d", i)), &configv1.Layer{
		LayerId: fmt.Sprintf("layer-%05d", i), HashKey: "user_id", Salt: fmt.Sprint("salt-", i), Enabled: true,
		Ranges: []*configv1.Range{
			{Start: 0, End: int32(100 + revision%800), Vid: 2*int32(i) + 1}, {Start: 900, End: 1000, Vid: 2*int32(i) + 2},
		},
	})
}

func experiment(b *testing.B, i int) *view.Entity {
	b.Helper()
	x := &configv1.Experiment{Eid: int32(i + 1), Service: fmt.Sprint("service-", i%50)}
	for v := range 2 {
		x.Variants = append(x.Variants, &configv1.Variant{
			Vid: int32(2*i + v + 1), ParamsJson: fmt.Sprintf(`{"checkout":{"color":"%06x","size":%d,"text":"Buy it now, number %d"}}`, i*31337, v, i),
		})
	}
	return encode(b, view.ExperimentKey(int32(i+1)), x)
}

func encode(b *testing.B, key view.Key, m proto.Message) *view.Entity {
	b.Helper()
	data, err := proto.Marshal(m)
	if err != nil {
		b.Fatal(err)
	}
	return view.NewEntity(key, data)
}

// large is 10,000 layers with an experiment each.
func large(b *testing.B) *view.View {
	b.Helper()
	var puts []*view.Entity
	for i := range 10_000 {
		puts = append(puts, layer(b, i, 1), experiment(b, i))
	}
	return view.Empty().With(view.Position{Epoch: 7, Revision: 1}, puts, nil)
}

// parts returns an Update as servers encode it.
func parts(before, after *view.View) []*servingv1.WatchResponse {
	base := servingv1.Update{Kind: servingv1.Update_KIND_FULL}
	if before != nil {
		base.Kind, base.FromRevision = servingv1.Update_KIND_DELTA, before.Position().Revision
	}
	var puts []*view.Entity
	for _, d := range view.Compare(before, after) {
		puts = append(puts, d.After)
	}
	var frames []*servingv1.WatchResponse
	all := view.EncodeParts(puts, nil)
	hash := after.Hash()
	for i, part := range all {
		u := &servingv1.Update{
			Kind: base.GetKind(), Epoch: after.Position().Epoch, FromRevision: base.GetFromRevision(), ToRevision: after.Position().Revision,
			Part: int32(i), Changes: part,
		}
		if i == len(all)-1 {
			u.Last, u.Hash, u.EntityCount = true, hash[:], int32(after.Len())
		}
		frames = append(frames, frame(u))
	}
	return frames
}

// begun is a session of a follower that takes what a benchmark has.
func begun(b *testing.B) (*session, *compiler) {
	b.Helper()
	sink := new(compiler)
	f, err := New(Config{URL: "http://test", Environment: "prod", Instance: "one", Sink: sink})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(f.held.stop)
	s := f.newSession(false, false)
	takeAll(b, s, hello())
	return s, sink
}

func takeAll(b *testing.B, s *session, frames ...*servingv1.WatchResponse) {
	b.Helper()
	for _, frame := range frames {
		if e := s.take(frame); e != nil {
			b.Fatal(e.err)
		}
	}
}

// BenchmarkDelta has a change of one layer among 10,000 arrive and run.
func BenchmarkDelta(b *testing.B) {
	s, sink := begun(b)
	before := large(b)
	takeAll(b, s, parts(nil, before)...)
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		revision := before.Position().Revision + 1
		after := before.With(view.Position{Epoch: 7, Revision: revision}, []*view.Entity{layer(b, int(revision)%10_000, revision)}, nil)
		frames := parts(before, after)
		before = after
		b.StartTimer()
		takeAll(b, s, frames...)
	}
	if sink.ruleset.Revision() != before.Position().Revision {
		b.Error("it does not run")
	}
}

// BenchmarkFull has all of 10,000 layers arrive and run.
func BenchmarkFull(b *testing.B) {
	frames := parts(nil, large(b))
	size := 0
	for _, frame := range frames {
		size += len(frame.GetUpdate().GetChanges())
	}
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		s, _ := begun(b)
		b.StartTimer()
		takeAll(b, s, frames...)
	}
	b.ReportMetric(float64(size), "wire-bytes")
}
