package manifest

import (
	"strconv"
	"strings"
)

// path leads from the root of a file to a value. It is a list from the value
// up, because nearly every path is built and never written out. A nil path is
// the root.
type path struct {
	up    *path
	key   string // "" for an item of a list
	index int
	item  bool
}

// to returns the path of a member.
func (p *path) to(key string) *path { return &path{up: p, key: key} }

// at returns the path of an item.
func (p *path) at(index int) *path { return &path{up: p, index: index, item: true} }

func (p *path) String() string {
	var b strings.Builder
	p.write(&b)
	return b.String()
}

func (p *path) write(b *strings.Builder) {
	if p == nil {
		return
	}
	p.up.write(b)
	switch {
	case p.item:
		b.WriteByte('[')
		b.WriteString(strconv.Itoa(p.index))
		b.WriteByte(']')
	case !plainKey(p.key):
		b.WriteByte('[')
		b.WriteString(quote(p.key))
		b.WriteByte(']')
	default:
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		b.WriteString(p.key)
	}
}

// plainKey reports whether a key can stand in a path as it is.
func plainKey(key string) bool {
	if key == "" || len(key) > mostShown {
		return false
	}
	for i := range len(key) {
		c := key[i]
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && c != '_' && c != '-' && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// mostShown is how much of a file's text a fault repeats, in bytes.
const mostShown = 64

// clip shortens text that came from a file.
func clip(text string) string {
	if len(text) <= mostShown {
		return text
	}
	return strings.ToValidUTF8(text[:mostShown], "") + "..."
}

// quote makes text from a file fit for one line of a fault.
func quote(text string) string { return strconv.Quote(clip(text)) }
