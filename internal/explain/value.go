package explain

import (
	"maps"
	"slices"
	"strconv"

	"google.golang.org/protobuf/types/known/structpb"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	"github.com/strata-exp/strata/sdk/go/engine"
	"github.com/strata-exp/strata/sdk/go/engine/jsonscan"
)

// parseValue makes a Value of JSON text.
func parseValue(text string) (*structpb.Value, error) {
	s := jsonscan.New(text)
	value := scanValue(&s)
	if !s.End() {
		return nil, s.Err()
	}
	return value, nil
}

func scanValue(s *jsonscan.Scanner) *structpb.Value {
	switch s.Kind() {
	case jsonscan.String:
		return structpb.NewStringValue(s.Text())
	case jsonscan.Number:
		// Numbers were checked when they came in.
		number, _ := strconv.ParseFloat(s.Number(), 64)
		return structpb.NewNumberValue(number)
	case jsonscan.Bool:
		return structpb.NewBoolValue(s.Bool())
	case jsonscan.Array:
		list := &structpb.ListValue{}
		s.BeginArray()
		for s.NextItem() {
			list.Values = append(list.Values, scanValue(s))
		}
		return structpb.NewListValue(list)
	case jsonscan.Object:
		object := &structpb.Struct{Fields: map[string]*structpb.Value{}}
		s.BeginObject()
		for {
			name, ok := s.NextKey()
			if !ok {
				return structpb.NewStructValue(object)
			}
			object.Fields[name] = scanValue(s)
		}
	default:
		s.Null() // or the error of what is no value
		return structpb.NewNullValue()
	}
}

// appendValue appends a Value as JSON text for people: keys in order, a blank
// after each comma and colon.
func appendValue(dst []byte, v *structpb.Value) []byte {
	switch kind := v.GetKind().(type) {
	case *structpb.Value_StringValue:
		return appendString(dst, kind.StringValue)
	case *structpb.Value_NumberValue:
		return engine.NumberValue(kind.NumberValue).AppendJSON(dst)
	case *structpb.Value_BoolValue:
		return strconv.AppendBool(dst, kind.BoolValue)
	case *structpb.Value_ListValue:
		dst = append(dst, '[')
		for i, item := range kind.ListValue.GetValues() {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = appendValue(dst, item)
		}
		return append(dst, ']')
	case *structpb.Value_StructValue:
		dst = append(dst, '{')
		members := kind.StructValue.GetFields()
		for i, name := range slices.Sorted(maps.Keys(members)) {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = append(appendString(dst, name), ": "...)
			dst = appendValue(dst, members[name])
		}
		return append(dst, '}')
	default:
		return append(dst, "null"...)
	}
}

// appendConditionValue appends what a condition compares with, as JSON text.
func appendConditionValue(dst []byte, v *configv1.Value) []byte {
	switch kind := v.GetKind().(type) {
	case *configv1.Value_StringValue:
		return appendString(dst, kind.StringValue)
	case *configv1.Value_BoolValue:
		return strconv.AppendBool(dst, kind.BoolValue)
	default:
		return engine.NumberValue(v.GetNumberValue()).AppendJSON(dst)
	}
}

func appendString(dst []byte, s string) []byte { return engine.StringValue(s).AppendJSON(dst) }
