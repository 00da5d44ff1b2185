package push

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
)

// Scope is which part of an environment a follower gets. It never changes.
type Scope struct {
	services []string // sorted, each once; empty is all
	unknown  bool
	id       scopeID
}

// scopeID tells scopes apart.
type scopeID [sha256.Size]byte

// newScope returns the scope of some services, or of all if none are given.
// unknown says whether entities of kinds that this server does not know belong
// to it, which only the scope of all services can have.
func newScope(services []string, unknown bool) Scope {
	s := Scope{services: slices.Compact(slices.Sorted(slices.Values(services)))}
	s.unknown = unknown && s.whole()
	text := []byte{0}
	if s.unknown {
		text[0] = 1
	}
	for _, name := range s.services {
		text = binary.BigEndian.AppendUint32(text, uint32(len(name)))
		text = append(text, name...)
	}
	s.id = sha256.Sum256(text)
	return s
}

// whole reports whether all services belong to the scope.
func (s Scope) whole() bool { return len(s.services) == 0 }

// has reports whether a service belongs to the scope.
func (s Scope) has(service string) bool {
	if s.whole() {
		return true
	}
	_, ok := slices.BinarySearch(s.services, service)
	return ok
}
