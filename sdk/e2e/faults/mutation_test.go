//go:build faults

package faults_test

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	// tagsVariable names further build tags of the planes that a case starts.
	tagsVariable = "STRATA_E2E_TAGS"
	root         = "../../.."
	module       = "github.com/strata-exp/strata/"
)

// mutations are the bugs that a build tag brings back, each known from another
// system, and the tests that have to find them: one that sees the part alone, and
// where a whole system shows it within seconds, a case of this package.
var mutations = []struct {
	tag, test, in string
}{
	{"mutate_subscribe_late", "TestPublishWhileSubscribing", "internal/push"},
	{"mutate_swallow_wake", "TestPublishWhileSending", "internal/push"},
	{"mutate_double_read", "TestPublishWhileSending", "internal/push"},
	{"mutate_no_lease", "TestLease", "internal/push"},
	{"mutate_no_lease", "TestF12", "sdk/e2e/faults"},
	{"mutate_no_watchdog", "TestWatchdog", "sdk/go/follow"},
	{"mutate_no_watchdog", "TestF12", "sdk/e2e/faults"},
	{"mutate_commit_early", "TestCut", "sdk/go/follow"},
	{"mutate_one_state", "TestRejected", "sdk/go/follow"},
	{"mutate_one_state", "TestF29", "sdk/e2e/faults"},
	{"mutate_no_verify", "TestDamage", "sdk/go/lastgood"},
}

// TestMutations brings each known bug back, and demands that its test fails. A
// test that passes all the same is worth nothing.
func TestMutations(t *testing.T) {
	if os.Getenv(tagsVariable) != "" {
		t.Skip("runs within itself")
	}
	for _, m := range mutations {
		t.Run(m.tag+"/"+m.test, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
			defer cancel()
			command := exec.CommandContext(ctx, "go", "test", "-count=1", "-tags", "faults,"+m.tag, "-run", "^"+m.test+"$", module+m.in)
			command.Env = append(os.Environ(), tagsVariable+"="+m.tag)
			command.WaitDelay = 10 * time.Second
			out, err := command.CombinedOutput()
			switch {
			case err == nil:
				t.Errorf("%s passes with %s", m.test, m.tag)
			case !bytes.Contains(out, []byte("--- FAIL: "+m.test+" ")):
				t.Errorf("%s did not run with %s: %v\n%s", m.test, m.tag, err, out)
			}
		})
	}
}

// TestMutationsAreTested finds all mutations in the source, and demands a test for
// each.
func TestMutationsAreTested(t *testing.T) {
	t.Parallel()
	tag := regexp.MustCompile(`(?m)^//go:build (mutate_\w+)$`)
	found := 0
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(file, ".go") {
			return err
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		match := tag.FindSubmatch(text)
		if match == nil {
			return nil
		}
		found++
		if !slices.ContainsFunc(mutations, func(m struct{ tag, test, in string }) bool { return m.tag == string(match[1]) }) {
			t.Errorf("%s: no test is named that finds %s", file, match[1])
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if found == 0 {
		t.Error("found no mutation")
	}
}
