package pgcluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// Two locks guard a folder. The owner's is held by the process that started the
// cluster. The cluster's is handed to the postmaster and so to all its children:
// it is free when the last of them is gone, and only then may a server start.
// Process ids could not tell that, since others get them in time.
//
// So a folder whose owner's lock is free and whose cluster's is not belongs to a
// process that was killed, and its server is about to end.
type locks struct {
	owner, cluster *os.File
}

func (f folder) ownerLock() string   { return f.in("owner.lock") }
func (f folder) clusterLock() string { return f.in("cluster.lock") }

// lastMoments is how long the rest of a cluster may take to end.
const lastMoments = 30 * time.Second

// lock takes both locks, or none.
func (f folder) lock(ctx context.Context) (*locks, error) {
	owner, err := tryLock(f.ownerLock())
	switch {
	case errors.Is(err, errLocked):
		return nil, f.inUse()
	case err != nil:
		return nil, err
	}
	cluster, err := f.waitForEnd(ctx)
	if err != nil {
		return nil, errors.Join(err, unlock(owner))
	}
	return &locks{owner, cluster}, nil
}

// release lets go of both. What was started meanwhile keeps the cluster's lock.
func (l *locks) release() error { return errors.Join(l.cluster.Close(), unlock(l.owner)) }

func (f folder) inUse() error {
	if pid := f.postmaster(); pid != 0 {
		return fmt.Errorf("%w: %s, by process %d", ErrInUse, f, pid)
	}
	return fmt.Errorf("%w: %s", ErrInUse, f)
}

// waitForEnd returns the cluster's lock once all its processes are gone. It kills
// those that have outlived their postmaster: some do, such as in a long query,
// and nothing can start beside them.
func (f folder) waitForEnd(ctx context.Context) (*os.File, error) {
	ctx, cancel := context.WithTimeout(ctx, lastMoments)
	defer cancel()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for {
		lock, err := tryLock(f.clusterLock())
		if !errors.Is(err, errLocked) {
			return lock, err
		}
		f.killOrphans()
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil, errors.Join(f.inUse(), ctx.Err())
		}
	}
}

var errLocked = errors.New("another process has the lock")

// tryLock returns the locked file of a name, or errLocked. The lock ends by
// unlock, or when the file is closed here and in all processes that inherited it.
func tryLock(name string) (*os.File, error) {
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	switch {
	case errors.Is(err, syscall.EWOULDBLOCK):
		return nil, errors.Join(errLocked, file.Close())
	case err != nil:
		return nil, errors.Join(fmt.Errorf("lock %s: %w", name, err), file.Close())
	case !isStill(name, file):
		return nil, errors.Join(errLocked, unlock(file)) // Remove had it, and deleted it
	default:
		return file, nil
	}
}

// unlock ends a lock and closes its file. To close it would not do: any other
// program that this process is just starting has the file too, for a moment.
func unlock(file *os.File) error {
	return errors.Join(syscall.Flock(int(file.Fd()), syscall.LOCK_UN), file.Close())
}

func isStill(name string, file *os.File) bool {
	now, err := os.Stat(name)
	if err != nil {
		return false
	}
	held, err := file.Stat()
	return err == nil && os.SameFile(now, held)
}
