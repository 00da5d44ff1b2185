package pgcluster

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
)

// TestUnlockWhileOthersHaveTheFile has what a program that is just being started
// has of its parent.
func TestUnlockWhileOthersHaveTheFile(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "lock")
	lock, err := tryLock(name)
	if err != nil {
		t.Fatal(err)
	}
	copied, err := syscall.Dup(int(lock.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Close(copied) }()
	if _, err := tryLock(name); !errors.Is(err, errLocked) {
		t.Errorf("locked twice: %v", err)
	}
	if err := unlock(lock); err != nil {
		t.Fatal(err)
	}
	lock, err = tryLock(name)
	if err != nil {
		t.Fatalf("not unlocked: %v", err)
	}
	if err := errors.Join(os.Remove(name), unlock(lock)); err != nil {
		t.Fatal(err)
	}
}

func TestCandidates(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	install := func(folder string, programs ...string) string {
		t.Helper()
		bin := filepath.Join(dir, folder, "bin")
		if err := os.MkdirAll(bin, 0o700); err != nil {
			t.Fatal(err)
		}
		for _, program := range programs {
			if err := os.WriteFile(filepath.Join(bin, program), nil, 0o700); err != nil {
				t.Fatal(err)
			}
		}
		return bin
	}
	onPath, half := install("usr", "initdb", "postgres"), install("half", "postgres")
	install("postgresql/18")
	nine, nineSix := install("postgresql/9", "initdb", "postgres"), install("postgresql/9.6", "initdb", "postgres")
	fifteen := install("postgresql/15", "initdb", "postgres")

	path := half + string(filepath.ListSeparator) + onPath + string(filepath.ListSeparator) + "relative"
	got := candidates(path, []string{filepath.Join(dir, "postgresql", "*", "bin")})
	if want := []string{onPath, fifteen, nineSix, nine}; !slices.Equal(got, want) {
		t.Errorf("found %v, want %v", got, want)
	}
	if got := candidates("", nil); len(got) > 0 {
		t.Errorf("found %v where nothing is", got)
	}
}
