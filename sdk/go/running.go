package strata

import (
	"sync"
	"time"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/sdk/go/engine"
	"github.com/strata-exp/strata/sdk/go/follow"
	"github.com/strata-exp/strata/sdk/go/view"
)

// running is the configuration that is evaluated.
type running struct {
	view  *view.View
	rules *engine.Ruleset
	// hashKeys returns the context fields that layers hash.
	hashKeys func() []string
	texts    texts
}

func (r *running) position() view.Position {
	if r == nil {
		return view.Position{}
	}
	return r.view.Position()
}

func (r *running) ruleset() *engine.Ruleset {
	if r == nil {
		return nil
	}
	return r.rules
}

// sink takes what the stream brings, and makes it what is evaluated.
type sink struct{ client *Client }

var _ follow.Sink = sink{}

// Activate implements follow.Sink. It compiles what differs from what runs.
func (s sink) Activate(v *view.View) error {
	before := s.client.running.Load()
	var last *view.View
	if before != nil {
		last = before.view
	}
	rules, err := view.Compile(last, before.ruleset(), v)
	if err != nil {
		return err
	}
	s.client.running.Store(&running{view: v, rules: rules, hashKeys: sync.OnceValue(rules.HashKeys)})
	if before == nil {
		close(s.client.ready)
	}
	return nil
}

// Replicated implements follow.Sink: nobody is handed on to.
func (sink) Replicated(*view.View) {}

// Keys implements follow.Sink: nobody follows an SDK.
func (sink) Keys(int64, []*servingv1.PublicKey) {}

// Confirm implements follow.Sink: the follower itself knows how old what runs is.
func (sink) Confirm(time.Duration) {}

// Followers implements follow.Sink.
func (sink) Followers() []*servingv1.Followers { return nil }
