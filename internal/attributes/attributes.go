// Package attributes takes over a user's context from protobuf. Both planes do
// that by it, so that a context means the same wherever it is sent.
package attributes

import (
	"fmt"
	"math"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/strata-exp/strata/internal/rpc"
	"github.com/strata-exp/strata/sdk/go/engine"
	"github.com/strata-exp/strata/sdk/go/engine/jsonscan"
)

const (
	// Max is how many attributes a context may have.
	Max = 1000
	// MaxDepth is how deep the value of an attribute may be nested: as deep as
	// JSON allows, where the request and its context are two levels.
	MaxDepth = jsonscan.MaxDepth - 2
)

// FromStruct takes over a context. A number that is not finite, which JSON can
// not say, a value that is none, one that is nested deeper than MaxDepth, and
// more attributes than Max are errors, which are *rpc.Invalid.
func FromStruct(s *structpb.Struct) (engine.Context, error) {
	switch n := len(s.GetFields()); {
	case n == 0:
		return nil, nil
	case n > Max:
		return nil, TooMany(n)
	}
	context := make(engine.Context, 0, len(s.GetFields()))
	for name, v := range s.GetFields() {
		value, problem := valueFrom(v)
		if problem != "" {
			return nil, rpc.Invalidf(Path(name), "%s", problem)
		}
		context = append(context, engine.Attribute{Name: name, Value: value})
	}
	return context, nil
}

// TooMany returns the error of a context that has more attributes than Max.
func TooMany(n int) *rpc.Invalid {
	return rpc.Invalidf("context", "want at most %d attributes, got %d", Max, n)
}

// Path leads from a request to an attribute of its context, for use in an error.
func Path(name string) string {
	if name == "" {
		return "context"
	}
	return "context." + rpc.Clip(name)
}

func valueFrom(v *structpb.Value) (value engine.Value, problem string) {
	switch kind := v.GetKind().(type) {
	case *structpb.Value_StringValue:
		return engine.StringValue(kind.StringValue), ""
	case *structpb.Value_NumberValue:
		if math.IsNaN(kind.NumberValue) || math.IsInf(kind.NumberValue, 0) {
			return engine.Value{}, notFinite(kind.NumberValue)
		}
		return engine.NumberValue(kind.NumberValue), ""
	case *structpb.Value_BoolValue:
		return engine.BoolValue(kind.BoolValue), ""
	case *structpb.Value_NullValue:
		return engine.NullValue(), ""
	default:
		text, problem := appendValue(nil, v, 1)
		return engine.CompositeValue(string(text)), problem
	}
}

func notFinite(number float64) string {
	return fmt.Sprintf("want a finite number, got %v", number)
}

// appendValue appends a value as JSON text.
func appendValue(dst []byte, v *structpb.Value, depth int) (text []byte, problem string) {
	switch kind := v.GetKind().(type) {
	case *structpb.Value_ListValue:
		if depth > MaxDepth {
			return nil, tooDeep
		}
		dst = append(dst, '[')
		for i, item := range kind.ListValue.GetValues() {
			if i > 0 {
				dst = append(dst, ',')
			}
			if dst, problem = appendValue(dst, item, depth+1); problem != "" {
				return nil, problem
			}
		}
		return append(dst, ']'), ""
	case *structpb.Value_StructValue:
		if depth > MaxDepth {
			return nil, tooDeep
		}
		dst = append(dst, '{')
		first := true
		for name, member := range kind.StructValue.GetFields() {
			if !first {
				dst = append(dst, ',')
			}
			first = false
			dst = append(engine.StringValue(name).AppendJSON(dst), ':')
			if dst, problem = appendValue(dst, member, depth+1); problem != "" {
				return nil, problem
			}
		}
		return append(dst, '}'), ""
	case nil:
		return nil, "want a value, got one without a kind"
	default:
		scalar, problem := valueFrom(v)
		return scalar.AppendJSON(dst), problem
	}
}

var tooDeep = fmt.Sprintf("nested deeper than %d levels", MaxDepth)
