package manifest

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/strata-exp/strata/sdk/go/engine"
	"github.com/strata-exp/strata/sdk/go/engine/jsonscan"
)

func (w *writer) scalar(v *value) {
	switch v.kind {
	case jsonscan.String:
		w.write(w.string(v.text))
	case jsonscan.Number:
		w.write(w.number(v.text))
	case jsonscan.Bool:
		w.write(v.text)
	default:
		w.write("null")
	}
}

// number returns a number in the engine's normal form.
func (w *writer) number(text string) string {
	n, _ := parseNumber(text)
	text = string(engine.NumberValue(n.float).AppendJSON(nil))
	if e := strings.IndexByte(text, 'e'); w.format == YAML && e > 0 && !strings.Contains(text, ".") {
		// To YAML 1.1, 1e+21 is a string.
		text = text[:e] + ".0" + text[e:]
	}
	return text
}

// string returns a string, in quotes unless any reader of YAML would take it for
// that string without.
func (w *writer) string(text string) string {
	if w.format == YAML && !w.tight && plain(text) {
		return text
	}
	return string(w.quote(text))
}

// otherwise are the words that begin with a letter and are no strings to YAML
// 1.1 or 1.2, in any case.
var otherwise = []string{"y", "n", "yes", "no", "on", "off", "true", "false", "null"}

// plain reports whether a string can be written without quotes. Nearly all that
// could be is enough: what begins with a letter, as no number or date does, and
// goes on with nothing that could have a meaning anywhere.
func plain(text string) bool {
	if text == "" || strings.HasSuffix(text, " ") || slices.Contains(otherwise, strings.ToLower(text)) {
		return false
	}
	for i := range len(text) {
		c := text[i]
		switch letter := 'a' <= c|0x20 && c|0x20 <= 'z' || c == '_'; {
		case letter:
		case i == 0:
			return false
		case '0' <= c && c <= '9', c == '-', c == '.', c == '/', c == '@', c == '+', c == ' ':
		default:
			return false
		}
	}
	return true
}

// quote writes a string in double quotes. What can not be seen, or looks like
// something else, is escaped: line breaks, control characters, marks that change
// the direction of text, spaces but the plain one.
func (w *writer) quote(text string) []byte {
	const hex = "0123456789abcdef"
	dst := append(make([]byte, 0, len(text)+2), '"')
	unit := func(r rune, digits int) {
		for shift := 4 * (digits - 1); shift >= 0; shift -= 4 {
			dst = append(dst, hex[r>>shift&0xf])
		}
	}
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case unicode.IsPrint(r):
			dst = utf8.AppendRune(dst, r)
		case r == '\n':
			dst = append(dst, `\n`...)
		case r == '\r':
			dst = append(dst, `\r`...)
		case r == '\t':
			dst = append(dst, `\t`...)
		case r <= 0xffff:
			dst = append(dst, `\u`...)
			unit(r, 4)
		case w.format == YAML:
			dst = append(dst, `\U`...)
			unit(r, 8)
		default:
			high, low := utf16.EncodeRune(r)
			dst = append(dst, `\u`...)
			unit(high, 4)
			dst = append(dst, `\u`...)
			unit(low, 4)
		}
	}
	return append(dst, '"')
}
