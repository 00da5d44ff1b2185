package codegen

import (
	"math"
	"strconv"

	"github.com/strata-exp/strata/sdk/go/engine/jsonscan"
)

// seen is a kind of values that variants have at a path.
type seen int

const (
	seenNull seen = iota
	seenBool
	seenInt // a safe integer
	seenFloat
	seenString
	seenList
	seenObject
	seenKinds
)

// words are how faults call them.
var words = [seenKinds]string{"null", "a bool", "an integer", "a number", "a string", "a list", "an object"}

// observed is what variants have at a path.
type observed struct {
	// by is the first variant that has each kind, nil for none.
	by [seenKinds]*Variant
	// members are by key, those of all objects.
	members map[string]*observed
}

// observe notes the value that is read next.
func (o *observed) observe(s *jsonscan.Scanner, v *Variant) {
	kind := seenNull
	switch s.Kind() {
	case jsonscan.Object:
		kind = seenObject
		s.BeginObject()
		for {
			key, ok := s.NextKey()
			if !ok {
				break
			}
			o.member(key).observe(s, v)
		}
	case jsonscan.Array:
		kind = seenList
		s.Skip()
	case jsonscan.String:
		kind = seenString
		s.Text()
	case jsonscan.Bool:
		kind = seenBool
		s.Bool()
	case jsonscan.Number:
		kind = numberKind(s.Number())
	default:
		s.Null()
	}
	if o.by[kind] == nil {
		o.by[kind] = v
	}
}

func (o *observed) member(key string) *observed {
	if o.members == nil {
		o.members = map[string]*observed{}
	}
	m := o.members[key]
	if m == nil {
		m = &observed{}
		o.members[key] = m
	}
	return m
}

func numberKind(text string) seen {
	const maxSafe = 1<<53 - 1
	if f, err := strconv.ParseFloat(text, 64); err == nil && f == math.Trunc(f) && math.Abs(f) <= maxSafe {
		return seenInt
	}
	return seenFloat
}

// has reports whether some variant has a value of a kind. A nil observed has none.
func (o *observed) has(kind seen) bool { return o != nil && o.by[kind] != nil }
