package push

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"

	"github.com/strata-exp/strata/sdk/go/hashtree"
	"github.com/strata-exp/strata/sdk/go/view"
)

const (
	tokenVersion = 2
	tokenBytes   = 1 + codecBytes + 8 + 8 + tagBytes + tagBytes + sha256.Size
	tagBytes     = 8
	macBytes     = 16
)

// tag is the first bytes of a hash: enough to tell the environments and scopes of
// one follower apart.
type tag [tagBytes]byte

func environmentTag(name string) tag {
	sum := sha256.Sum256([]byte(name))
	return tag(sum[:tagBytes])
}

func (s Scope) tag() tag { return tag(s.id[:tagBytes]) }

// place is what a resume token says: what its holder was sent whole.
type place struct {
	codec       codec // of who sent it
	position    view.Position
	environment tag
	scope       tag
	hash        hashtree.Hash
}

// Sealer makes resume tokens, and reads them. A token that it made proves that
// its holder was once sent what the token says.
type Sealer struct{ key []byte }

// NewSealer returns a sealer with the key of all servers that believe each
// other's tokens, of at least 32 bytes. Without a key, the tokens that it makes
// prove nothing, and it believes none.
func NewSealer(key []byte) *Sealer {
	if len(key) > 0 && len(key) < sha256.Size {
		panic("push: the key of resume tokens is too short")
	}
	return &Sealer{key: key}
}

func (s *Sealer) seal(p place) []byte {
	b := make([]byte, 0, tokenBytes+macBytes)
	b = append(b, tokenVersion)
	b = append(b, p.codec[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(p.position.Epoch))
	b = binary.BigEndian.AppendUint64(b, uint64(p.position.Revision))
	b = append(b, p.environment[:]...)
	b = append(b, p.scope[:]...)
	b = append(b, p.hash[:]...)
	if len(s.key) == 0 {
		return b
	}
	return append(b, s.mac(b)...)
}

// open reads a token. It is not ok where the bytes are no token at all.
func (s *Sealer) open(token []byte) (p place, proven, ok bool) {
	if len(token) != tokenBytes && len(token) != tokenBytes+macBytes || token[0] != tokenVersion {
		return place{}, false, false
	}
	body, mac := token[:tokenBytes], token[tokenBytes:]
	proven = len(s.key) > 0 && len(mac) > 0 && hmac.Equal(mac, s.mac(body))
	rest := body[1:]
	rest = rest[copy(p.codec[:], rest):]
	p.position.Epoch = int64(binary.BigEndian.Uint64(rest))
	p.position.Revision = int64(binary.BigEndian.Uint64(rest[8:]))
	rest = rest[16:]
	rest = rest[copy(p.environment[:], rest):]
	rest = rest[copy(p.scope[:], rest):]
	copy(p.hash[:], rest)
	return p, proven, true
}

func (s *Sealer) mac(body []byte) []byte {
	h := hmac.New(sha256.New, s.key)
	h.Write([]byte("strata resume token"))
	h.Write(body)
	return h.Sum(nil)[:macBytes]
}
