package auth

import (
	"strings"
	"sync"

	"github.com/strata-exp/strata/sdk/go/accesskey"
)

// sessionsEach is how many sessions each of two generations holds, about 10 MB.
const sessionsEach = 8192

// sessions remembers which sessions were verified, as a caller sends the same
// one with each request. It holds two generations: when the young one is full,
// the old one is forgotten. Who was forgotten is verified again.
type sessions struct {
	mu         sync.RWMutex
	young, old map[string]session // by the header Signature
}

type session struct {
	input     string // the header Signature-Input that was verified with it
	signature *accesskey.Signature
}

// get returns a signature that was verified with exactly these headers, or nil.
func (s *sessions) get(input, value string) *accesskey.Signature {
	s.mu.RLock()
	known, young := s.young[value]
	if !young {
		known = s.old[value]
	}
	s.mu.RUnlock()
	if known.signature == nil || known.input != input {
		return nil
	}
	if !young {
		s.put(input, value, known.signature)
	}
	return known.signature
}

func (s *sessions) put(input, value string, signature *accesskey.Signature) {
	// What was read with the headers of a request could hold all of them in memory.
	kept := *signature
	kept.AccessKey = strings.Clone(kept.AccessKey)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.young == nil || len(s.young) >= sessionsEach {
		s.young, s.old = map[string]session{}, s.young
	}
	s.young[strings.Clone(value)] = session{strings.Clone(input), &kept}
}
