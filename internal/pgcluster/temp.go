package pgcluster

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// TempDir makes a folder for a cluster that is thrown away. It is in memory where
// there is room for that, unless TMPDIR says where to put things: a new cluster is
// a thousand files, and each new database 300 more. The caller removes it with
// Remove. What callers that were killed have left goes when TempDir is called.
func TempDir(ctx context.Context) (string, error) {
	sweep(ctx)
	dir, err := os.MkdirTemp(tempParents()[0], tempPattern)
	if err != nil {
		return "", err
	}
	// If this is root's process, the server's user has to pass.
	if err := os.Chmod(dir, 0o711); err != nil { //nolint:gosec // not to read
		return "", errors.Join(err, os.Remove(dir))
	}
	return dir, nil
}

const (
	tempPattern = "strata-pgcluster-*"
	// memory is a file system in memory on Linux.
	memory = "/dev/shm"
	// enoughMemory keeps us out of it in containers, where it has 64 MB.
	enoughMemory = 1 << 30
)

// tempParents returns the folders that TempDir makes others in, the one to use
// now first.
func tempParents() []string {
	all := []string{os.TempDir(), memory}
	var stat syscall.Statfs_t
	if os.Getenv("TMPDIR") == "" && syscall.Statfs(memory, &stat) == nil && stat.Bavail*uint64(stat.Bsize) >= enoughMemory {
		all[0], all[1] = all[1], all[0]
	}
	return all
}

// sweep removes folders of TempDir that nobody has used of late, and whose
// cluster is not running.
func sweep(ctx context.Context) {
	const late = 15 * time.Minute // a test may stop its cluster for a while
	for _, parent := range tempParents() {
		dirs, _ := filepath.Glob(filepath.Join(parent, tempPattern)) // the pattern is good
		for _, dir := range dirs {
			info, err := os.Lstat(dir)
			if err == nil && info.IsDir() && time.Since(info.ModTime()) > late {
				_ = Remove(ctx, dir) // what is another user's, that user's processes sweep
			}
		}
	}
}
