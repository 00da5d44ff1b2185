// Package pgcluster starts private PostgreSQL servers from the binaries that are
// installed: for trying things out on one machine, and for tests. A cluster
// listens on a Unix socket that only its user and root can reach, and on no
// network address. It ends with the process that started it.
//
// It refuses to download anything, and to run as root.
package pgcluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// Config says where a cluster lives and how much care it takes.
type Config struct {
	// Dir is the folder of the cluster, which is made if it is not there. Its data
	// is in Dir/data, the log of the last run in Dir/postgres.log. If this process
	// is root's, the server's user must be able to reach Dir, so it can not be
	// below root's home.
	Dir string
	// BinDir is the folder of the programs postgres and initdb. If it is empty,
	// they are looked for in the folder that STRATA_PG_BIN names, else on the PATH,
	// else where packages put them.
	BinDir string
	// Durable says that what is committed must outlive a crash of the machine.
	// Without it a crash of the machine may destroy the whole cluster; one of the
	// server alone does not.
	Durable bool
	// Log may be nil.
	Log *slog.Logger
}

// ErrInUse says that the folder has a running server. Where the system can not
// end a server with its owner (everywhere but on Linux), it may be one whose
// owner was killed; then the process that the error names is to be stopped.
var ErrInUse = errors.New("the cluster is in use")

// Cluster is a running server. Its methods may be called at any time from any
// goroutine.
type Cluster struct {
	folder folder
	socket string // the folder of it
	log    *slog.Logger
	owner  *os.File

	process          *os.Process
	stopping, killed atomic.Bool // as we were asked
	done             chan struct{}
	err, endErr      error // why it ended, and how badly; may be read once done is closed
}

// Start starts a cluster and returns once it answers queries. It makes the
// cluster first if there is none in c.Dir. Ctx is for starting alone: if it ends
// before that is done, nothing is left running.
//
// A cluster that was not stopped, since its owner, its processes or the machine
// went down, starts as any other. Start returns ErrNotInstalled if PostgreSQL is
// missing and ErrInUse if c.Dir has a running server. Data that another major
// version of PostgreSQL made is an error that says what to do.
func Start(ctx context.Context, c Config) (_ *Cluster, err error) {
	if c.Dir == "" {
		return nil, errors.New("pgcluster: Config.Dir is empty")
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return nil, err
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	s := starter{Config: c, folder: folder(dir)}
	if s.as, err = serverUser(s.folder); err != nil {
		return nil, err
	}
	major, err := s.folder.version()
	if err != nil {
		return nil, err
	}
	if s.bin, err = findBinaries(ctx, c, major, s.as); err != nil {
		return nil, fmt.Errorf("start PostgreSQL in %s: %w", dir, err)
	}
	if err := s.folder.make(s.as); err != nil {
		return nil, err
	}
	if s.locks, err = s.folder.lock(ctx); err != nil {
		return nil, err
	}
	if err := s.initialise(ctx); err != nil {
		return nil, errors.Join(err, s.locks.release())
	}
	return s.serve(ctx)
}

// Remove deletes the cluster in a folder, with its data, and the folder unless
// other things are in it. It returns ErrInUse if the cluster is running.
func Remove(ctx context.Context, dir string) error {
	f := folder(dir)
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	locks, err := f.lock(ctx)
	if err != nil {
		return err
	}
	return errors.Join(f.remove(), locks.release())
}

// URL returns the URL of a database of this cluster, as the user postgres, who
// may do anything. It stays valid when a cluster is started again from the same
// folder, unless the folder's path is too long for a socket. A new cluster has
// the database postgres.
func (c *Cluster) URL(database string) string { return dsn(c.socket, database) }

// Stop stops the server: it breaks off what is under way and writes down what is
// committed. When ctx ends before that is done, it is killed and Stop returns an
// error; the next start then recovers what was committed. Stop returns once all
// processes are gone. If that is so already it does nothing.
func (c *Cluster) Stop(ctx context.Context) error {
	c.stopping.Store(true)
	_ = c.process.Signal(syscall.SIGINT) // it may have ended
	select {
	case <-c.done:
		return c.endErr
	default:
	}
	select {
	case <-c.done:
		return c.endErr
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("PostgreSQL did not stop in time, so it was killed: %w", context.Cause(ctx)), c.Kill())
	}
}

// Kill ends all processes of the server at once, as a crash would, for tests of
// what happens then. It returns once they are gone.
func (c *Cluster) Kill() error {
	c.stopping.Store(true)
	c.killed.Store(true)
	_ = c.process.Kill() // it may have ended
	<-c.done
	return c.endErr
}

// Done is closed when all processes of the server are gone, for whatever reason.
// From then on the folder is free for the next start.
func (c *Cluster) Done() <-chan struct{} { return c.done }

// Err returns why the server ended, nil if it runs or ended by Stop or Kill.
func (c *Cluster) Err() error {
	select {
	case <-c.done:
		return c.err
	default:
		return nil
	}
}

// end cleans up after the postmaster.
func (c *Cluster) end(state *os.ProcessState) {
	var unclean error
	switch {
	case !c.stopping.Load():
		c.err = fmt.Errorf("PostgreSQL ended by itself, %s: %s", state, c.folder.lastWords())
		c.log.Error("PostgreSQL ended by itself", "error", c.err)
	case !c.killed.Load() && !state.Success():
		unclean = fmt.Errorf("PostgreSQL did not stop cleanly, %s: %s", state, c.folder.lastWords())
	}
	lock, err := c.folder.waitForEnd(context.Background())
	if err == nil {
		err = unlock(lock)
	}
	c.endErr = errors.Join(unclean, err, os.RemoveAll(c.socket), unlock(c.owner))
	close(c.done)
}

// answers waits for the server to answer a query.
func (c *Cluster) answers(ctx context.Context) error {
	ticker := time.NewTicker(25 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := c.ping(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-c.done:
			return fmt.Errorf("start PostgreSQL: %w", c.Err())
		case <-ctx.Done():
			return fmt.Errorf("start PostgreSQL: %w, last: %w", context.Cause(ctx), err)
		case <-ticker.C:
		}
	}
}

func (c *Cluster) ping(ctx context.Context) (err error) {
	conn, err := pgx.Connect(ctx, c.URL("postgres"))
	if err != nil {
		return err
	}
	return errors.Join(conn.Ping(ctx), conn.Close(ctx))
}
