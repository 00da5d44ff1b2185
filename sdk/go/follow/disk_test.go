package follow

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/sdk/go/lastgood"
	"github.com/strata-exp/strata/sdk/go/view"
)

func kept(folder string) func(*Config) {
	return func(c *Config) { c.LastGood = lastgood.New(folder, slog.New(slog.DiscardHandler)) }
}

func TestRestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		folder := t.TempDir()
		s := newScript(t)
		s.refuse = func(v *view.View) error {
			if v.Position().Revision == 3 {
				return errors.New("not this one")
			}
			return nil
		}
		f := stopped(t, s, kept(folder))
		if f.Load() {
			t.Error("there is something in an empty folder")
		}
		stop := run(t, f)
		w, _ := s.expect()
		w.send(hello(), frame(&servingv1.AccessKeys{Version: 4, Keys: []*servingv1.PublicKey{{AccessKey: "sak_x"}}}))
		w.send(update(nil, one)...)
		w.send(update(one, two)...)
		w.send(update(two, three)...) // is rejected
		at(t, f, rejected, three, two)
		stop()
		at(t, f, rejected, three, two)

		// What was rejected is not what a new process starts with.
		s = newScript(t)
		f = stopped(t, s, kept(folder))
		if !f.Load() {
			t.Fatal("nothing was kept")
		}
		at(t, f, stale, two, two)
		if !slices.Equal(s.keys, []int64{4}) || len(s.seen) != 1 || len(s.activated) != 1 {
			t.Errorf("keys %v, replicated %d, activated %d", s.keys, len(s.seen), len(s.activated))
		}
		stop = run(t, f)
		w, _ = s.expect()
		if string(w.GetResumeToken()) != token(two.Position()) {
			t.Errorf("it goes on from %q", w.GetResumeToken())
		}
		w.send(hello())
		at(t, f, synced, two, two)
		w.send(update(two, three)...)
		pass(2 * time.Second)
		w.send(frame(&servingv1.AccessKeys{Version: 5}))
		w.send(frame(&servingv1.AccessKeys{Version: 3}))
		at(t, f, synced, three, three)
		stop()

		for name, change := range map[string]func(*Config){
			"upstream":    func(c *Config) { c.URL = "http://staging" },
			"environment": func(c *Config) { c.Environment = "test" },
			"services":    func(c *Config) { c.Services = []string{"checkout"} },
		} {
			other := t.TempDir()
			if err := os.CopyFS(other, os.DirFS(folder)); err != nil {
				t.Fatal(err)
			}
			s = newScript(t)
			if stopped(t, s, func(c *Config) { kept(other)(c); change(c) }).Load() {
				t.Errorf("what was kept is that of another %s", name)
			}
		}

		// A newer release may not run what an older one did; it goes on from there.
		s = newScript(t)
		s.refuse = func(*view.View) error { return errors.New("no more") }
		f = stopped(t, s, kept(folder))
		if f.Load() {
			t.Error("what does not run is good")
		}
		if !slices.Equal(s.keys, []int64{5}) {
			t.Errorf("keys %v", s.keys)
		}
		at(t, f, rejected, three, nil)
		run(t, f)
		if w, _ = s.expect(); string(w.GetResumeToken()) != token(three.Position()) {
			t.Errorf("it goes on from %q", w.GetResumeToken())
		}
	})
}

// TestUnwritable has a file stand where the folder should.
func TestUnwritable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		folder := filepath.Join(t.TempDir(), "folder")
		if err := os.WriteFile(folder, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		s := newScript(t)
		f := stopped(t, s, kept(folder))
		if f.Load() {
			t.Error("there is something")
		}
		stop := run(t, f)
		w, _ := s.expect()
		w.send(hello())
		w.send(update(nil, one)...)
		at(t, f, synced, one, one)
		if got := f.Status().LastGoodFailures; got < 1 {
			t.Errorf("%d failures are counted", got)
		}
		if err := os.Remove(folder); err != nil {
			t.Fatal(err)
		}
		pass(10 * time.Second)
		stop()
		s = newScript(t)
		if !stopped(t, s, kept(folder)).Load() {
			t.Error("writing was not tried again")
		}
	})
}

func TestUpstreamOf(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ url, want string }{
		{"https://control.example.com", "https://control.example.com"},
		{"https://Control.Example.com:443/", "https://control.example.com"},
		{"HTTPS://who:secret@control.example.com:443", "https://control.example.com"},
		{"http://control.example.com:80/A%2Fb/", "http://control.example.com/A%2Fb"},
		{"http://control.example.com:443", "http://control.example.com:443"},
		{"http://[::1]:9091", "http://[::1]:9091"},
		{"http://[FE80::1]:80", "http://[fe80::1]"},
		{"http://control.example.com:", "http://control.example.com"},
	} {
		if got := upstreamOf(test.url); got != test.want {
			t.Errorf("%s: got %s, want %s", test.url, got, test.want)
		}
	}
}

func TestLastGoodNeedsAnEnvironment(t *testing.T) {
	t.Parallel()
	_, err := New(Config{
		URL: "https://x", Instance: "i", Sink: newScript(t), LastGood: lastgood.New(t.TempDir(), slog.New(slog.DiscardHandler)),
	})
	if err == nil {
		t.Error("the environment may have no name")
	}
}
