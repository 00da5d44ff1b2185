package strata

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/strata-exp/strata/sdk/go/engine"
)

// Change is a change of the configuration, of the client's state, or of both.
type Change struct {
	// RevisionBefore and RevisionAfter are what was evaluated before, and is now;
	// 0 is nothing.
	RevisionBefore, RevisionAfter int64
	// StateBefore and StateAfter are as in Status.
	StateBefore, StateAfter string
	// Keys is what may have other values now, "service.path" for each whole value
	// that some variant sets, in byte order. It is empty if the state alone has
	// changed. It is shared: read it only.
	Keys []string
}

// moment is what a Change leads from and to.
type moment struct {
	running *running
	state   string
}

func (c *Client) moment() moment { return moment{c.running.Load(), c.state()} }

// listeners are those who are told of changes.
type listeners struct {
	mu  sync.Mutex
	all []*listener
}

type listener struct {
	tell    func(Change)
	stopped atomic.Bool
}

func (l *listeners) list() []*listener {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.all)
}

// OnChange has a function called after each change from now on, until stop is
// called or the client is closed, of which the last change tells. Calls come one
// after the other, and changes that come meanwhile are merged into one, so the
// function should return soon. It must not call Close.
func (c *Client) OnChange(tell func(Change)) (stop func()) {
	added := &listener{tell: tell}
	c.listeners.mu.Lock()
	defer c.listeners.mu.Unlock()
	c.listeners.all = append(c.listeners.all, added)
	return func() {
		added.stopped.Store(true)
		c.listeners.mu.Lock()
		defer c.listeners.mu.Unlock()
		c.listeners.all = slices.DeleteFunc(c.listeners.all, func(l *listener) bool { return l == added })
	}
}

// watch tells of all changes since a moment until ctx ends, and of the end.
func (c *Client) watch(ctx context.Context, told moment) {
	for {
		changed := c.follower.Changed()
		told = c.tell(told)
		select {
		case <-changed:
		case <-ctx.Done():
			c.tell(told)
			return
		}
	}
}

// tell tells what has changed since a moment, and returns the one that is now.
func (c *Client) tell(before moment) moment {
	now := c.moment()
	if now == before {
		return now
	}
	all := c.listeners.list()
	if len(all) == 0 {
		return now
	}
	change := Change{
		RevisionBefore: before.running.position().Revision, RevisionAfter: now.running.position().Revision,
		StateBefore: before.state, StateAfter: now.state,
	}
	if now.running != before.running {
		change.Keys = engine.Changed(before.running.ruleset(), now.running.ruleset())
	}
	for _, l := range all {
		if !l.stopped.Load() {
			l.tell(change)
		}
	}
	return now
}
