package service

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// lastCall is how long a server that stops waits for the requests of
// connections that it has accepted.
const lastCall = 500 * time.Millisecond

// Server returns a part that serves HTTP on a listener, and owns both. It must
// be called before the server is used.
//
// Stopping it closes the listener, lets what is under way finish, and cuts off
// what is left when the time is up. It loses no request: net/http alone drops
// those that it reads after Shutdown was called, so that is called only when
// connections that were accepted before have been answered or stay silent. A
// handler should by then ask clients to close their connections.
func Server(name string, server *http.Server, listener net.Listener) Part {
	c := &connections{fresh: map[net.Conn]struct{}{}, none: make(chan struct{}, 1)}
	server.ConnState = c.note
	return Part{
		Name: name,
		Run: func(context.Context) error {
			err := server.Serve(listener)
			if errors.Is(err, http.ErrServerClosed) || errors.Is(err, net.ErrClosed) {
				return nil
			}
			return err
		},
		Stop: func(ctx context.Context) error {
			if err := listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
				return err
			}
			c.wait(ctx, lastCall)
			err := server.Shutdown(ctx)
			if err == nil || errors.Is(err, net.ErrClosed) { // it closes the listener too
				return nil
			}
			return errors.Join(err, server.Close())
		},
	}
}

// connections knows which connections have not had an answer yet. Requests on
// others cost it next to nothing.
type connections struct {
	count atomic.Int64 // of fresh
	mu    sync.Mutex
	fresh map[net.Conn]struct{}
	none  chan struct{} // has something when fresh has become empty
}

func (c *connections) note(conn net.Conn, state http.ConnState) {
	// Only once it is idle, a request that it was active with is safe.
	if state == http.StateActive || state != http.StateNew && c.count.Load() == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if state == http.StateNew {
		c.fresh[conn] = struct{}{}
	} else {
		delete(c.fresh, conn)
	}
	c.count.Store(int64(len(c.fresh)))
	if len(c.fresh) == 0 {
		select {
		case c.none <- struct{}{}:
		default:
		}
	}
}

// wait waits until no connection is fresh, at most for a while.
func (c *connections) wait(ctx context.Context, atMost time.Duration) {
	timeout := time.NewTimer(atMost)
	defer timeout.Stop()
	for c.count.Load() > 0 {
		select {
		case <-c.none:
		case <-timeout.C:
			return
		case <-ctx.Done():
			return
		}
	}
}
