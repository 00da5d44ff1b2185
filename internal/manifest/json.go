package manifest

import (
	"errors"
	"strconv"
	"strings"

	"github.com/strata-exp/strata/sdk/go/engine/jsonscan"
)

func (d *decoder) parseJSON(text string) (value, bool) {
	r := jsonReader{scanner: jsonscan.New(text), text: text, line: 1}
	root := r.value()
	if r.scanner.End() {
		return root, true
	}
	var syntax *jsonscan.SyntaxError
	if !errors.As(r.scanner.Err(), &syntax) {
		d.fault(0, nil, "not valid JSON: %v", r.scanner.Err())
		return value{}, false
	}
	d.fault(lineOf(text, syntax.Offset), nil, "not valid JSON at column %d: %s",
		columnOf(text, syntax.Offset), syntax.Problem)
	return value{}, false
}

// jsonReader turns JSON text into values.
type jsonReader struct {
	scanner jsonscan.Scanner
	text    string
	counted int // up to this offset, lines are counted
	line    int32
}

func (r *jsonReader) value() value {
	s := &r.scanner
	pos := s.Pos()
	r.line += int32(strings.Count(r.text[r.counted:pos], "\n"))
	r.counted = pos
	v := value{kind: s.Kind(), line: r.line}
	switch v.kind {
	case jsonscan.Object:
		s.BeginObject()
		for {
			key, ok := s.NextKey()
			if !ok {
				break
			}
			member := r.value()
			member.key = key
			v.items = append(v.items, member)
		}
	case jsonscan.Array:
		s.BeginArray()
		for s.NextItem() {
			v.items = append(v.items, r.value())
		}
	case jsonscan.String:
		v.text = s.Text()
	case jsonscan.Number:
		v.text = s.Number()
	case jsonscan.Bool:
		v.text = strconv.FormatBool(s.Bool())
	case jsonscan.Null:
		s.Null()
	default:
		s.Skip() // makes the scanner say what is wrong
	}
	return v
}
