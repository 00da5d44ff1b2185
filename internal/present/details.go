package present

import (
	"bytes"
	"fmt"
)

// details writes what is known about one thing, a label and a text at a time.
type details struct{ b *bytes.Buffer }

// labelWidth has room for the longest label and a gap.
const labelWidth = len("description") + 2

func label(text string) string { return fmt.Sprintf("  %-*s", labelWidth, text) }

// add writes a text, unless there is none.
func (d details) add(name, text string) {
	if text != "" {
		wrap(d.b, label(name), text)
	}
}

func (d details) addf(name, format string, args ...any) { d.add(name, fmt.Sprintf(format, args...)) }
