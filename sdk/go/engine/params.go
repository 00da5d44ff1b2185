package engine

import (
	"crypto/sha256"
	"encoding/binary"
	"hash/maphash"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/strata-exp/strata/sdk/go/engine/jsonscan"
)

// Limits of a variant's parameters.
const (
	// MaxParamsBytes is how long their JSON text may be.
	MaxParamsBytes = 1 << 20
	// MaxParamsDepth is how deep they may be nested, the outer object counted
	// as 1.
	MaxParamsDepth = 64
	// MaxKeyBytes is how long a key may be.
	MaxKeyBytes = 256
)

// object is a JSON object of parameters, read once and written in the one form
// that is served: no white space, keys in their order, numbers by appendNumber.
type object struct {
	text    string // the whole object
	members []member
	shape   shape
	index   atomic.Pointer[map[string]*member] // of many members, once one was looked up
}

// member is a key of an object with its value.
type member struct {
	key   string
	text  string // "key":value
	size  int32  // length of text
	value int32  // where the value begins in text
	hash  uint32 // of the key
	child *object
}

// shape is a digest of which paths an object sets, and which of them are
// objects, whatever the values. Where two objects have one shape the lower one
// contributes nothing to a merge. It is cut from SHA-256, so that nobody can
// make two shapes meet.
type shape [16]byte

func (m *member) json() string { return m.text[m.value:] }

// paramsError is a fault in the text of parameters.
type paramsError struct {
	path, problem string
	tooLarge      bool
}

func (e paramsError) reason() Reason {
	if e.tooLarge {
		return ParamsTooLarge
	}
	return InvalidParams
}

// NormalParams returns parameters in the form in which they are served: no white
// space, each number and string in one spelling, keys in their order. It returns
// false for parameters that Compile refuses.
func NormalParams(text string) (string, bool) {
	root, errs := parseParams(text, maphash.MakeSeed())
	if errs != nil {
		return "", false
	}
	return root.text, true
}

// parseParams reads the text of a JSON object. The seed is for the hashes of
// keys, so that nobody can choose keys that meet.
func parseParams(text string, seed maphash.Seed) (*object, []paramsError) {
	if len(text) > MaxParamsBytes {
		return nil, []paramsError{{tooLarge: true, problem: "is " + strconv.Itoa(len(text)) + " bytes long, at most " +
			strconv.Itoa(MaxParamsBytes) + " are allowed"}}
	}
	p := paramsParser{scan: jsonscan.New(text), out: make([]byte, 0, len(text)), seed: seed}
	if kind := p.scan.Kind(); kind != jsonscan.Object && kind != jsonscan.Invalid {
		return nil, []paramsError{{problem: "want an object, got " + kind.String()}}
	}
	root := p.object(1)
	p.scan.End()
	if err := p.scan.Err(); err != nil {
		return nil, []paramsError{{problem: err.Error()}}
	}
	if p.errs != nil {
		return nil, p.errs
	}
	root.cut(string(p.out), 0)
	return root, nil
}

// paramsParser reads parameters and writes their normal form as it goes. The
// texts of its objects and members are cut out of that form at the end.
type paramsParser struct {
	scan jsonscan.Scanner
	out  []byte
	errs []paramsError
	seed maphash.Seed
	// steps lead to the open value.
	steps []step
}

// step leads from a value into it: to a key or, in a list, to an index.
type step struct {
	key   string
	index int
	list  bool
}

// place spells out the way to the open value and on to some keys of it. That
// is done for faults only: there may be many values under long keys.
func (p *paramsParser) place(keys ...string) string {
	path := ""
	for _, s := range p.steps {
		if s.list {
			path += "[" + strconv.Itoa(s.index) + "]"
		} else {
			path = joinPath(path, s.key)
		}
	}
	for _, key := range keys {
		path = joinPath(path, key)
	}
	return path
}

// fail notes a fault of the open value, or of one under it.
func (p *paramsParser) fail(problem string, under ...string) {
	if len(p.errs) < maxFaults {
		p.errs = append(p.errs, paramsError{path: p.place(under...), problem: problem})
	}
}

func (p *paramsParser) object(depth int) *object {
	if depth > MaxParamsDepth {
		p.fail("is nested deeper than " + strconv.Itoa(MaxParamsDepth) + " levels")
		p.scan.Skip()
		return &object{}
	}
	o := &object{}
	p.out = append(p.out, '{')
	p.scan.BeginObject()
	for {
		key, ok := p.scan.NextKey()
		if !ok {
			break
		}
		if len(o.members) > 0 {
			p.out = append(p.out, ',')
		}
		if len(key) > MaxKeyBytes {
			p.fail("has a key of "+strconv.Itoa(len(key))+" bytes, at most "+strconv.Itoa(MaxKeyBytes)+" are allowed", clip(key))
		}
		m := member{key: key, hash: uint32(maphash.String(p.seed, key))}
		start := len(p.out)
		p.out = append(appendString(p.out, key), ':')
		m.value = int32(len(p.out) - start)
		p.steps = append(p.steps, step{key: key})
		m.child = p.value(depth)
		p.steps = p.steps[:len(p.steps)-1]
		m.size = int32(len(p.out) - start)
		o.members = append(o.members, m)
	}
	p.out = append(p.out, '}')
	o.members = slices.Clip(o.members)
	o.seal(p)
	return o
}

// seal finds repeated keys and digests the shape.
func (o *object) seal(p *paramsParser) {
	order := make([]*member, len(o.members))
	for i := range o.members {
		order[i] = &o.members[i]
	}
	slices.SortFunc(order, func(a, b *member) int { return strings.Compare(a.key, b.key) })
	var digest []byte
	for i, m := range order {
		if i > 0 && m.key == order[i-1].key {
			p.fail("stands twice", m.key)
		}
		digest = binary.LittleEndian.AppendUint32(digest, uint32(len(m.key)))
		digest = append(digest, m.key...)
		if m.child == nil {
			digest = append(digest, 0)
		} else {
			digest = append(append(digest, 1), m.child.shape[:]...)
		}
	}
	sum := sha256.Sum256(digest)
	copy(o.shape[:], sum[:])
}

// value reads the value that the steps lead to. It returns the object, if it is
// one.
func (p *paramsParser) value(depth int) *object {
	switch p.scan.Kind() {
	case jsonscan.Object:
		return p.object(depth + 1)
	case jsonscan.Array:
		p.list(depth + 1)
	case jsonscan.Number:
		p.number()
	case jsonscan.String:
		p.out = appendString(p.out, p.scan.Text())
	default:
		p.out = append(p.out, p.scan.Skip()...)
	}
	return nil
}

func (p *paramsParser) list(depth int) {
	if depth > MaxParamsDepth {
		p.fail("is nested deeper than " + strconv.Itoa(MaxParamsDepth) + " levels")
		p.scan.Skip()
		return
	}
	p.out = append(p.out, '[')
	p.scan.BeginArray()
	for i := 0; p.scan.NextItem(); i++ {
		if i > 0 {
			p.out = append(p.out, ',')
		}
		p.steps = append(p.steps, step{list: true, index: i})
		p.value(depth)
		p.steps = p.steps[:len(p.steps)-1]
	}
	p.out = append(p.out, ']')
}

func (p *paramsParser) number() {
	text := p.scan.Number()
	if text == "" {
		return
	}
	number, err := strconv.ParseFloat(text, 64)
	switch {
	case err != nil:
		p.fail(clip(text) + " is larger than a double can be")
	case !isSafeInteger(number) && !strings.ContainsAny(text, ".eE"):
		p.fail(clip(text) + " is an integer beyond 2^53 - 1, which readers round differently: write it as a string")
	default:
		p.out = appendNumber(p.out, number)
	}
}

// cut gives the object, which begins at start, and all below it their texts.
func (o *object) cut(text string, start int) {
	at := start + 1
	for i := range o.members {
		m := &o.members[i]
		m.text = text[at : at+int(m.size)]
		if m.child != nil {
			m.child.cut(text, at+int(m.value))
		}
		at += int(m.size) + 1 // and a comma or the closing brace
	}
	o.text = text[start:max(at, start+len("{}"))]
}

func joinPath(path, key string) string {
	if path == "" || key == "" || key[0] == '[' {
		return path + key
	}
	return path + "." + key
}
