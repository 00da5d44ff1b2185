package fleet

import (
	"context"
	"os"
)

// T is what is used of a testing.TB, which production code may not import.
type T interface {
	Helper()
	Name() string
	Context() context.Context
	Cleanup(cleanup func())
	Failed() bool
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// must fails a test on an error.
func must(t T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// Folder makes a folder for a test, which every user can pass. It is kept where
// the test fails, and named.
func Folder(t T, name string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "strata-"+name+"-")
	must(t, "make a folder", err)
	must(t, "open a folder", os.Chmod(dir, 0o711)) //nolint:gosec // PostgreSQL's user has to get through
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("histories and logs are in %s", dir)
			return
		}
		_ = os.RemoveAll(dir) // what is left is in the way of nobody
	})
	return dir
}
