package generate_test

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/strata-exp/strata/sdk/conformance/generate"
	"github.com/strata-exp/strata/sdk/go/engine"
)

func TestGenerated(t *testing.T) {
	t.Parallel()
	const seeds = 150
	refused := 0
	for seed := range uint64(seeds) {
		g, again := generate.New(seed, 0), generate.New(seed, 0)
		snapshot := g.Snapshot()
		if !proto.Equal(snapshot, again.Snapshot()) {
			t.Fatalf("seed %d makes another configuration each time", seed)
		}
		for range 5 {
			if _, err := engine.Compile(nil, snapshot); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			before := proto.CloneOf(snapshot)
			if _, err := engine.Compile(nil, g.Invalid(snapshot)); err != nil {
				refused++
			}
			next := g.Next(snapshot)
			if !proto.Equal(snapshot, before) {
				t.Fatalf("seed %d: a configuration was changed to make another one", seed)
			}
			text := g.Context()
			if _, err := engine.ParseContext(text); err != nil {
				t.Fatalf("seed %d: context %s: %v", seed, text, err)
			}
			snapshot = next
		}
	}
	if refused < 5*seeds*9/10 {
		t.Errorf("only %d of %d invalid configurations were refused", refused, 5*seeds)
	}
}
