package lastgood

import (
	"fmt"
	"testing"

	"github.com/strata-exp/strata/sdk/go/view"
)

// large is about 10,000 layers, with an experiment each.
func large() *Content {
	puts := make([]*view.Entity, 0, 20_000)
	for i := range 10_000 {
		name := fmt.Sprintf("layer-%05d", i)
		puts = append(puts,
			view.NewEntity(view.LayerKey(name), fmt.Appendf(nil, "%s has a salt %x and ranges %d", name, i*7919, i)),
			view.NewEntity(view.ExperimentKey(int32(i+1)), fmt.Appendf(nil, `{"checkout":{"color":"%06x","size":%d,"text":"Buy it now, number %d"}}`, i*31337, i%13, i)))
	}
	c := content(1)
	c.View = view.Empty().With(view.Position{Epoch: 7, Revision: 1}, puts, nil)
	return c
}

func BenchmarkWrite(b *testing.B) {
	s, c := New(b.TempDir(), discard()), large()
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Write(c); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLoad(b *testing.B) {
	s := New(b.TempDir(), discard())
	if err := s.Write(large()); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if s.Load(upstream, "prod", asked) == nil {
			b.Fatal("there is nothing")
		}
	}
}
