package manifest_test

import (
	"flag"
	"os"
	"testing"

	"github.com/strata-exp/strata/internal/manifest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares text that people read with what was reviewed as prose.
func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; see the difference after go test -update\ngot:\n%s", name, got)
	}
}

func TestFaultsOfBrokenFolder(t *testing.T) {
	t.Parallel()
	set, err := manifest.NewLoader(manifest.In("testdata/broken")).Load()
	if err == nil {
		t.Fatalf("loaded %v", set.Snapshot)
	}
	golden(t, "testdata/broken.golden", err.Error()+"\n")
}

func TestFaultsOfRefusedFolder(t *testing.T) {
	t.Parallel()
	set, err := manifest.NewLoader(manifest.In("testdata/refused")).Load()
	if err != nil {
		t.Fatal(err)
	}
	ruleset, err := set.Compile(nil, 1)
	if err == nil {
		t.Fatalf("compiled %d layers", ruleset.Layers())
	}
	golden(t, "testdata/refused.golden", err.Error()+"\n")
}
