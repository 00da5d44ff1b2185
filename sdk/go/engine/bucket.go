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

// shortInput is the longest salt, separator and key, in bytes, that are hashed
// without a copy. Longer ones are rare and go through the library.
const shortInput = 192

// paddedKey is a key text between zero bytes, so that words of 8 bytes can be
// read from it at any of the eight alignments that salts give it. Keys longer
// than shortInput are kept in text alone.
type paddedKey struct {
	text string
	buf  [8 + shortInput + 8]byte
}

func (k *paddedKey) set(text string) {
	k.text = text
	if len(text) > shortInput {
		return
	}
	n := 8 + copy(k.buf[8:], text)
	binary.LittleEndian.PutUint64(k.buf[n:], 0)
}

// salt is a layer's salt and separator, cut into words when it is compiled.
// Keys then follow it in the hash without being joined to it in memory: the
// hash of 1,000 layers reads the key 1,000 times but never copies it.
type salt struct {
	text  string
	words []uint64 // the whole words of text || 0x00
	tail  uint64   // the bytes after them, the first one lowest
	bytes int      // len(text) + 1
}

func newSalt(text string) salt {
	var padded [8]byte
	joined := text + "\x00"
	whole := len(joined) / 8
	s := salt{text: text, bytes: len(joined), words: make([]uint64, whole)}
	for i := range s.words {
		s.words[i] = binary.LittleEndian.Uint64([]byte(joined[8*i:]))
	}
	copy(padded[:], joined[8*whole:])
	s.tail = binary.LittleEndian.Uint64(padded[:])
	return s
}

func (s *salt) slot(k *paddedKey) uint16 {
	return uint16(s.hash(k) % Slots)
}

// hash is XXH64 of s.text || 0x00 || k.text with seed 0.
func (s *salt) hash(k *paddedKey) uint64 {
	n := s.bytes + len(k.text)
	if n > shortInput {
		return hashLong(s.text, k.text)
	}
	var words [shortInput/8 + 1]uint64
	at := copy(words[:], s.words)
	// Where the tail has t bytes, key words begin t bytes before the key, in
	// its padding: their low t bytes are zero for the first one.
	for from := 8 - (s.bytes & 7); from < 8+len(k.text); from += 8 {
		words[at] = binary.LittleEndian.Uint64(k.buf[from : from+8])
		at++
	}
	words[len(s.words)] |= s.tail
	return hashWords(&words, n)
}

// hashWords is XXH64 with seed 0 of the first n bytes of words, which are read
// as little-endian; what follows them in the last word is zero.
func hashWords(words *[shortInput/8 + 1]uint64, n int) uint64 {
	var h uint64
	rest := words[:]
	if n >= 32 {
		v1, v2, v3, v4 := prime1, prime2, uint64(0), uint64(0)
		v1 += prime2 // not a constant expression: it wraps around
		v4 -= prime1
		for range n / 32 {
			v1 = round(v1, rest[0])
			v2 = round(v2, rest[1])
			v3 = round(v3, rest[2])
			v4 = round(v4, rest[3])
			rest = rest[4:]
		}
		h = bits.RotateLeft64(v1, 1) + bits.RotateLeft64(v2, 7) +
			bits.RotateLeft64(v3, 12) + bits.RotateLeft64(v4, 18)
		h = mergeRound(h, v1)
		h = mergeRound(h, v2)
		h = mergeRound(h, v3)
		h = mergeRound(h, v4)
	} else {
		h = prime5
	}
	h += uint64(n)
	left := n & 31
	for ; left >= 8; left -= 8 {
		h ^= round(0, rest[0])
		h = bits.RotateLeft64(h, 27)*prime1 + prime4
		rest = rest[1:]
	}
	word := rest[0]
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
	h ^= h >> 33
	h *= prime2
	h ^= h >> 29
	h *= prime3
	h ^= h >> 32
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
