package engine

import (
	"encoding/binary"
	"math/bits"
	"strconv"

	"github.com/cespare/xxhash/v2"
)

// Slots is the number of slots in a layer; a slot is 0.01 % of its traffic.
const Slots = 10_000

// Slot returns the slot that a key falls into under a salt, 0 to 9,999:
//
//	XXH64(salt || 0x00 || key, seed 0) mod 10,000
func Slot(salt, key string) int32 {
	var k paddedKey
	k.set(key)
	s := newSalt(salt)
	return int32(s.slot(&k))
}

// KeyText returns the text that is hashed for a context value, and false where
// the value can not be hashed: then the layer is skipped. Strings other than
// the empty one are hashed as they are, and numbers without fraction whose
// absolute value is at most 2^53 - 1 as decimal digits.
func KeyText(v Value) (string, bool) {
	switch {
	case v.kind == String && v.text != "":
		return v.text, true
	case v.kind == Number && isSafeInteger(v.number):
		return strconv.FormatInt(int64(v.number), 10), true
	default:
		return "", false
	}
}

// The primes of XXH64, from its specification.
const (
	prime1 uint64 = 11400714785074694791
	prime2 uint64 = 14029467366897019727
	prime3 uint64 = 1609587929392839161
	prime4 uint64 = 9650029242287828579
	prime5 uint64 = 2870177450012600261
)

// Limits of what is hashed without a copy, in bytes. Longer salts and keys are
// rare and go through the library.
const (
	shortSalt = 39 // with its separator, four words and a tail
	shortKey  = 128
)

// paddedKey is a key text cut into words of 8 bytes, at each of the alignments
// that salts give it. Each alignment is cut when a salt first asks for it.
type paddedKey struct {
	text    string
	padded  [8 + shortKey + 8]byte // the text between zero bytes
	aligned [8][shortKey/8 + 1]uint64
	cut     [8]bool // which of aligned are made
}

func (k *paddedKey) set(text string) {
	k.text = text
	k.cut = [8]bool{}
	if len(text) > shortKey {
		return
	}
	n := 8 + copy(k.padded[8:], text)
	binary.LittleEndian.PutUint64(k.padded[n:], 0)
}

// words returns the words of t zero bytes followed by the key, the last one
// filled up with zeros.
func (k *paddedKey) words(t int) *[shortKey/8 + 1]uint64 {
	words := &k.aligned[t&7]
	if !k.cut[t&7] {
		k.cut[t&7] = true
		for i := range words {
			from := 8 - t&7 + 8*i
			if from >= 8+len(k.text) {
				break
			}
			words[i] = binary.LittleEndian.Uint64(k.padded[from:])
		}
	}
	return words
}

// salt is a layer's salt and separator, cut into words when it is compiled.
// Keys follow it in the hash without being joined to it in memory, so that a
// thousand layers hash one user without copying the key once.
type salt struct {
	text  string
	words [4]uint64 // the whole words of text || 0x00
	whole int       // how many they are; more than 4 for a long salt
	tail  uint64    // the bytes after them, the first one lowest
	bytes int       // len(text) + 1
}

func newSalt(text string) salt {
	joined := append([]byte(text), 0)
	s := salt{text: text, bytes: len(joined), whole: len(joined) / 8}
	for i := range min(s.whole, len(s.words)) {
		s.words[i] = binary.LittleEndian.Uint64(joined[8*i:])
	}
	var tail [8]byte
	copy(tail[:], joined[8*s.whole:])
	s.tail = binary.LittleEndian.Uint64(tail[:])
	return s
}

func (s *salt) slot(k *paddedKey) uint16 {
	return uint16(s.hash(k) % Slots)
}

// hash is XXH64 of s.text || 0x00 || k.text with seed 0.
func (s *salt) hash(k *paddedKey) uint64 {
	n := s.bytes + len(k.text)
	if s.whole > len(s.words) || len(k.text) > shortKey {
		return hashLong(s.text, k.text)
	}
	cut := k.words(s.bytes)
	h, at, left := prime5, 0, n
	if n >= 32 {
		v1, v2, v3, v4 := prime1, prime2, uint64(0), uint64(0)
		v1 += prime2 // not a constant expression: it wraps around
		v4 -= prime1
		for ; left >= 32; left -= 32 {
			v1 = round(v1, s.word(cut, at))
			v2 = round(v2, s.word(cut, at+1))
			v3 = round(v3, s.word(cut, at+2))
			v4 = round(v4, s.word(cut, at+3))
			at += 4
		}
		h = bits.RotateLeft64(v1, 1) + bits.RotateLeft64(v2, 7) +
			bits.RotateLeft64(v3, 12) + bits.RotateLeft64(v4, 18)
		h = mergeRound(h, v1)
		h = mergeRound(h, v2)
		h = mergeRound(h, v3)
		h = mergeRound(h, v4)
	}
	h += uint64(n)
	for ; left >= 8; left -= 8 {
		h ^= round(0, s.word(cut, at))
		h = bits.RotateLeft64(h, 27)*prime1 + prime4
		at++
	}
	if left > 0 {
		h = hashTail(h, s.word(cut, at), left)
	}
	h ^= h >> 33
	h *= prime2
	h ^= h >> 29
	h *= prime3
	h ^= h >> 32
	return h
}

// word returns word i of the salt followed by the key, where they meet made of
// both.
func (s *salt) word(cut *[shortKey/8 + 1]uint64, i int) uint64 {
	switch {
	case i > s.whole:
		return cut[i-s.whole]
	case i < s.whole:
		return s.words[i&3]
	default:
		return cut[0] | s.tail
	}
}

// hashTail adds the last 1 to 7 bytes.
func hashTail(h, word uint64, left int) uint64 {
	if left >= 4 {
		h ^= (word & 0xffff_ffff) * prime1
		h = bits.RotateLeft64(h, 23)*prime2 + prime3
		word >>= 32
		left -= 4
	}
	for ; left > 0; left-- {
		h ^= (word & 0xff) * prime5
		h = bits.RotateLeft64(h, 11) * prime1
		word >>= 8
	}
	return h
}

func round(acc, word uint64) uint64 {
	return bits.RotateLeft64(acc+word*prime2, 31) * prime1
}

func mergeRound(acc, v uint64) uint64 {
	return (acc^round(0, v))*prime1 + prime4
}

func hashLong(salt, key string) uint64 {
	d := xxhash.New()
	_, _ = d.WriteString(salt) // a Digest never fails
	_, _ = d.Write([]byte{0})
	_, _ = d.WriteString(key)
	return d.Sum64()
}
