package strata

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/strata-exp/strata/sdk/go/engine"
	"github.com/strata-exp/strata/sdk/go/follow"
	"github.com/strata-exp/strata/sdk/go/lastgood"
)

// Client answers which parameters users get. It comes from New, and is safe for
// concurrent use. A process needs one for each environment.
type Client struct {
	follower  *follow.Follower
	outbox    *outbox
	running   atomic.Pointer[running] // nil before there is a configuration
	ready     chan struct{}           // closed once there is one
	met       *met
	listeners listeners

	closed     atomic.Bool
	closing    chan struct{}
	close      func() error
	background sync.WaitGroup
}

// New returns a client that follows an environment until it is closed. It waits
// for no server; what is on disk is there at once. The error names everything
// that is wrong with the settings.
func New(config Config) (*Client, error) {
	s, err := config.resolve()
	if err != nil {
		return nil, fmt.Errorf("strata: %w", err)
	}
	c := &Client{
		outbox: newOutbox(s.Log), ready: make(chan struct{}), met: newMet(), closing: make(chan struct{}),
	}
	following := follow.Config{
		URL: s.URL, Environment: s.Environment, Services: s.Services, Instance: s.Instance, Client: software(),
		Key: s.key, Audience: s.Audience, Sink: sink{c}, Log: s.Log,
	}
	if s.CacheDir != "" {
		following.LastGood = lastgood.New(s.CacheDir, s.Log)
	}
	if c.follower, err = follow.New(following); err != nil {
		return nil, fmt.Errorf("strata: %w", err)
	}
	c.start(newDelivery(s, c.outbox))
	return c, nil
}

func (c *Client) start(delivery *delivery) {
	c.follower.Load()
	from := c.moment()
	ctx, stop := context.WithCancel(context.Background())
	c.background.Go(func() { _ = c.follower.Run(ctx) }) // it runs once
	c.background.Go(func() { c.watch(ctx, from) })
	delivery.start()
	c.close = sync.OnceValue(func() error {
		c.closed.Store(true)
		close(c.closing)
		stop()
		err := delivery.close()
		c.background.Wait()
		return err
	})
}

var errClosed = errors.New("strata: the client is closed")

// Ready waits until there is a configuration, from a server or from the disk. The
// error is that of ctx, with why there is none, or says that the client was
// closed. The client goes on trying, and evaluates meanwhile.
func (c *Client) Ready(ctx context.Context) error {
	select {
	case <-c.ready:
		return nil
	default:
	}
	select {
	case <-c.ready:
		return nil
	case <-c.closing:
		return errClosed
	case <-ctx.Done():
		if why := c.follower.Status().Err; why != nil {
			return fmt.Errorf("strata: there is no configuration yet: %w: %w", ctx.Err(), why)
		}
		return fmt.Errorf("strata: there is no configuration yet: %w", ctx.Err())
	}
}

// Evaluate returns what a service gets in a context. It never fails and never
// waits. A combination of variants that was seen lately costs no allocation.
func (c *Client) Evaluate(service string, ctx Context) Evaluation {
	e := Evaluation{client: c, running: c.running.Load(), service: service, context: ctx}
	if e.running == nil {
		return e
	}
	a := ctx.borrow()
	e.result = e.running.rules.Evaluate(service, a.list, nil, nil)
	a.giveBack()
	return e
}

// Explanation says how a service's parameters came about, layer by layer.
type Explanation = engine.Explanation

// Explain evaluates like Evaluate and says why. It costs many times as much, and
// records no exposure. It never returns nil; before there is a configuration it
// explains an empty one.
func (c *Client) Explain(service string, ctx Context) *Explanation {
	return c.running.Load().ruleset().Explain(service, ctx.described(), nil)
}

// Knows reports whether a variant of the service sets anything at a path; for the
// empty path, whether the service has variants at all. It records no exposure.
func (c *Client) Knows(service, path string) bool {
	return c.running.Load().ruleset().Knows(service, path)
}

// Close stops following and sends the exposures and events that are left, for 5 s
// at most. The error says what could not be sent. Evaluations go on with what
// there is, but record nothing. To close again does nothing, and returns the same.
func (c *Client) Close() error { return c.close() }
