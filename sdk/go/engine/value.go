package engine

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/strata-exp/strata/sdk/go/engine/jsonscan"
)

// maxSafeInteger is the largest integer up to which all integers are held
// exactly by an IEEE double: 2^53 - 1.
const maxSafeInteger = 1<<53 - 1

// ValueKind is the kind of a context value.
type ValueKind uint8

// The kinds of context values. Composite is a list or an object, which can be
// neither hashed nor compared.
const (
	Absent ValueKind = iota
	Null
	Bool
	Number
	String
	Composite
)

// Value is the value of a context attribute. The zero Value is absent.
type Value struct {
	text   string  // of a string; the JSON text of a composite
	number float64 // of a number; 1 for true
	kind   ValueKind
}

// NullValue returns null.
func NullValue() Value { return Value{kind: Null} }

// StringValue returns a string. It should be valid UTF-8.
func StringValue(s string) Value { return Value{kind: String, text: s} }

// NumberValue returns a number.
func NumberValue(f float64) Value { return Value{kind: Number, number: f} }

// BoolValue returns a bool.
func BoolValue(b bool) Value {
	if b {
		return Value{kind: Bool, number: 1}
	}
	return Value{kind: Bool}
}

// CompositeValue returns a list or an object, given as valid JSON text.
func CompositeValue(json string) Value { return Value{kind: Composite, text: json} }

// Kind returns the kind of the value.
func (v Value) Kind() ValueKind { return v.kind }

// Text returns the string of a string, the JSON text of a composite, else "".
func (v Value) Text() string { return v.text }

// Number returns the number of a number, else 0 or, for true, 1.
func (v Value) Number() float64 { return v.number }

// Bool reports whether the value is true.
func (v Value) Bool() bool { return v.kind == Bool && v.number != 0 }

// AppendJSON appends the value as JSON text; absent and numbers that JSON can
// not hold become null.
func (v Value) AppendJSON(dst []byte) []byte {
	switch v.kind {
	case Bool:
		return strconv.AppendBool(dst, v.number != 0)
	case Number:
		if !isFinite(v.number) {
			return append(dst, "null"...)
		}
		return appendNumber(dst, v.number)
	case String:
		return appendString(dst, v.text)
	case Composite:
		return append(dst, v.text...)
	default:
		return append(dst, "null"...)
	}
}

// Attribute is one attribute of a context.
type Attribute struct {
	Name  string
	Value Value
}

// Context is what is known about a user: attributes in any order. Where a name
// stands twice, the later one counts.
type Context []Attribute

// ContextError is a context that can not be read.
type ContextError struct {
	// Name of the attribute at fault; empty where the context as a whole is.
	Name string
	// Problem says what is wrong.
	Problem string
}

func (e *ContextError) Error() string {
	if e.Name == "" {
		return "context: " + e.Problem
	}
	return fmt.Sprintf("context.%s: %s", e.Name, e.Problem)
}

// ParseContext reads a context from the text of a JSON object. The strings of
// the context share memory with the text. The error is a *ContextError or a
// *jsonscan.SyntaxError.
func ParseContext(json string) (Context, error) {
	s := jsonscan.New(json)
	ctx, err := ScanContext(&s, nil)
	if err != nil {
		return nil, err
	}
	if !s.End() {
		return nil, s.Err()
	}
	return ctx, nil
}

// ScanContext reads a JSON object from s and appends its attributes to dst.
// A number that a double can not hold, even roundly, and a repeated name are
// errors. The error is a *ContextError or a *jsonscan.SyntaxError.
func ScanContext(s *jsonscan.Scanner, dst Context) (Context, error) {
	if kind := s.Kind(); kind != jsonscan.Object && kind != jsonscan.Invalid {
		return nil, &ContextError{Problem: "want an object, got " + kind.String()}
	}
	first := len(dst)
	s.BeginObject()
	for {
		name, ok := s.NextKey()
		if !ok {
			break
		}
		value, problem := scanValue(s)
		if problem != "" {
			return nil, &ContextError{Name: name, Problem: problem}
		}
		dst = append(dst, Attribute{Name: name, Value: value})
	}
	if err := s.Err(); err != nil {
		return nil, err
	}
	if name, ok := repeated(dst[first:]); ok {
		return nil, &ContextError{Name: name, Problem: "stands twice"}
	}
	return dst, nil
}

func scanValue(s *jsonscan.Scanner) (v Value, problem string) {
	switch s.Kind() {
	case jsonscan.String:
		return StringValue(s.Text()), ""
	case jsonscan.Number:
		text := s.Number()
		if s.Err() != nil {
			return Value{}, "" // the scanner's own error says more
		}
		number, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return Value{}, "the number " + clip(text) + " is larger than a double can be"
		}
		return NumberValue(number), ""
	case jsonscan.Bool:
		return BoolValue(s.Bool()), ""
	case jsonscan.Null:
		s.Null()
		return NullValue(), ""
	default:
		return CompositeValue(s.Skip()), ""
	}
}

// repeated returns a name that stands twice in ctx.
func repeated(ctx Context) (string, bool) {
	const few = 16 // up to here comparing all pairs is cheaper than a map
	if len(ctx) <= few {
		for i := range ctx {
			for j := range i {
				if ctx[i].Name == ctx[j].Name {
					return ctx[i].Name, true
				}
			}
		}
		return "", false
	}
	seen := make(map[string]struct{}, len(ctx))
	for i := range ctx {
		if _, ok := seen[ctx[i].Name]; ok {
			return ctx[i].Name, true
		}
		seen[ctx[i].Name] = struct{}{}
	}
	return "", false
}

func isFinite(f float64) bool { return !math.IsInf(f, 0) && !math.IsNaN(f) }

func isSafeInteger(f float64) bool {
	return f >= -maxSafeInteger && f <= maxSafeInteger && f == float64(int64(f))
}

// clip shortens text that came from outside, for use in an error.
func clip(text string) string {
	const most = 40
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "..."
}
