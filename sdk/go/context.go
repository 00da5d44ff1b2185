package strata

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/strata-exp/strata/sdk/go/engine"
)

// Context is what is known about a user: attributes by their names. A value is a
// string, a bool, a number (of any of Go's integer and float types, or
// json.Number), or nil, which is as if it were absent. Everything else, such as
// lists, types of one's own and NaN, is a value that no rule matches and no layer
// hashes: convert a type of your own to the string or number that it is.
//
// It must not be changed while an Evaluation of it is in use.
type Context map[string]any

// attributes is a Context as the engine takes it. It is kept for the next one.
type attributes struct{ list engine.Context }

var spare = sync.Pool{New: func() any { return new(attributes) }}

// borrow converts the context. What is returned has to be given back.
func (c Context) borrow() *attributes {
	a := spare.Get().(*attributes)
	for name, value := range c {
		a.list = append(a.list, engine.Attribute{Name: name, Value: valueOf(value)})
	}
	return a
}

// maxSpare bounds how large a list is kept, as one context may be huge.
const maxSpare = 1024

func (a *attributes) giveBack() {
	if cap(a.list) > maxSpare {
		return
	}
	clear(a.list)
	a.list = a.list[:0]
	spare.Put(a)
}

// described is the context with all values as they are, for people.
func (c Context) described() engine.Context {
	list := make(engine.Context, 0, len(c))
	for name, value := range c {
		v := valueOf(value)
		if v.Kind() == engine.Composite {
			if text, err := json.Marshal(value); err == nil {
				v = engine.CompositeValue(string(text))
			}
		}
		list = append(list, engine.Attribute{Name: name, Value: v})
	}
	slices.SortFunc(list, func(a, b engine.Attribute) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// unusable is a value that is of no type that rules know.
var unusable = engine.CompositeValue("null")

// valueOf converts a value. Integers beyond 2^53 are rounded to doubles, which no
// layer hashes.
func valueOf(value any) engine.Value {
	switch v := value.(type) {
	case nil:
		return engine.NullValue()
	case string:
		return engine.StringValue(v)
	case bool:
		return engine.BoolValue(v)
	case int:
		return engine.NumberValue(float64(v))
	case int64:
		return engine.NumberValue(float64(v))
	case int32:
		return engine.NumberValue(float64(v))
	case int16:
		return engine.NumberValue(float64(v))
	case int8:
		return engine.NumberValue(float64(v))
	case uint:
		return engine.NumberValue(float64(v))
	case uint64:
		return engine.NumberValue(float64(v))
	case uint32:
		return engine.NumberValue(float64(v))
	case uint16:
		return engine.NumberValue(float64(v))
	case uint8:
		return engine.NumberValue(float64(v))
	case uintptr:
		return engine.NumberValue(float64(v))
	case float64:
		return finite(v)
	case float32:
		return finite(float64(v))
	case json.Number:
		f, err := strconv.ParseFloat(string(v), 64)
		if err != nil {
			return unusable
		}
		return finite(f)
	default:
		return unusable
	}
}

func finite(f float64) engine.Value {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return unusable
	}
	return engine.NumberValue(f)
}
