package lastgood

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/sdk/go/view"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// content is a content that a revision tells from others.
func content(revision int64, entities ...string) *Content {
	puts := make([]*view.Entity, 0, len(entities))
	for i, payload := range entities {
		puts = append(puts, view.NewEntity(view.Key{Kind: 200, Name: strconv.Itoa(i)}, []byte(payload)))
	}
	return &Content{
		Upstream: upstream, Environment: "prod", Services: []string{"b", "a"},
		View:        view.Empty().With(view.Position{Epoch: 7, Revision: revision}, puts, nil),
		Token:       []byte("go on"),
		KeysVersion: 3, Keys: []*servingv1.PublicKey{{AccessKey: "sak_x", PublicKey: bytes.Repeat([]byte{1}, 32)}},
	}
}

func equal(a, b *Content) bool {
	if (a == nil) != (b == nil) || a == nil {
		return a == b
	}
	same := a.Upstream == b.Upstream && a.Environment == b.Environment && a.View.Position() == b.View.Position() && a.View.Hash() == b.View.Hash() &&
		a.View.Len() == b.View.Len() && bytes.Equal(a.Token, b.Token) && a.KeysVersion == b.KeysVersion && len(a.Keys) == len(b.Keys)
	for i := range a.Keys {
		same = same && proto.Equal(a.Keys[i], b.Keys[i])
	}
	return same
}

const upstream = "https://control.example.com"

var asked = []string{"a", "b", "a"}

func write(t *testing.T, s *Store, c *Content) {
	t.Helper()
	if err := s.Write(c); err != nil {
		t.Fatal(err)
	}
}

func TestStore(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "made", "when needed")
	s := New(folder, discard())
	if got := s.Load(upstream, "prod", asked); got != nil {
		t.Errorf("there is %v", got)
	}
	for revision := range int64(4) {
		want := content(revision+1, "a", strings.Repeat("large", 100_000), "")
		write(t, s, want)
		if got := New(folder, discard()).Load(upstream, "prod", asked); !equal(got, want) {
			t.Errorf("revision %d: there is %+v", revision+1, got)
		}
	}
	for _, name := range []string{currentName, previousName} {
		info, err := os.Stat(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
	}
	if info, err := os.Stat(folder); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder: %v, %v", info.Mode(), err)
	}
	if s.Failures() != 0 {
		t.Errorf("%d failures", s.Failures())
	}
}

// TestOfOthers asks for what was not written: what is there stays there, and is
// found by whom it belongs to.
func TestOfOthers(t *testing.T) {
	t.Parallel()
	for name, load := range map[string]func(*Store) *Content{
		"upstream":      func(s *Store) *Content { return s.Load("https://staging.example.com", "prod", asked) },
		"environment":   func(s *Store) *Content { return s.Load(upstream, "test", asked) },
		"one service":   func(s *Store) *Content { return s.Load(upstream, "prod", []string{"a"}) },
		"all services":  func(s *Store) *Content { return s.Load(upstream, "prod", nil) },
		"more services": func(s *Store) *Content { return s.Load(upstream, "prod", []string{"a", "b", "c"}) },
	} {
		folder, log := t.TempDir(), new(text)
		s := New(folder, slog.New(slog.NewTextHandler(log, nil)))
		want := content(2, "a")
		write(t, s, content(1, "a"))
		write(t, s, want)
		if got := load(s); got != nil {
			t.Errorf("another %s: there is %+v", name, got)
		}
		if found, err := filepath.Glob(filepath.Join(folder, "*"+corruptMark+"*")); err != nil || len(found) > 0 {
			t.Errorf("set aside: %v, %v", found, err)
		}
		if strings.Count(log.String(), "another owner") != 1 || !strings.Contains(log.String(), "owner.upstream="+upstream) ||
			!strings.Contains(log.String(), "asked.upstream=https://") {
			t.Errorf("another %s: the log has %q", name, log)
		}
		if got := s.Load(upstream, "prod", asked); !equal(got, want) {
			t.Errorf("another %s: its owner finds %+v", name, got)
		}
	}
}

// text takes what is logged.
type text = bytes.Buffer

// TestOwnersTakeTurns has two owners write to one folder: each write replaces the
// older generation, whoever's it is, and each owner finds its own as long as it is
// there.
func TestOwnersTakeTurns(t *testing.T) {
	t.Parallel()
	s := New(t.TempDir(), discard())
	ours, theirs := content(1, "a"), content(2, "b")
	theirs.Upstream = "https://staging.example.com"
	write(t, s, ours)
	write(t, s, theirs)
	if got := s.Load(upstream, "prod", asked); !equal(got, ours) {
		t.Errorf("there is %+v", got)
	}
	if got := s.Load(theirs.Upstream, "prod", asked); !equal(got, theirs) {
		t.Errorf("there is %+v", got)
	}
	place(t, s, currentName, read(t, s, currentName)[:9]) // only what is damaged is set aside
	if got := s.Load(theirs.Upstream, "prod", asked); got != nil {
		t.Errorf("there is %+v", got)
	}
	if got := s.Load(upstream, "prod", asked); !equal(got, ours) {
		t.Errorf("there is %+v", got)
	}
	write(t, s, theirs)
	write(t, s, theirs)
	if got := s.Load(upstream, "prod", asked); got != nil {
		t.Errorf("after two writes of another owner there is %+v", got)
	}
}

// TestDamage flips each byte of the newest file, and cuts it at each length: what
// is loaded is the one before, as it was written.
func TestDamage(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	s := New(folder, discard())
	older, newer := content(1, "a"), content(2, "b", "c")
	write(t, s, older)
	write(t, s, newer)
	current, previous := read(t, s, currentName), read(t, s, previousName)
	try := func(what string, data []byte) {
		t.Helper()
		place(t, s, currentName, data)
		place(t, s, previousName, previous)
		if got := New(folder, discard()).Load(upstream, "prod", asked); !equal(got, older) {
			t.Fatalf("%s: there is %+v", what, got)
		}
		if _, err := os.Stat(s.path(currentName)); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("%s: it is still there: %v", what, err)
		}
	}
	for i := range current {
		for bit := range 8 {
			data := bytes.Clone(current)
			data[i] ^= 1 << bit
			try(fmt.Sprintf("bit %d of byte %d", bit, i), data)
		}
	}
	for i := range current {
		try(fmt.Sprintf("%d of %d bytes", i, len(current)), current[:i])
	}
	try("a byte more", append(bytes.Clone(current), 0))
	if found, err := filepath.Glob(filepath.Join(folder, "*"+corruptMark+"*")); err != nil || len(found) != maxCorrupt {
		t.Errorf("set aside: %v, %v", found, err)
	}
	place(t, s, currentName, current[:9])
	place(t, s, previousName, previous[:9])
	if got := s.Load(upstream, "prod", asked); got != nil {
		t.Errorf("both are damaged, and there is %+v", got)
	}
	write(t, s, newer)
	if got := s.Load(upstream, "prod", asked); !equal(got, newer) {
		t.Errorf("there is %+v", got)
	}
}

func read(t *testing.T, s *Store, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(s.path(name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func place(t *testing.T, s *Store, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(s.path(name), data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestContentsAreProved has a file whose digest is right, and whose configuration
// is not the one that its hash says.
func TestContentsAreProved(t *testing.T) {
	t.Parallel()
	right := body0(t, content(1, "a", "b"))
	hash := content(1, "a", "b").View.Hash()
	at := bytes.Index(right, hash[:])
	right[at] ^= 1
	if got, err := decodeBody(zip(t, right)); err == nil {
		t.Errorf("there is %+v", got)
	}
}

// TestLeftovers has files of processes that were killed while they wrote.
func TestLeftovers(t *testing.T) {
	t.Parallel()
	s := New(t.TempDir(), discard())
	want := content(1, "a")
	write(t, s, want)
	place(t, s, tempPrefix+"1", []byte("half"))
	place(t, s, tempPrefix+"2", nil)
	// Between the two renames there is no newest one.
	if err := os.Rename(s.path(currentName), s.path(previousName)); err != nil {
		t.Fatal(err)
	}
	if got := s.Load(upstream, "prod", asked); !equal(got, want) {
		t.Errorf("there is %+v", got)
	}
	if found, err := filepath.Glob(s.path(tempPrefix + "*")); err != nil || len(found) > 0 {
		t.Errorf("left: %v, %v", found, err)
	}
	write(t, s, content(2, "b"))
	if _, err := os.Stat(s.path(previousName)); err != nil {
		t.Error("the generation before is gone")
	}
}

// lines counts what is logged.
type lines struct{ n int }

func (l *lines) Write(p []byte) (int, error) { l.n++; return len(p), nil }

// TestFullDisk has the disk full for a while.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("there is no /dev/full")
	}
	logged := new(lines)
	s := New(t.TempDir(), slog.New(slog.NewTextHandler(logged, nil)))
	older := content(1, "a")
	write(t, s, older)
	s.create = func(string) (file, error) { return fullFile() }
	for range 5 {
		if err := s.Write(content(2, "b")); err == nil {
			t.Error("no error")
		}
	}
	if s.Failures() != 5 || logged.n != 1 {
		t.Errorf("%d failures, %d lines in the log", s.Failures(), logged.n)
	}
	if got := s.Load(upstream, "prod", asked); !equal(got, older) {
		t.Errorf("there is %+v", got)
	}
	s.create = openFile
	write(t, s, content(2, "b"))
	if logged.n != 2 {
		t.Errorf("%d lines in the log", logged.n)
	}
	s.create = func(string) (file, error) { return fullFile() }
	if err := s.Write(content(3, "b")); err == nil || logged.n != 3 {
		t.Errorf("%v, %d lines in the log", err, logged.n)
	}
}

// fullFile is a file on a disk that is full. A device takes no offsets, so that
// they are left out.
func fullFile() (file, error) {
	f, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	return full{f}, err
}

type full struct{ *os.File }

func (f full) WriteAt(p []byte, _ int64) (int, error) { return f.Write(p) }

// TestReadOnly can not write where a file is in the place of the folder.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := New(name, discard())
	if got := s.Load(upstream, "prod", asked); got != nil {
		t.Errorf("there is %+v", got)
	}
	if err := s.Write(content(1)); err == nil || s.Failures() != 1 {
		t.Errorf("%v, %d failures", err, s.Failures())
	}
}

// TestUnreadable leaves a file alone that can not be read: nothing is known of it.
func TestUnreadable(t *testing.T) {
	t.Parallel()
	s := New(t.TempDir(), discard())
	want := content(1, "a")
	write(t, s, want)
	if err := os.Rename(s.path(currentName), s.path(previousName)); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(s.path(currentName), 0o700); err != nil {
		t.Fatal(err)
	}
	if got := s.Load(upstream, "prod", asked); !equal(got, want) {
		t.Errorf("there is %+v", got)
	}
	if _, err := os.Stat(s.path(currentName)); err != nil {
		t.Error(err)
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := New(t.TempDir(), discard())
		began := time.Now()
		var newest *Content
		written := []time.Time{}
		s.create = func(name string) (file, error) {
			written = append(written, time.Now())
			return openFile(name)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); s.Run(ctx) }()
		for revision := range int64(101) { // ten a second
			newest = content(revision+1, "a")
			s.Put(newest)
			<-time.After(100 * time.Millisecond)
		}
		newest = content(1000, "last")
		s.Put(newest)
		cancel()
		<-done
		if got := s.Load(upstream, "prod", asked); !equal(got, newest) {
			t.Errorf("there is %+v", got)
		}
		regular := written[:len(written)-1] // the last one does not wait
		if len(regular) < 10 || len(regular) > 11 {
			t.Errorf("written %d times in %v", len(regular), time.Since(began))
		}
		for i := range regular[1:] {
			if passed := regular[i+1].Sub(regular[i]); passed < minPause {
				t.Errorf("written %v after the time before", passed)
			}
		}
	})
}

func TestRunTriesAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := New(t.TempDir(), discard())
		var mended atomic.Bool
		s.create = func(name string) (file, error) {
			if !mended.Load() {
				return nil, errors.New("broken")
			}
			return openFile(name)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); s.Run(ctx) }()
		want := content(1, "a")
		s.Put(want)
		<-time.After(time.Minute)
		if got := s.Failures(); got < 10 || got > 13 {
			t.Errorf("%d failures", got)
		}
		synctest.Wait()
		mended.Store(true)
		<-time.After(failedPause)
		synctest.Wait()
		if got := s.Load(upstream, "prod", asked); !equal(got, want) {
			t.Errorf("there is %+v", got)
		}
		cancel()
		<-done
	})
}

func TestPause(t *testing.T) {
	t.Parallel()
	for took, want := range map[time.Duration]time.Duration{0: time.Second, 10 * time.Millisecond: time.Second, time.Second: 19 * time.Second} {
		if got := pause(took, true); got != want {
			t.Errorf("after %v: %v, want %v", took, got, want)
		}
	}
}
