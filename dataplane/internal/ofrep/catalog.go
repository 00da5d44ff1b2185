package ofrep

import (
	"fmt"
	"strings"

	"github.com/strata-exp/strata/dataplane/internal/snapshot"
)

// maxServiceBytes is how long the name of a service may be.
const maxServiceBytes = 256

// catalog is what a configuration has to offer.
type catalog struct {
	running  *snapshot.Snapshot
	services []string // in byte order
	known    map[string]bool
	// nested says that the name of a service may be the beginning of another one's,
	// so that a key may belong to either.
	nested bool
}

func newCatalog(running *snapshot.Snapshot) *catalog {
	c := &catalog{running: running, services: running.Ruleset.Services()}
	c.known = make(map[string]bool, len(c.services))
	for _, service := range c.services {
		c.known[service] = true
		c.nested = c.nested || strings.Contains(service, ".")
	}
	return c
}

// catalog returns that of what runs, nil if nothing does.
func (h *Handler) catalog() *catalog {
	running := h.config.Holder.Current()
	if running == nil {
		return nil
	}
	if c := h.last.Load(); c != nil && c.running == running {
		return c
	}
	c := newCatalog(running) // of two who make it at once either may win, as they are equal
	h.last.Store(c)
	return c
}

// find returns the service and the path of a key: of the services whose names it
// begins with, that with the longest one.
func (c *catalog) find(key string) (service, path string, ok bool) {
	for i := min(len(key), maxServiceBytes); i > 0; i-- {
		switch {
		case i < len(key) && key[i] != '.', !c.known[key[:i]]:
		case i == len(key):
			return key, "", true
		case i+1 == len(key): // the empty path is that of the service alone
			return "", "", false
		default:
			return key[:i], key[i+1:], true
		}
	}
	return "", "", false
}

// keyOf returns the key of a path of a service.
func keyOf(service, path string) string {
	if path == "" {
		return service
	}
	return service + "." + path
}

// position tells what runs from all that ran before or runs elsewhere, and is
// what event streams go on from.
type position struct{ epoch, revision int64 }

func positionOf(running *snapshot.Snapshot) position {
	return position{running.Epoch, running.Revision()}
}

func (p position) String() string { return fmt.Sprintf("%d-%d", p.epoch, p.revision) }

func parsePosition(text string) (position, bool) {
	var p position
	n, err := fmt.Sscanf(text, "%d-%d", &p.epoch, &p.revision)
	return p, err == nil && n == 2 && p.String() == text
}
