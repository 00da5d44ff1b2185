package engine

import "strings"

// pattern is a compiled like pattern: the literal pieces between its stars. A
// pattern without a star has one piece.
type pattern []string

// newPattern compiles a pattern. A star is any run of characters, the empty one
// included; \* and \\ are a literal star and backslash, and a backslash before
// anything else stands for itself.
func newPattern(text string) pattern {
	var pieces pattern
	var piece strings.Builder
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '*':
			pieces = append(pieces, piece.String())
			piece.Reset()
		case c == '\\' && i+1 < len(text) && (text[i+1] == '*' || text[i+1] == '\\'):
			i++
			piece.WriteByte(text[i])
		default:
			piece.WriteByte(c)
		}
	}
	return append(pieces, piece.String())
}

// match reports whether the whole text matches. Each piece is taken at its
// first place after the one before: if any choice of places fits, this one
// does, so nothing is ever tried twice.
func (p pattern) match(text string) bool {
	first, last := p[0], p[len(p)-1]
	if len(p) == 1 {
		return text == first
	}
	if len(text) < len(first)+len(last) || !strings.HasPrefix(text, first) || !strings.HasSuffix(text, last) {
		return false
	}
	text = text[len(first) : len(text)-len(last)]
	for _, piece := range p[1 : len(p)-1] {
		at := strings.Index(text, piece)
		if at < 0 {
			return false
		}
		text = text[at+len(piece):]
	}
	return true
}
