package codegen

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// layout is how the formatter of a language breaks lines that are too long.
type layout struct {
	width, step int
	// compact tries the arguments on one line of their own first.
	compact bool
}

// lines collects source code.
type lines struct {
	b      strings.Builder
	layout layout
}

func (l *lines) add(indent int, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if text != "" {
		l.b.WriteString(strings.Repeat(" ", indent))
	}
	l.b.WriteString(text)
	l.b.WriteByte('\n')
}

// call writes what has arguments in brackets: head includes the opening bracket,
// tail the closing one.
func (l *lines) call(indent int, head string, args []string, tail string) {
	fits := func(at int, text string) bool { return at+width(text) <= l.layout.width }
	all := strings.Join(args, ", ")
	if fits(indent, head+all+tail) {
		l.add(indent, "%s", head+all+tail)
		return
	}
	inner := indent + l.layout.step
	l.add(indent, "%s", head)
	if l.layout.compact && (fits(inner, all) && fits(indent, tail) || len(args) == 1 && tail == ")") {
		l.add(inner, "%s", all)
	} else {
		for _, arg := range args {
			l.add(inner, "%s,", arg)
		}
	}
	l.add(indent, "%s", tail)
}

// width is how many columns text takes.
func width(text string) int {
	n := 0
	for _, r := range text {
		n++
		if unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul) {
			n++
		}
	}
	return n
}

// quoted returns a string in the quotes that make fewer escapes, double ones if
// both do. pair writes a rune beyond U+FFFF that could not be seen.
func quoted(text string, pair func(r rune) string) string {
	quote := '"'
	if strings.Count(text, `"`) > strings.Count(text, "'") {
		quote = '\''
	}
	var b strings.Builder
	b.WriteRune(quote)
	for _, r := range text {
		switch {
		case r == quote || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case unicode.IsPrint(r) && r != utf8.RuneError:
			b.WriteRune(r)
		case r > 0xffff:
			b.WriteString(pair(r))
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	b.WriteRune(quote)
	return b.String()
}
