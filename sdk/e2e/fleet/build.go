package fleet

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// Build says how a program is built.
type Build struct {
	// Race is with the race detector.
	Race bool
	// Tags are build tags, joined by commas.
	Tags string
	// Package is what to build; empty is the strata command.
	Package string
}

// builds are the programs that this process has built.
var builds = struct {
	mu   sync.Mutex
	dir  string
	made map[Build]string
}{made: map[Build]string{}}

// Binary builds a program, once in each run of the tests, and returns its path.
// CleanBuilds removes it.
func Binary(ctx context.Context, b Build) (string, error) {
	builds.mu.Lock()
	defer builds.mu.Unlock()
	if path, ok := builds.made[b]; ok {
		return path, nil
	}
	if builds.dir == "" {
		dir, err := os.MkdirTemp("", "strata-builds-")
		if err != nil {
			return "", err
		}
		builds.dir = dir
	}
	if b.Package == "" {
		b.Package = "github.com/strata-exp/strata/cmd/strata"
	}
	path := filepath.Join(builds.dir, fmt.Sprintf("%s-%d", filepath.Base(b.Package), len(builds.made)))
	args := []string{"build", "-o", path}
	if b.Race {
		args = append(args, "-race")
	}
	if b.Tags != "" {
		args = append(args, "-tags", b.Tags)
	}
	command := exec.CommandContext(ctx, "go", append(args, b.Package)...) //nolint:gosec // what tests ask for
	if out, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	builds.made[b] = path
	return path, nil
}

// CleanBuilds removes what was built. It is for the end of TestMain.
func CleanBuilds() {
	builds.mu.Lock()
	defer builds.mu.Unlock()
	if builds.dir != "" {
		_ = os.RemoveAll(builds.dir)
	}
	builds.dir, builds.made = "", map[Build]string{}
}
