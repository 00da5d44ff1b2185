package ingest

import (
	"math"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/strata-exp/strata/sdk/go/engine"
)

// maxDepth is how deep properties may be nested, so that whatever reads them as
// JSON or protobuf later can.
const maxDepth = 64

func checkProperties(properties *structpb.Struct) problem {
	if properties == nil {
		return problem{}
	}
	m := measure{left: maxProperties}
	m.object(properties, 1)
	switch {
	case m.problem != "":
		return problemf("properties", "%s", m.problem)
	case m.left < 0:
		return problemf("properties", "want at most %d KiB of JSON text, got more", maxProperties>>10)
	default:
		return problem{}
	}
}

// measure counts how long a value is as JSON text without white space, until it
// is too long or can not be JSON.
type measure struct {
	left    int
	problem string
	text    []byte // of a scalar, used again
}

func (m *measure) over() bool { return m.left < 0 || m.problem != "" }

func (m *measure) object(s *structpb.Struct, depth int) {
	m.left -= len("{}") + max(0, len(s.GetFields())-1) // the commas
	for name, v := range s.GetFields() {
		if m.over() {
			return
		}
		m.scalar(engine.StringValue(name))
		m.left -= len(":")
		m.value(v, depth)
	}
}

func (m *measure) value(v *structpb.Value, depth int) {
	switch kind := v.GetKind().(type) {
	case *structpb.Value_StringValue:
		m.scalar(engine.StringValue(kind.StringValue))
	case *structpb.Value_NumberValue:
		if math.IsNaN(kind.NumberValue) || math.IsInf(kind.NumberValue, 0) {
			m.problem = "want finite numbers, got one that is not"
			return
		}
		m.scalar(engine.NumberValue(kind.NumberValue))
	case *structpb.Value_BoolValue:
		m.scalar(engine.BoolValue(kind.BoolValue))
	case *structpb.Value_NullValue:
		m.scalar(engine.NullValue())
	case *structpb.Value_StructValue:
		if m.deeper(depth) {
			m.object(kind.StructValue, depth+1)
		}
	case *structpb.Value_ListValue:
		if m.deeper(depth) {
			m.list(kind.ListValue, depth+1)
		}
	default:
		m.problem = "want values, got one without a kind"
	}
}

func (m *measure) list(l *structpb.ListValue, depth int) {
	m.left -= len("[]") + max(0, len(l.GetValues())-1)
	for _, v := range l.GetValues() {
		if m.over() {
			return
		}
		m.value(v, depth)
	}
}

func (m *measure) deeper(depth int) bool {
	if depth >= maxDepth {
		m.problem = "want at most 64 levels, got more"
		return false
	}
	return true
}

func (m *measure) scalar(v engine.Value) {
	if len(v.Text()) > m.left {
		m.left = -1
		return
	}
	m.text = v.AppendJSON(m.text[:0])
	m.left -= len(m.text)
}
