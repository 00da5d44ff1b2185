package api

import (
	"fmt"
	"math"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/strata-exp/strata/internal/rpc"
	"github.com/strata-exp/strata/sdk/go/engine"
	"github.com/strata-exp/strata/sdk/go/engine/jsonscan"
)

// contextFrom takes over a context from a Struct. A number that is not finite,
// which JSON can not say, and a value that is none are errors.
func contextFrom(s *structpb.Struct) (engine.Context, error) {
	if len(s.GetFields()) == 0 {
		return nil, nil
	}
	context := make(engine.Context, 0, len(s.GetFields()))
	for name, v := range s.GetFields() {
		value, problem := valueFrom(v)
		if problem != "" {
			return nil, rpc.Invalidf(attribute(name), "%s", problem)
		}
		context = append(context, engine.Attribute{Name: name, Value: value})
	}
	return context, nil
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

// maxDepth is how deep the value of an attribute may be nested: as deep as JSON
// allows, where the request and its context are two levels.
const maxDepth = jsonscan.MaxDepth - 2

// appendValue appends a value as JSON text.
func appendValue(dst []byte, v *structpb.Value, depth int) (text []byte, problem string) {
	switch kind := v.GetKind().(type) {
	case *structpb.Value_ListValue:
		if depth > maxDepth {
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
		if depth > maxDepth {
			return nil, tooDeep
		}
		dst = append(dst, '{')
		first := true
		for name, member := range kind.StructValue.GetFields() {
			if !first {
				dst = append(dst, ',')
			}
			first = false
			dst = append(appendString(dst, name), ':')
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

var tooDeep = fmt.Sprintf("nested deeper than %d levels", maxDepth)
