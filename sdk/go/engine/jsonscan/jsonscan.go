// Package jsonscan reads JSON text strictly and without copying it.
//
// It exists because an evaluation spends more time in a general JSON decoder
// than in the engine, and because bad input must be answered with the place of
// the fault. It refuses what other readers let pass and then disagree on:
// repeated keys are left to the caller, who sees each of them, but invalid
// UTF-8, lone surrogates, numbers that are no JSON, text after the value and
// nesting past a limit are all errors.
package jsonscan

import (
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// MaxDepth is how deep arrays and objects may be nested, the outermost counted
// as 1.
const MaxDepth = 200

// Kind is the kind of a JSON value.
type Kind uint8

// The kinds of JSON values. Invalid stands for the end of the text and for
// text that starts no value.
const (
	Invalid Kind = iota
	Null
	Bool
	Number
	String
	Array
	Object
)

func (k Kind) String() string {
	return [...]string{"nothing", "null", "a boolean", "a number", "a string", "a list", "an object"}[k]
}

// SyntaxError is text that is not valid JSON.
type SyntaxError struct {
	// Offset of the fault in the text, in bytes from 0.
	Offset int
	// Problem is what is wrong there.
	Problem string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("not valid JSON at byte %d: %s", e.Offset, e.Problem)
}

// Scanner reads one JSON text from front to back. Its methods must be called
// in the order of the text: Kind says which one fits. The first error sticks:
// every later call returns zero values, and Err returns that error. The
// strings it returns share memory with the text wherever that has no escapes.
//
// A Scanner is used by one goroutine at a time. Its zero value is empty text.
type Scanner struct {
	text  string
	pos   int
	depth int
	first bool // the open object or array has been begun and nothing of it read
	err   error
}

// New returns a scanner at the start of text.
func New(text string) Scanner { return Scanner{text: text} }

// Err returns the first error, a *SyntaxError, or nil.
func (s *Scanner) Err() error { return s.err }

// Pos returns the offset of the next value, in bytes from the start of the
// text. After an error it is the offset of the fault.
func (s *Scanner) Pos() int {
	s.space()
	return s.pos
}

// Kind returns the kind of the next value without reading it.
func (s *Scanner) Kind() Kind {
	s.space()
	if s.err != nil || s.pos >= len(s.text) {
		return Invalid
	}
	switch c := s.text[s.pos]; {
	case c == '"':
		return String
	case c == '{':
		return Object
	case c == '[':
		return Array
	case c == 't', c == 'f':
		return Bool
	case c == 'n':
		return Null
	case c == '-', '0' <= c && c <= '9':
		return Number
	default:
		return Invalid
	}
}

// End reports whether only white space is left. Anything else is an error.
func (s *Scanner) End() bool {
	s.space()
	if s.err == nil && s.pos < len(s.text) {
		s.fail(s.pos, "text after the end of the value")
	}
	return s.err == nil
}

// BeginObject reads the start of an object. Call NextKey until it is false.
func (s *Scanner) BeginObject() { s.begin(Object) }

// BeginArray reads the start of an array. Call NextItem until it is false.
func (s *Scanner) BeginArray() { s.begin(Array) }

// NextKey reads the next key of the object and its colon; the value must be
// read next. It returns false at the end of the object, which it reads, or on
// an error.
func (s *Scanner) NextKey() (key string, ok bool) {
	if !s.next('}') {
		return "", false
	}
	s.space()
	if s.pos >= len(s.text) || s.text[s.pos] != '"' {
		s.fail(s.pos, "want a key in double quotes")
		return "", false
	}
	key = s.Text()
	s.space()
	if s.err == nil && (s.pos >= len(s.text) || s.text[s.pos] != ':') {
		s.fail(s.pos, "want a colon after the key")
	}
	if s.err != nil {
		return "", false
	}
	s.pos++
	return key, true
}

// NextItem reports whether the array has another item, which must be read
// next. It returns false at the end of the array, which it reads, or on an
// error.
func (s *Scanner) NextItem() bool { return s.next(']') }

// Text reads a string.
func (s *Scanner) Text() string {
	s.want(String)
	if s.err != nil {
		return ""
	}
	start := s.pos + 1
	ascii := true
	for i := start; i < len(s.text); i++ {
		switch c := s.text[i]; {
		case c == '"':
			s.pos = i + 1
			if !ascii && !utf8.ValidString(s.text[start:i]) {
				s.fail(start, "a string that is not valid UTF-8")
				return ""
			}
			return s.text[start:i]
		case c == '\\':
			return s.unescape(start, i)
		case c < 0x20:
			s.fail(i, "a control character in a string must be escaped")
			return ""
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	s.fail(len(s.text), "a string without an end")
	return ""
}

// Number reads a number and returns its text as written.
func (s *Scanner) Number() string {
	s.want(Number)
	if s.err != nil {
		return ""
	}
	text, i := s.text, s.pos
	if text[i] == '-' {
		i++
	}
	switch {
	case i < len(text) && text[i] == '0':
		i++
	default:
		if i = s.digits(i); i < 0 {
			return ""
		}
	}
	if i < len(text) && text[i] == '.' {
		if i = s.digits(i + 1); i < 0 {
			return ""
		}
	}
	if i < len(text) && text[i]|0x20 == 'e' {
		i++
		if i < len(text) && (text[i] == '+' || text[i] == '-') {
			i++
		}
		if i = s.digits(i); i < 0 {
			return ""
		}
	}
	if i < len(text) && ('0' <= text[i] && text[i] <= '9') {
		s.fail(i, "a number with a leading zero")
		return ""
	}
	number := text[s.pos:i]
	s.pos = i
	return number
}

// Bool reads true or false.
func (s *Scanner) Bool() bool {
	s.want(Bool)
	if s.err == nil && s.text[s.pos] == 't' {
		s.word("true")
		return s.err == nil
	}
	s.word("false")
	return false
}

// Null reads null.
func (s *Scanner) Null() {
	s.want(Null)
	s.word("null")
}

// Skip reads the next value, whatever it is, and returns its text.
func (s *Scanner) Skip() string {
	start := s.Pos()
	switch s.Kind() {
	case Object:
		s.BeginObject()
		for {
			if _, ok := s.NextKey(); !ok {
				break
			}
			s.Skip()
		}
	case Array:
		s.BeginArray()
		for s.NextItem() {
			s.Skip()
		}
	case String:
		s.Text()
	case Number:
		s.Number()
	case Bool:
		s.Bool()
	case Null:
		s.Null()
	default:
		s.fail(s.pos, "want a value")
	}
	if s.err != nil {
		return ""
	}
	return s.text[start:s.pos]
}

// fail records the first error and moves to it. It also ends the text, so that
// nothing after it is read.
func (s *Scanner) fail(offset int, problem string) {
	if s.err != nil {
		return
	}
	if offset >= len(s.text) {
		offset, problem = len(s.text), "the text ends too early: "+problem
	}
	s.err = &SyntaxError{Offset: offset, Problem: problem}
	s.pos = offset
}

func (s *Scanner) space() {
	if s.err != nil {
		return
	}
	for s.pos < len(s.text) {
		switch s.text[s.pos] {
		case ' ', '\n', '\r', '\t':
			s.pos++
		default:
			return
		}
	}
}

func (s *Scanner) want(kind Kind) {
	if got := s.Kind(); s.err == nil && got != kind {
		s.fail(s.pos, "want "+kind.String())
	}
}

func (s *Scanner) begin(kind Kind) {
	s.want(kind)
	if s.err != nil {
		return
	}
	if s.depth == MaxDepth {
		s.fail(s.pos, "nested deeper than "+strconv.Itoa(MaxDepth)+" levels")
		return
	}
	s.depth++
	s.pos++
	s.first = true
}

// next moves to the next element of the open object or array, over a comma
// unless the element is the first one.
func (s *Scanner) next(closing byte) bool {
	if s.err != nil {
		return false
	}
	first := s.first
	s.first = false
	s.space()
	if s.pos >= len(s.text) {
		s.fail(s.pos, "want "+string(closing))
		return false
	}
	switch c := s.text[s.pos]; {
	case c == closing:
		s.pos++
		s.depth--
		return false
	case first:
		return true
	case c == ',':
		s.pos++
		s.space()
		if s.pos < len(s.text) && s.text[s.pos] == closing {
			s.fail(s.pos, "a comma before "+string(closing))
			return false
		}
		return true
	default:
		s.fail(s.pos, "want a comma or "+string(closing))
		return false
	}
}

// digits reads at least one digit from i on and returns the offset after the
// last, or -1 after an error.
func (s *Scanner) digits(i int) int {
	start := i
	for i < len(s.text) && '0' <= s.text[i] && s.text[i] <= '9' {
		i++
	}
	if i == start {
		s.fail(i, "want a digit")
		return -1
	}
	return i
}

func (s *Scanner) word(word string) {
	if s.err != nil {
		return
	}
	if len(s.text)-s.pos < len(word) || s.text[s.pos:s.pos+len(word)] != word {
		s.fail(s.pos, "want "+word)
		return
	}
	s.pos += len(word)
}

// unescape reads a string that starts at start and has its first escape at i.
func (s *Scanner) unescape(start, i int) string {
	out := append(make([]byte, 0, i-start+32), s.text[start:i]...)
	for i < len(s.text) {
		c := s.text[i]
		switch {
		case c == '"':
			s.pos = i + 1
			if !utf8.Valid(out) {
				s.fail(start, "a string that is not valid UTF-8")
				return ""
			}
			return string(out)
		case c < 0x20:
			s.fail(i, "a control character in a string must be escaped")
			return ""
		case c != '\\':
			out = append(out, c)
			i++
		default:
			r, length, problem := escape(s.text[i:])
			if problem != "" {
				s.fail(i, problem)
				return ""
			}
			out = utf8.AppendRune(out, r)
			i += length
		}
	}
	s.fail(len(s.text), "a string without an end")
	return ""
}

// escape decodes the escape at the start of text and says how long it is.
func escape(text string) (r rune, length int, problem string) {
	if len(text) < 2 {
		return 0, 0, "a backslash at the end of the text"
	}
	switch text[1] {
	case '"', '\\', '/':
		return rune(text[1]), 2, ""
	case 'b':
		return '\b', 2, ""
	case 'f':
		return '\f', 2, ""
	case 'n':
		return '\n', 2, ""
	case 'r':
		return '\r', 2, ""
	case 't':
		return '\t', 2, ""
	case 'u':
	default:
		return 0, 0, "an unknown escape"
	}
	high, ok := hex4(text[2:])
	if !ok {
		return 0, 0, "want four hexadecimal digits after \\u"
	}
	if !utf16.IsSurrogate(high) {
		return high, 6, ""
	}
	if len(text) >= 12 && text[6] == '\\' && text[7] == 'u' {
		if low, ok := hex4(text[8:]); ok {
			if r := utf16.DecodeRune(high, low); r != utf8.RuneError {
				return r, 12, ""
			}
		}
	}
	return 0, 0, "half of a surrogate pair"
}

func hex4(text string) (rune, bool) {
	if len(text) < 4 {
		return 0, false
	}
	var r rune
	for i := range 4 {
		c := rune(text[i])
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c += 10 - 'a'
		case 'A' <= c && c <= 'F':
			c += 10 - 'A'
		default:
			return 0, false
		}
		r = r<<4 | c
	}
	return r, true
}
