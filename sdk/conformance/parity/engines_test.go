//go:build parity

package main

import (
	"strings"
	"testing"
)

// TestEngines compares the engines as they are.
func TestEngines(t *testing.T) {
	t.Parallel()
	var out, log strings.Builder
	if code := run(t.Context(), 20_000, 0, "", &out, &log); code != 0 || !strings.HasPrefix(out.String(), "fuzz-parity: 20000 cases, 0 mismatches, seed ") {
		t.Errorf("exit code %d, %s%s", code, out.String(), log.String())
	}
}

// TestPlants shows that each planted error is found.
func TestPlants(t *testing.T) {
	t.Parallel()
	for _, p := range plants {
		name := p.language + ":" + p.name
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out, log strings.Builder
			if code := run(t.Context(), 20_000, 0, name, &out, &log); code != 1 || !strings.Contains(out.String(), " 1 mismatches, seed ") {
				t.Fatalf("exit code %d, %s%s", code, out.String(), log.String())
			}
			// A planted Go differs from all others, the first of which is named.
			if p.language != "go" && !strings.Contains(log.String(), p.language+" differs from go") {
				t.Errorf("another engine was found to be wrong: %s", log.String())
			}
		})
	}
}
