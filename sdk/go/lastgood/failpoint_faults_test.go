//go:build faults

package lastgood

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"
)

// TestKill ends a process that writes at each failpoint: what is loaded is what it
// wrote last, or the one before.
func TestKill(t *testing.T) {
	t.Parallel()
	if folder := os.Getenv("LASTGOOD_FOLDER"); folder != "" {
		for revision := int64(1); ; revision++ {
			if err := New(folder, discard()).Write(content(revision, strconv.FormatInt(revision, 10))); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, point := range []string{"before-fsync", "before-rename", "between-renames", "after-rename"} {
		for nth := 1; nth < 5; nth++ {
			folder := t.TempDir()
			command := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKill$")
			command.Env = append(os.Environ(), "LASTGOOD_FOLDER="+folder, fmt.Sprintf("STRATA_FAILPOINT=lastgood/%s:%d", point, nth))
			err := command.Run()
			if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != failpointCode {
				t.Fatalf("%s, %d: %v", point, nth, err)
			}
			want := int64(nth - 1)
			if point == "after-rename" {
				want++
			}
			got := int64(0)
			if c := New(folder, discard()).Load(upstream, "prod", asked); c != nil {
				got = c.View.Position().Revision
			}
			if got != want {
				t.Errorf("%s, %d: revision %d is there, want %d", point, nth, got, want)
			}
		}
	}
}
