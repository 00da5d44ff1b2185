// Package lastgood keeps the last configuration that ran in a folder, so that a
// process starts with it while no server is to be reached. What is read back is
// the configuration that was written, whole and of what is asked for, or nothing;
// and that nothing can be written is no reason to stop. It knows neither where
// configurations come from nor what they are for.
package lastgood

import (
	"cmp"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/sdk/go/view"
)

// Files of the folder. There are two generations, so that one is whole whenever
// the process ends.
const (
	currentName  = "current.strata"
	previousName = "previous.strata"
	tempPrefix   = "writing-"
	corruptMark  = ".corrupt-"
	// maxCorrupt is how many files that were found corrupt are kept, for people.
	maxCorrupt = 4
)

// Content is what is kept. It never changes.
type Content struct {
	// Upstream names the server that it is from, such as by its URL. It is compared
	// as it is, and stands in logs, so that it must have no secrets.
	Upstream string
	// Environment is the one of the configuration.
	Environment string
	// Services are those that were asked for, or all of them if empty.
	Services []string
	// View is the configuration.
	View *view.View
	// Token is where to go on from View.
	Token []byte
	// KeysVersion is the version of Keys, 0 if there are none.
	KeysVersion int64
	// Keys are all keys that may follow the environment.
	Keys []*servingv1.PublicKey
}

// Store keeps a Content in a folder of its own, for one process at a time. It is
// safe for concurrent use.
type Store struct {
	folder string
	log    *slog.Logger
	create func(name string) (file, error) // openFile, but for tests

	files    sync.Mutex // held while files are read or written
	trouble  string     // the error that was logged last, empty after a success
	failures atomic.Int64

	pending atomic.Pointer[Content]
	wake    chan struct{}
}

// file is what is used of an os.File.
type file interface {
	io.Writer
	io.WriterAt
	io.Closer
	Sync() error
}

// New returns a store in a folder, which is made when it is first written to.
func New(folder string, log *slog.Logger) *Store {
	return &Store{folder: folder, log: log, create: openFile, wake: make(chan struct{}, 1)}
}

// Failures returns how often writing has failed.
func (s *Store) Failures() int64 { return s.failures.Load() }

// Load returns the newest content that is whole and of this upstream, this
// environment and these services, nil if there is none. A file that is not whole
// is set aside under another name. One of another owner stays where it is, as a
// generation like any other, and the log says so once. What a process that was
// killed has left half written is removed.
func (s *Store) Load(upstream, environment string, services []string) *Content {
	s.files.Lock()
	defer s.files.Unlock()
	s.tidy()
	asked, told := ownerOf(upstream, environment, services), false
	for _, name := range []string{currentName, previousName} {
		content, err := s.read(name)
		switch {
		case err == nil:
			owner := ownerOf(content.Upstream, content.Environment, content.Services)
			if owner.equal(asked) {
				return content
			}
			if !told {
				told = true
				s.log.Warn("a last good configuration of another owner is passed over, and will be replaced in time",
					"file", s.path(name), "owner", owner, "asked", asked)
			}
		case errors.Is(err, fs.ErrNotExist):
		case isOfFile(err):
			s.log.Error("a last good configuration can not be read", "file", s.path(name), "error", err)
		default:
			s.log.Error("a last good configuration is not used", "file", s.path(name), "error", err)
			s.setAside(name)
		}
	}
	return nil
}

// isOfFile reports whether an error is that of reading a file, and says nothing
// of its contents.
func isOfFile(err error) bool {
	_, ok := errors.AsType[*fs.PathError](err)
	return ok
}

func (s *Store) path(name string) string { return filepath.Join(s.folder, name) }

func (s *Store) read(name string) (*Content, error) {
	f, err := os.Open(s.path(name))
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err != nil {
		return nil, err
	}
	return decode(data)
}

// owner is what a content has to be of to be used.
type owner struct {
	upstream, environment string
	services              []string // in order, each once
}

func ownerOf(upstream, environment string, services []string) owner {
	return owner{upstream, environment, slices.Compact(slices.Sorted(slices.Values(services)))}
}

func (o owner) equal(other owner) bool {
	return o.upstream == other.upstream && o.environment == other.environment && slices.Equal(o.services, other.services)
}

// LogValue implements slog.LogValuer.
func (o owner) LogValue() slog.Value {
	return slog.GroupValue(slog.String("upstream", o.upstream), slog.String("environment", o.environment),
		slog.Any("services", o.services))
}

// tidy removes what others have left half written.
func (s *Store) tidy() {
	for _, name := range s.names(func(name string) bool { return strings.HasPrefix(name, tempPrefix) }) {
		_ = os.Remove(s.path(name)) // else the next one tries again
	}
}

// setAside renames a file that is not whole, and removes the oldest of such files
// that are too many.
func (s *Store) setAside(name string) {
	aside := name + corruptMark + time.Now().UTC().Format("20060102T150405.000000000")
	if err := os.Rename(s.path(name), s.path(aside)); err != nil {
		s.log.Error("a file that is not used stays where it is", "error", err)
		return
	}
	found := s.names(func(name string) bool { return strings.Contains(name, corruptMark) })
	slices.SortFunc(found, func(a, b string) int { return cmp.Compare(when(b), when(a)) })
	for _, name := range found[min(len(found), maxCorrupt):] {
		_ = os.Remove(s.path(name)) // else the next one tries again
	}
}

// when returns the time in the name of a file that was set aside.
func when(name string) string {
	_, at, _ := strings.Cut(name, corruptMark)
	return at
}

func (s *Store) names(want func(name string) bool) []string {
	entries, err := os.ReadDir(s.folder)
	if err != nil {
		return nil // there is nothing to be found where nothing can be read
	}
	var names []string
	for _, entry := range entries {
		if want(entry.Name()) {
			names = append(names, entry.Name())
		}
	}
	return names
}

// Write makes a content the newest one. It returns when that is on the disk. If
// it fails, what was there before stays, and Failures counts.
func (s *Store) Write(content *Content) error {
	s.files.Lock()
	defer s.files.Unlock()
	err := s.write(content)
	switch {
	case err != nil:
		s.failures.Add(1)
		if err.Error() != s.trouble {
			s.trouble = err.Error()
			s.log.Error("the last good configuration can not be written, an older one stays", "error", err)
		}
	case s.trouble != "":
		s.trouble = ""
		s.log.Info("the last good configuration can be written again")
	}
	return err
}

func (s *Store) write(content *Content) error {
	if err := os.MkdirAll(s.folder, 0o700); err != nil {
		return err
	}
	temp := s.path(tempPrefix + strconv.Itoa(os.Getpid())) // the same each time, and so are errors
	if err := s.fill(temp, content); err != nil {
		_ = os.Remove(temp)
		return err
	}
	failpoint("lastgood/before-rename")
	if err := os.Rename(s.path(currentName), s.path(previousName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		_ = os.Remove(temp)
		return err
	}
	failpoint("lastgood/between-renames")
	if err := os.Rename(temp, s.path(currentName)); err != nil {
		_ = os.Remove(temp)
		return err
	}
	failpoint("lastgood/after-rename")
	return syncFolder(s.folder)
}

// fill writes a content to a file, and has it reach the disk.
func (s *Store) fill(name string, content *Content) (err error) {
	f, err := s.create(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := encode(f, content); err != nil {
		return err
	}
	failpoint("lastgood/before-fsync")
	return f.Sync()
}

func openFile(name string) (file, error) {
	return os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
}

// syncFolder has renames reach the disk.
func syncFolder(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
