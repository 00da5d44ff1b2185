package fleet

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"time"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/sdk/e2e/history"
	"github.com/strata-exp/strata/sdk/go/accesskey"
	"github.com/strata-exp/strata/sdk/go/engine"
	"github.com/strata-exp/strata/sdk/go/follow"
	"github.com/strata-exp/strata/sdk/go/lastgood"
	"github.com/strata-exp/strata/sdk/go/view"
)

// streamEnded is what a follower logs of a stream that has ended.
const streamEnded = "the config stream has ended, what was received goes on being used"

// FollowerOptions say what a follower follows, and how.
type FollowerOptions struct {
	// Name is the observer's.
	Name string
	// URL is where the server is.
	URL string
	// Audience is the server's; empty is that of data planes.
	Audience string
	// Key signs. Services are those of the key.
	Key      *accesskey.Key
	Services []string
	// Protocol and HTTP2 say how.
	Protocol follow.Protocol
	HTTP2    bool
	// Cache, if not empty, is a folder for the last good configuration.
	Cache string
	// Reject refuses to run a configuration.
	Reject func(*view.View) error
}

// Follower is an SDK in this process, and a sink that records.
type Follower struct {
	*follow.Follower

	fleet   *Fleet
	options FollowerOptions
	scope   string

	mu      sync.Mutex
	ruleset *engine.Ruleset
	running *view.View
}

// Follow starts a follower that ends with the test.
func (f *Fleet) Follow(o FollowerOptions) *Follower {
	f.t.Helper()
	follower, _ := f.FollowUntil(o)
	return follower
}

// FollowUntil starts a follower, and returns what ends it.
func (f *Fleet) FollowUntil(o FollowerOptions) (*Follower, func()) {
	f.t.Helper()
	if o.Audience == "" {
		o.Audience = dataAudience
	}
	s := &Follower{fleet: f, options: o, scope: strings.Join(o.Services, ",")}
	config := follow.Config{
		URL: o.URL, Environment: Environment, Instance: o.Name, Client: "strata-e2e/1", Key: o.Key, Audience: o.Audience,
		ClearHTTP2: o.HTTP2, Protocol: o.Protocol, Sink: s, Log: slog.New(logHandler{fleet: f, name: o.Name}),
		Timers: follow.Timers{Hello: 5 * time.Second, FirstWait: 100 * time.Millisecond, LongestWait: time.Second, RefusedWait: 2 * time.Second, Anew: time.Second},
	}
	if o.Cache != "" {
		config.LastGood = lastgood.New(filepath.Join(f.dir, o.Cache), slog.New(slog.DiscardHandler))
	}
	var err error
	s.Follower, err = follow.New(config)
	must(f.t, "make a follower", err)
	f.Recorder.Add(history.Event{Observer: o.Name, What: history.Start, Text: map[bool]string{true: "fresh"}[o.Cache == ""]})
	if o.Cache != "" {
		s.Load()
	}
	return s, f.Go("follower "+o.Name, s.Run)
}

func (s *Follower) event(what history.What, v *view.View) history.Event {
	return history.Event{
		Observer: s.options.Name, What: what, Scope: s.scope,
		Epoch: v.Position().Epoch, Revision: v.Position().Revision, Hash: v.Hash().String(),
	}
}

// Replicated implements follow.Sink.
func (s *Follower) Replicated(v *view.View) { s.fleet.Recorder.Add(s.event(history.Replicated, v)) }

// Activate implements follow.Sink.
func (s *Follower) Activate(v *view.View) error {
	if s.options.Reject != nil {
		if err := s.options.Reject(v); err != nil {
			s.fleet.Recorder.Add(s.event(history.Rejected, v))
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	ruleset, err := view.Compile(s.running, s.ruleset, v)
	if err != nil {
		s.fleet.Recorder.Add(s.event(history.Rejected, v))
		return err
	}
	s.running, s.ruleset = v, ruleset
	s.fleet.Recorder.Add(s.event(history.Active, v))
	return nil
}

// Keys implements follow.Sink.
func (s *Follower) Keys(int64, []*servingv1.PublicKey) {}

// Confirm implements follow.Sink.
func (s *Follower) Confirm(time.Duration) {}

// Followers implements follow.Sink.
func (s *Follower) Followers() []*servingv1.Followers { return nil }

// Await waits until the follower runs a position or a later one.
func (s *Follower) Await(at view.Position, most time.Duration) error {
	return s.Until(most, func(status follow.Status) bool { return status.Active.Compare(at) >= 0 })
}

// Until waits for a status.
func (s *Follower) Until(most time.Duration, is func(follow.Status) bool) error {
	timer := time.NewTimer(most)
	defer timer.Stop()
	for {
		changed := s.Changed()
		if is(s.Status()) {
			return nil
		}
		select {
		case <-changed:
		case <-timer.C:
			return errors.New(s.options.Name + " does not get there in " + most.String() + ": it runs " + s.Status().Active.String())
		}
	}
}

// final records where the follower is.
func (s *Follower) final() {
	status := s.Status()
	s.fleet.Recorder.Add(history.Event{
		Observer: s.options.Name, What: history.Final, Scope: s.scope,
		Epoch: status.Active.Epoch, Revision: status.Active.Revision, Hash: status.ActiveHash.String(),
	})
}

// logHandler records why streams end.
type logHandler struct {
	fleet *Fleet
	name  string
}

func (h logHandler) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }

func (h logHandler) Handle(_ context.Context, r slog.Record) error {
	if r.Message != streamEnded {
		return nil
	}
	e := history.Event{Observer: h.name, What: history.End}
	r.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "cause":
			e.Kind = a.Value.String()
		case "error":
			e.Text = a.Value.String()
		}
		return true
	})
	h.fleet.Recorder.Add(e)
	return nil
}

func (h logHandler) WithAttrs([]slog.Attr) slog.Handler { return h }
func (h logHandler) WithGroup(string) slog.Handler      { return h }
