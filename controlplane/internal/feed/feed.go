// Package feed turns the revisions of environments into what the config stream
// hands out.
package feed

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/strata-exp/strata/controlplane/internal/state"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/internal/push"
	"github.com/strata-exp/strata/internal/rpc"
	"github.com/strata-exp/strata/sdk/go/view"
)

// Store is where revisions come from.
type Store interface {
	// Follow returns the newest state as soon as it is another one than has.
	Follow(ctx context.Context, environment string, has *state.State) (*state.State, error)
	// Head returns the newest state.
	Head(ctx context.Context, environment string) (*state.State, error)
	// Stale returns for how long nothing has confirmed that what Follow returns of
	// an environment is the newest.
	Stale(environment string) time.Duration
}

// confirmEvery is how often hubs are told how old what they have may be.
const confirmEvery = time.Second

// Feed has a hub for each environment that somebody has asked for. It is safe for
// concurrent use.
type Feed struct {
	store  Store
	newHub func(environment string) *push.Hub
	log    *slog.Logger
	begin  chan begun

	mu   sync.Mutex
	hubs map[string]*push.Hub
}

// begun is a hub that has to be kept up to date.
type begun struct {
	environment string
	hub         *push.Hub
}

// New returns a feed of a store. It hands out hubs while Run runs.
func New(store Store, newHub func(environment string) *push.Hub, log *slog.Logger) *Feed {
	return &Feed{store: store, newHub: newHub, log: log, begin: make(chan begun), hubs: map[string]*push.Hub{}}
}

// Hub returns the hub of an environment. The error is a *rpc.Denied where there
// is no such environment.
func (f *Feed) Hub(ctx context.Context, environment string) (*push.Hub, error) {
	if hub := f.known(environment); hub != nil {
		return hub, nil
	}
	if _, err := f.store.Head(ctx, environment); isGone(err) {
		return nil, push.NotServed(environment)
	} else if err != nil {
		return nil, err
	}
	f.mu.Lock()
	hub, ok := f.hubs[environment]
	if !ok {
		hub = f.newHub(environment)
		f.hubs[environment] = hub
	}
	f.mu.Unlock()
	if ok {
		return hub, nil
	}
	select {
	case f.begin <- begun{environment, hub}:
		return hub, nil
	case <-ctx.Done():
		f.forget(environment)
		return nil, ctx.Err()
	}
}

func (f *Feed) known(environment string) *push.Hub {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.hubs[environment]
}

func (f *Feed) forget(environment string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.hubs, environment)
}

// Run keeps the hubs up to date until ctx ends.
func (f *Feed) Run(ctx context.Context) error {
	var following sync.WaitGroup
	defer following.Wait()
	for {
		select {
		case <-ctx.Done():
			return nil
		case b := <-f.begin:
			ctx, cancel := context.WithCancel(ctx)
			following.Go(func() {
				defer cancel()
				f.follow(ctx, b)
			})
			following.Go(func() { f.confirm(ctx, b) })
		}
	}
}

// follow publishes each revision until the environment is deleted.
func (f *Feed) follow(ctx context.Context, b begun) {
	log := f.log.With("environment", b.environment)
	var seen *view.View
	var has *state.State
	for {
		next, err := f.store.Follow(ctx, b.environment, has)
		var v *view.View
		if err == nil {
			v, err = advance(seen, has, next)
		}
		switch {
		case err == nil:
			has, seen = next, v
			b.hub.Publish(v)
		case ctx.Err() != nil:
			return
		case isGone(err):
			f.forget(b.environment)
			b.hub.Close()
			return
		default:
			log.WarnContext(ctx, "revisions can not be followed; trying again", "error", err)
			if !pause(ctx) {
				return
			}
		}
	}
}

// confirm tells a hub how old what it has may be.
func (f *Feed) confirm(ctx context.Context, b begun) {
	tick := time.NewTicker(confirmEvery)
	defer tick.Stop()
	for {
		b.hub.Confirm(f.store.Stale(b.environment))
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// pause waits between attempts; it is false if ctx ends first.
func pause(ctx context.Context) bool {
	const longest = 2 * time.Second
	select {
	case <-time.After(rand.N(longest)):
		return true
	case <-ctx.Done():
		return false
	}
}

func isGone(err error) bool {
	refusal, ok := errors.AsType[*rpc.Refusal](err)
	return ok && refusal.Reason == adminv1.ErrorReason_ERROR_REASON_ENVIRONMENT_NOT_FOUND
}
