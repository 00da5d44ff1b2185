package pgcluster_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"syscall"
	"testing"

	"github.com/strata-exp/strata/internal/pgcluster"
)

// onThread calls f on a thread that ends after it, and returns its id.
func onThread(f func()) (id int) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		runtime.LockOSThread() // never unlocked, a thread ends with its goroutine
		if id = syscall.Gettid(); id == os.Getpid() {
			id = onThread(f) // but not the main thread
			runtime.UnlockOSThread()
			return
		}
		f()
	}()
	<-ended
	return id
}

// TestOutlivesItsThread calls Start on a thread that ends after it. The system
// tells a process to stop when the thread that started it ends.
func TestOutlivesItsThread(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	var cluster *pgcluster.Cluster
	var err error
	thread := onThread(func() { cluster, err = pgcluster.Start(t.Context(), pgcluster.Config{Dir: dir}) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, cluster) })
	until(t, "the thread has ended", func() bool {
		_, err := os.Stat(fmt.Sprintf("/proc/self/task/%d", thread))
		return errors.Is(err, fs.ErrNotExist)
	})
	if n := query[int](t, cluster, "SELECT 1"); n != 1 {
		t.Error("no answer")
	}
	if err := cluster.Err(); err != nil {
		t.Error(err)
	}
}
