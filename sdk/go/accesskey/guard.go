package accesskey

import (
	"errors"
	"io"
	"sync"
)

var errStopped = errors.New("the request is sent anew")

// guard is a body that can be taken from the transport that still sends it: a
// server may answer before it has read everything, and who sends the content
// again may begin with the same memory.
type guard struct {
	mu      sync.Mutex
	body    io.ReadCloser
	stopped bool
}

func (g *guard) Read(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stopped {
		return 0, errStopped
	}
	return g.body.Read(p)
}

func (g *guard) Close() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stopped {
		return nil
	}
	g.stopped = true
	return g.body.Close()
}

// stop returns when nobody reads any more.
func (g *guard) stop() { _ = g.Close() }
