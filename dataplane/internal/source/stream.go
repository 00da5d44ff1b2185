package source

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/strata-exp/strata/dataplane/internal/snapshot"
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/sdk/go/engine"
	"github.com/strata-exp/strata/sdk/go/follow"
	"github.com/strata-exp/strata/sdk/go/view"
)

// Relay hands on what a stream brings.
type Relay interface {
	// Publish takes a configuration, whether it can be run here or not.
	Publish(v *view.View)
	// Confirm says that, so long ago, what was published last was the newest.
	Confirm(ago time.Duration)
	// Keys takes all keys that may follow.
	Keys(version int64, keys []*servingv1.PublicKey)
	// Followers returns who follows.
	Followers() []*servingv1.Followers
}

// Stream is a source that follows a config stream.
type Stream struct {
	follower *follow.Follower
}

var _ Source = (*Stream)(nil)

// NewStream returns a source that follows what config says, whose Sink it sets.
// The error names what is wrong with that.
func NewStream(config follow.Config, holder *snapshot.Holder, relay Relay, log *slog.Logger) (*Stream, error) {
	config.Sink = &sink{Relay: relay, holder: holder, log: log}
	config.Log = log
	follower, err := follow.New(config)
	if err != nil {
		return nil, err
	}
	return &Stream{follower: follower}, nil
}

// Start loads the last good configuration, if there is one. It waits for nobody.
func (s *Stream) Start(context.Context) error {
	s.follower.Load()
	return nil
}

// Run follows the stream until ctx ends.
func (s *Stream) Run(ctx context.Context) error { return s.follower.Run(ctx) }

// Status returns how the stream is.
func (s *Stream) Status() follow.Status { return s.follower.Status() }

// sink takes what a stream brings. Its methods are called by one goroutine.
type sink struct {
	Relay
	holder *snapshot.Holder
	log    *slog.Logger
	active *view.View // what the holder has, nil for nothing
}

var _ follow.Sink = (*sink)(nil)

// Replicated implements follow.Sink.
func (s *sink) Replicated(v *view.View) { s.Publish(v) }

// Activate implements follow.Sink. It compiles what differs from what runs.
func (s *sink) Activate(v *view.View) error {
	ruleset, err := s.compile(v)
	switch {
	case err != nil:
	case s.active != nil && v.Position() == s.active.Position(): // another part of it
		err = s.holder.Replace(ruleset)
	default:
		err = s.holder.Publish(v.Position().Epoch, ruleset)
	}
	if err != nil {
		s.holder.Refuse(err)
		s.log.Error("a revision is refused, what was served goes on being served",
			"refused", v.Position().Revision, "epoch", v.Position().Epoch, "faults", strings.Split(err.Error(), "\n"))
		return err
	}
	s.active = v
	s.log.Info("serving a new revision", "revision", ruleset.Revision(), "epoch", v.Position().Epoch,
		"layers", ruleset.Layers(), "experiments", ruleset.Experiments())
	return nil
}

func (s *sink) compile(v *view.View) (*engine.Ruleset, error) {
	running := (*engine.Ruleset)(nil)
	if s.active != nil {
		running = s.holder.Current().Ruleset
	}
	ruleset, err := view.Compile(s.active, running, v)
	if faults, ok := errors.AsType[view.Faults](err); ok {
		return nil, faults
	}
	return ruleset, err
}

// Confirm implements follow.Sink.
func (s *sink) Confirm(ago time.Duration) {
	s.holder.Confirm(ago)
	s.Relay.Confirm(ago)
}
