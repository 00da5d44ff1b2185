package generate

import (
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// quote writes a string as JSON in one of the many ways. What it writes has no
// line breaks.
func (g Generator) quote(s string) string {
	escaped := g.oneIn(4)
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case escaped && g.oneIn(2), r < 0x20, r == 0x2028, r == 0x2029:
			g.escape(&b, r)
		case r == '"', r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

func (g Generator) escape(b *strings.Builder, r rune) {
	if short, ok := map[rune]string{'"': `\"`, '\\': `\\`, '/': `\/`, '\b': `\b`, '\f': `\f`, '\n': `\n`, '\r': `\r`, '\t': `\t`}[r]; ok && g.oneIn(2) {
		b.WriteString(short)
		return
	}
	format := Pick(g, `\u%04x`, `\u%04X`)
	if utf8.RuneLen(r) < 4 {
		fmt.Fprintf(b, format, r)
		return
	}
	high, low := utf16.EncodeRune(r)
	fmt.Fprintf(b, format+format, high, low)
}

// space returns white space, as a rule none.
func (g Generator) space() string {
	if !g.oneIn(12) {
		return ""
	}
	return Pick(g, " ", "\t", "  ", " \t ")
}

// object writes an object of count distinct keys.
func (g Generator) object(count int, key func() string, value func(key string) string) string {
	var b strings.Builder
	b.WriteByte('{')
	seen := map[string]bool{}
	for range count {
		k := key()
		if seen[k] {
			continue
		}
		if len(seen) > 0 {
			b.WriteByte(',')
		}
		seen[k] = true
		b.WriteString(g.space() + g.quote(k) + g.space() + ":" + g.space() + value(k) + g.space())
	}
	b.WriteByte('}')
	return b.String()
}
