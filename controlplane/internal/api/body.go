package api

import (
	"bytes"
	"cmp"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/strata-exp/strata/internal/rpc"
	"github.com/strata-exp/strata/sdk/go/engine/jsonscan"
)

// maxProblem is how much is told of what protojson says, in bytes.
const maxProblem = 256

// position is where protojson says that something is.
var position = regexp.MustCompile(`^(syntax error )?\(line (\d+):(\d+)\): `)

// notJSON makes an error of JSON text that can not be read as a message: it names
// the field where protojson counts lines.
func notJSON(text string, err error) *rpc.Invalid {
	problem := plainText(err)
	if len(problem) > maxProblem { // it may quote the request
		problem = strings.ToValidUTF8(problem[:maxProblem], "") + "..."
	}
	at := position.FindStringSubmatch(problem)
	if at == nil || at[1] != "" {
		return rpc.Invalidf("body", "not valid JSON: %s", problem)
	}
	line, _ := strconv.Atoi(at[2])
	column, _ := strconv.Atoi(at[3])
	field := fieldAt(text, offsetOf(text, line, column))
	return rpc.Invalidf(field, "%s", problem[len(at[0]):])
}

// offsetOf returns the offset of a line and column, both from 1 on.
func offsetOf(text string, line, column int) int {
	at := 0
	for ; line > 1; line-- {
		at += strings.IndexByte(text[at:], '\n') + 1
	}
	for ; column > 1 && at < len(text); column-- {
		_, size := utf8.DecodeRuneInString(text[at:])
		at += size
	}
	return at
}

// fieldAt returns the path of the member or value that begins at an offset of
// JSON text, "body" for the whole.
func fieldAt(text string, offset int) string {
	f := finder{scan: jsonscan.New(text), offset: offset}
	f.value("")
	return cmp.Or(f.found, "body")
}

type finder struct {
	scan   jsonscan.Scanner
	offset int
	found  string
}

// value looks for the offset in the next value, and reports whether that was
// found.
func (f *finder) value(path string) bool {
	kind := f.scan.Kind()
	if f.reached(path) {
		return true
	}
	switch kind {
	case jsonscan.Object:
		return f.object(path)
	case jsonscan.Array:
		f.scan.BeginArray()
		for i := 0; f.scan.NextItem(); i++ {
			if f.value(path + "[" + strconv.Itoa(i) + "]") {
				return true
			}
		}
	default:
		f.scan.Skip()
	}
	return f.reached(path)
}

func (f *finder) object(path string) bool {
	f.scan.BeginObject()
	for {
		key, ok := f.scan.NextKey()
		if !ok {
			return f.reached(path)
		}
		member := rpc.Clip(key)
		if path != "" {
			member = path + "." + member
		}
		if f.scan.Pos() > f.offset {
			f.found = member
			return true
		}
		if f.value(member) {
			return true
		}
	}
}

func (f *finder) reached(path string) bool {
	if f.scan.Err() != nil || f.scan.Pos() < f.offset {
		return false
	}
	f.found = path
	return true
}

// camelMasks writes the names in update masks as protojson wants them: it takes
// "hashKey" alone, where all other names of our JSON are like "hash_key".
func camelMasks(data []byte) []byte {
	if !bytes.Contains(data, []byte(`pdate_mask"`)) && !bytes.Contains(data, []byte(`pdateMask"`)) {
		return data
	}
	m := masks{scan: jsonscan.New(string(data))}
	m.request()
	var written []byte
	last := 0
	for _, span := range m.spans {
		written = append(written, data[last:span.start]...)
		written = appendCamel(written, data[span.start:span.end])
		last = span.end
	}
	return append(written, data[last:]...)
}

// masks finds the texts of masks: of the request, and of its changes.
type masks struct {
	scan  jsonscan.Scanner
	spans []span
}

type span struct{ start, end int }

func (m *masks) request() {
	m.members(func(name string, kind jsonscan.Kind) {
		if name != "changes" || kind != jsonscan.Array {
			m.scan.Skip()
			return
		}
		m.scan.BeginArray()
		for m.scan.NextItem() {
			m.members(func(string, jsonscan.Kind) { m.scan.Skip() })
		}
	})
}

// members calls a function for each member of an object but its mask.
func (m *masks) members(other func(name string, kind jsonscan.Kind)) {
	if m.scan.Kind() != jsonscan.Object {
		m.scan.Skip()
		return
	}
	m.scan.BeginObject()
	for {
		name, ok := m.scan.NextKey()
		if !ok {
			return
		}
		kind := m.scan.Kind()
		if kind != jsonscan.String || name != "update_mask" && name != "updateMask" {
			other(name, kind)
			continue
		}
		start := m.scan.Pos()
		m.scan.Skip()
		m.spans = append(m.spans, span{start, m.scan.Pos()})
	}
}

func appendCamel(dst, text []byte) []byte {
	for i := 0; i < len(text); i++ {
		if text[i] == '_' && i+1 < len(text) && 'a' <= text[i+1] && text[i+1] <= 'z' {
			i++
			dst = append(dst, text[i]-'a'+'A')
			continue
		}
		dst = append(dst, text[i])
	}
	return dst
}
