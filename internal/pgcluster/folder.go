package pgcluster

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// folder is where a cluster lives. It belongs to whoever starts the cluster. Of
// what is in it, only the data and the socket belong to the server's user, so
// that this user can not make a root process write elsewhere.
type folder string

func (f folder) in(name string) string { return filepath.Join(string(f), name) }
func (f folder) data() string          { return f.in("data") }
func (f folder) socket() string        { return f.in("socket") }
func (f folder) log() string           { return f.in("postgres.log") }

// freshPrefix begins the names of folders that initdb works in.
const freshPrefix = "data.new-"

// removeFresh deletes what an initdb that was interrupted has left.
func (f folder) removeFresh() error {
	entries, err := os.ReadDir(string(f))
	if err != nil {
		return err
	}
	var errs []error
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), freshPrefix) {
			errs = append(errs, os.RemoveAll(f.in(entry.Name())))
		}
	}
	return errors.Join(errs...)
}

// make makes the folder. The server's user must be able to pass.
func (f folder) make(as *syscall.Credential) error {
	mode := fs.FileMode(0o700)
	if as != nil {
		mode = 0o711
	}
	return os.MkdirAll(string(f), mode)
}

// version returns the major version of the PostgreSQL that made the data, "" if
// there is none.
func (f folder) version() (string, error) {
	text, err := os.ReadFile(filepath.Join(f.data(), "PG_VERSION"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return strings.TrimSpace(string(text)), err
}

// postmaster returns the process id that the server has noted, 0 if it has not.
// After a crash it is that of a process which is gone, or of any other by now.
func (f folder) postmaster() int {
	text, err := os.ReadFile(filepath.Join(f.data(), "postmaster.pid"))
	if err != nil {
		return 0
	}
	line, _, _ := bytes.Cut(text, []byte("\n"))
	pid, err := strconv.Atoi(string(bytes.TrimSpace(line)))
	if err != nil || pid < 1 {
		return 0
	}
	return pid
}

// forget removes the note of a server that is surely gone. PostgreSQL would take
// any other process of its user for that server if it has the process id by now,
// or a dead one that nobody has waited for.
func (f folder) forget() error {
	pid := f.postmaster()
	if pid == 0 || mayServe(pid, f.data()) {
		return nil
	}
	return os.Remove(filepath.Join(f.data(), "postmaster.pid"))
}

// newLog opens the log of the next run and keeps that of the last one.
func (f folder) newLog() (*os.File, error) {
	if err := os.Rename(f.log(), f.log()+".old"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return os.OpenFile(f.log(), os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o600)
}

// lastWords returns the end of the log for an error.
func (f folder) lastWords() string {
	const most, lines = 2000, 5
	log, err := os.Open(f.log())
	if err != nil {
		return err.Error()
	}
	defer func() { _ = log.Close() }()
	if info, err := log.Stat(); err == nil && info.Size() > most {
		_, _ = log.Seek(-most, io.SeekEnd)
	}
	text, _ := io.ReadAll(io.LimitReader(log, most))
	all := strings.Split(strings.TrimSpace(string(text)), "\n")
	return fmt.Sprintf("%s ends with\n%s", f.log(), strings.Join(all[max(0, len(all)-lines):], "\n"))
}

// remove deletes what Start made, and the folder if that leaves nothing in it.
func (f folder) remove() error {
	errs := []error{f.removeFresh()}
	for _, name := range []string{f.data(), f.socket(), f.log(), f.log() + ".old", f.ownerLock(), f.clusterLock()} {
		errs = append(errs, os.RemoveAll(name))
	}
	if err := os.Remove(string(f)); err != nil && !errors.Is(err, syscall.ENOTEMPTY) && !errors.Is(err, fs.ErrNotExist) {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
