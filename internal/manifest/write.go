package manifest

import (
	"unicode/utf8"

	"github.com/strata-exp/strata/sdk/go/engine/jsonscan"
)

// Format is how a file is written.
type Format int

// The formats of files.
const (
	YAML Format = iota
	JSON
)

// mostInline is how many characters an inline list or object may have on its
// line. What stands before it does not count, so that moving it does not change
// it.
const mostInline = 80

// mostKey is how many bytes a key may have, quotes included, that is followed by
// its colon on the same line: YAML allows 1,024 characters.
const mostKey = 1000

// writer writes values as text.
type writer struct {
	format Format
	limit  int
	// tight leaves out all white space, and writes strings in quotes.
	tight bool
	text  []byte
}

// write writes the value of a file, if that takes no more than limit bytes:
// indented, or all on one line where indentation would take too many.
func write(root *value, format Format, limit int) ([]byte, bool) {
	w := &writer{format: format, limit: limit}
	w.block(root, 0)
	if w.text = append(w.text, '\n'); len(w.text) <= limit {
		return w.text, true
	}
	w = &writer{format: format, limit: limit, tight: true}
	w.flow(root)
	w.text = append(w.text, '\n')
	return w.text, len(w.text) <= limit
}

func (w *writer) write(text string) { w.text = append(w.text, text...) }

func (w *writer) newline(indent int) {
	w.text = append(w.text, '\n')
	for range indent {
		w.text = append(w.text, ' ')
	}
}

// block writes a value of which each member and item has its own lines. The
// first line is begun already, the last one is left without its end.
func (w *writer) block(v *value, indent int) {
	switch {
	case w.line(v):
	case w.format == JSON:
		w.jsonBlock(v, indent)
	default:
		w.yamlBlock(v, indent)
	}
}

// line writes a value that goes on one line, and reports whether it is one.
func (w *writer) line(v *value) bool {
	if len(v.items) == 0 {
		w.flow(v)
		return true
	}
	if !v.inline {
		return false
	}
	start := len(w.text)
	w.flow(v)
	if utf8.RuneCount(w.text[start:]) > mostInline {
		w.text = w.text[:start]
		return false
	}
	return true
}

func (w *writer) jsonBlock(v *value, indent int) {
	opening, closing := brackets(v)
	w.write(opening)
	for i := range v.items {
		if len(w.text) > w.limit {
			return
		}
		if i > 0 {
			w.write(",")
		}
		w.newline(indent + 2)
		item := &v.items[i]
		if v.kind == jsonscan.Object {
			w.write(w.string(item.key))
			w.write(": ")
		}
		w.block(item, indent+2)
	}
	w.newline(indent)
	w.write(closing)
}

func (w *writer) yamlBlock(v *value, indent int) {
	for i := range v.items {
		if len(w.text) > w.limit {
			return
		}
		if i > 0 {
			w.newline(indent)
		}
		item := &v.items[i]
		if v.kind == jsonscan.Array {
			w.write("- ")
			w.block(item, indent+2)
			continue
		}
		key := w.string(item.key)
		if len(key) > mostKey {
			w.write("? ")
			w.write(key)
			w.newline(indent)
			key = ""
		}
		w.write(key)
		w.write(": ")
		if !w.line(item) {
			w.text = w.text[:len(w.text)-1]
			w.newline(indent + 2)
			w.yamlBlock(item, indent+2)
		}
	}
}

func brackets(v *value) (opening, closing string) {
	if v.kind == jsonscan.Array {
		return "[", "]"
	}
	return "{", "}"
}

// flow writes a value on one line.
func (w *writer) flow(v *value) {
	if v.kind != jsonscan.Object && v.kind != jsonscan.Array {
		w.scalar(v)
		return
	}
	comma, colon := ", ", ": "
	if w.tight {
		comma, colon = ",", ":"
	}
	opening, closing := brackets(v)
	w.write(opening)
	for i := range v.items {
		if len(w.text) > w.limit {
			return
		}
		if i > 0 {
			w.write(comma)
		}
		item := &v.items[i]
		if v.kind == jsonscan.Object {
			key := w.string(item.key)
			if w.format == YAML && len(key) > mostKey {
				w.write("? ")
			}
			w.write(key)
			w.write(colon)
		}
		w.flow(item)
	}
	w.write(closing)
}
