package manifest

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// Fault is one reason why files are refused.
type Fault struct {
	// File is the file or folder at fault, spelled as in the Loader's paths.
	File string
	// Line is the line of the value at fault, counted from 1, or 0 where no line
	// is to blame or none is known.
	Line int
	// Path leads from the root of the file to the value at fault, such as
	// "ranges[1].end". It is empty where the file as a whole is at fault.
	Path string
	// Problem says what is wrong there, and what would be right.
	Problem string
}

// String returns the fault as one line of text, which editors and terminals
// take for a link: "layers/click.json:4: ranges[1].end: want a whole
// number, got a string".
func (f Fault) String() string {
	var b strings.Builder
	if f.File != "" {
		b.WriteString(f.File)
		if f.Line > 0 {
			b.WriteByte(':')
			b.WriteString(strconv.Itoa(f.Line))
		}
		b.WriteString(": ")
	}
	if f.Path != "" {
		b.WriteString(f.Path)
		b.WriteString(": ")
	}
	b.WriteString(f.Problem)
	return b.String()
}

// Faults is the error of refused files: every fault found, at least one, in the
// order of files and lines.
type Faults []Fault

func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, fault := range f {
		lines[i] = fault.String()
	}
	return strings.Join(lines, "\n")
}

// sort is stable, so that faults of one line stay in the order in which they
// were found, which is the same each time.
func (f Faults) sort() {
	slices.SortStableFunc(f, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
}
