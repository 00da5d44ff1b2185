package pgcluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// starter is what Start has found out and taken.
type starter struct {
	Config
	folder folder
	as     *syscall.Credential
	bin    string
	locks  *locks
}

// lockFD is the file descriptor of the cluster's lock in what command makes.
const lockFD = 3

func (s *starter) command(ctx context.Context, dir, program string, args ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, filepath.Join(s.bin, program), args...) //nolint:gosec // the operator's program
	command.Dir = dir
	command.Env = environment()
	command.ExtraFiles = []*os.File{s.locks.cluster}
	command.SysProcAttr = attributes(s.as)
	return command
}

// environment is all that PostgreSQL gets of ours: it may be another user's
// process, to which our secrets are none of its business, and PGDATA and its
// like would change what it does.
func environment() []string {
	all := []string{"LC_ALL=C", "TZ=UTC"}
	for _, name := range []string{"PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"} {
		if value, ok := os.LookupEnv(name); ok {
			all = append(all, name+"="+value)
		}
	}
	return all
}

// initialise makes the data if there is none. It does so beside its place, so
// that what an interrupted initdb leaves is never taken for a cluster.
func (s *starter) initialise(ctx context.Context) error {
	if err := s.folder.removeFresh(); err != nil {
		return err
	}
	if version, err := s.folder.version(); version != "" || err != nil {
		return err
	}
	if err := os.Remove(s.folder.data()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("no cluster, as it has no PG_VERSION, and not empty either: %w", err)
	}
	fresh, err := os.MkdirTemp(string(s.folder), freshPrefix)
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(fresh) }() // nothing is there after success
	if err := give(fresh, s.as); err != nil {
		return err
	}
	s.Log.InfoContext(ctx, "PostgreSQL is set up", "dir", string(s.folder), "binaries", s.bin)
	if err := s.initdb(ctx, fresh); err != nil {
		return err
	}
	if err := os.Rename(fresh, s.folder.data()); err != nil {
		return err
	}
	return s.sync()
}

func (s *starter) initdb(ctx context.Context, data string) error {
	// Nobody is asked for a password, as only those who can reach the socket can ask
	// for anything. Texts sort by their bytes, the same on every machine.
	args := []string{"-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale"}
	if !s.Durable {
		args = append(args, "--no-sync")
	}
	command := s.command(ctx, data, "initdb", args...)
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) } // and those it started
	command.WaitDelay = lastMoments
	runtime.LockOSThread() // see attributes
	defer runtime.UnlockOSThread()
	out, err := command.CombinedOutput()
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("initdb: %w", context.Cause(ctx))
	}
	return fmt.Errorf("initdb: %w%s\n%s", err, s.hint(err, data), out)
}

// sync makes the name of durable data durable, as initdb does with what is in it.
func (s *starter) sync() error {
	if !s.Durable {
		return nil
	}
	dir, err := os.Open(string(s.folder))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// hint explains why a program did not even start, if another user is to run it.
func (s *starter) hint(err error, dir string) string {
	if s.as == nil || !errors.Is(err, fs.ErrPermission) {
		return ""
	}
	return fmt.Sprintf(": user %d must be able to reach %s and %s, so each folder above them needs mode o+x", s.as.Uid, dir, s.bin)
}

// makeSocket makes the folder of the socket, in place of what a killed server
// left there. It is elsewhere if its path is not one for sockets.
func (s *starter) makeSocket() (dir string, err error) {
	dir = s.folder.socket()
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	// The length is the most that macOS takes; Linux takes 107 bytes. With a comma
	// it would be a list.
	const longest = 103 - len("/.s.PGSQL.5432")
	if len(dir) <= longest && !strings.ContainsAny(dir, `,"`) {
		err = os.Mkdir(dir, 0o700)
	} else {
		dir, err = os.MkdirTemp("/tmp", "strata-pg-") // a TMPDIR may be long too
	}
	if err != nil {
		return "", err
	}
	if err := give(dir, s.as); err != nil {
		return "", errors.Join(err, os.Remove(dir))
	}
	return dir, nil
}

// port is but a part of the socket's name.
const port = "5432"

func (s *starter) settings(socket string) []string {
	all := []string{
		"listen_addresses=",
		"port=" + port,
		"unix_socket_directories=" + socket,
		"unix_socket_permissions=0700",
		"logging_collector=off",
		"log_destination=stderr",
		"log_checkpoints=off",
		"cluster_name=strata",
	}
	if !s.Durable {
		all = append(all,
			"fsync=off", "synchronous_commit=off", "full_page_writes=off",
			"wal_level=minimal", "max_wal_senders=0",
			"min_wal_size=32MB", "max_wal_size=256MB", // it may be in memory
			"dynamic_shared_memory_type=mmap", // in the data, so that a crash leaves it nowhere else
		)
	}
	args := []string{"-D", s.folder.data()}
	for _, setting := range all {
		args = append(args, "-c", setting)
	}
	return args
}

// serve starts the server and waits for it to answer. Whatever comes of it, the
// locks are no longer the starter's.
func (s *starter) serve(ctx context.Context) (*Cluster, error) {
	c := &Cluster{folder: s.folder, log: s.Log, owner: s.locks.owner, done: make(chan struct{})}
	err := s.launch(ctx, c)
	_ = s.locks.cluster.Close() // the server has it, if there is one
	if err != nil {
		return nil, errors.Join(err, unlock(s.locks.owner))
	}
	if err := c.answers(ctx); err != nil {
		return nil, errors.Join(err, c.Kill())
	}
	return c, nil
}

// launch starts the server's process.
func (s *starter) launch(ctx context.Context, c *Cluster) error {
	if err := s.folder.forget(); err != nil {
		return err
	}
	log, err := s.folder.newLog()
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }() // the server has it
	if c.socket, err = s.makeSocket(); err != nil {
		return err
	}
	command := s.command(context.WithoutCancel(ctx), s.folder.data(), "postgres", s.settings(c.socket)...)
	command.Stdout, command.Stderr = log, log
	started := make(chan error)
	go func() { //nolint:contextcheck // the server's end is not part of starting it
		runtime.LockOSThread() // until it has ended: see attributes
		defer runtime.UnlockOSThread()
		err := command.Start()
		c.process = command.Process
		started <- err
		if err == nil {
			_ = command.Wait() // what it would say is in the state
			c.end(command.ProcessState)
		}
	}()
	if err := <-started; err != nil {
		return errors.Join(fmt.Errorf("start PostgreSQL: %w%s", err, s.hint(err, s.folder.data())), os.RemoveAll(c.socket))
	}
	return nil
}

// dsn returns the URL of a database behind a socket. It leaves nothing to the
// environment that would stand in the way.
func dsn(socket, database string) string {
	query := url.Values{"host": {socket}, "port": {port}, "sslmode": {"disable"}}
	u := url.URL{
		Scheme: "postgres", User: url.User("postgres"), Path: "/" + database,
		RawQuery: strings.ReplaceAll(query.Encode(), "+", "%20"), // psql takes a + for a +
	}
	return u.String()
}
