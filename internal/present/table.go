package present

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/strata-exp/strata/internal/explain"
)

// leastWidth is how narrow a column of texts may become.
const leastWidth = 12

// table aligns rows of cells in columns. It writes nothing that does not show in
// a terminal.
type table struct {
	indent int
	heads  []string // "" in all of them for a table without a head
	// texts are the columns whose cells may be shortened, so that lines fit.
	texts []int
	rows  [][]string
}

func (t *table) add(cells ...string) {
	for i, cell := range cells {
		cells[i] = explain.Printable(cell)
	}
	t.rows = append(t.rows, cells)
}

// write appends the table. No line ends with blanks.
func (t *table) write(b *bytes.Buffer) {
	widths := t.widths()
	if strings.Join(t.heads, "") != "" {
		t.line(b, t.heads, widths)
	}
	for _, row := range t.rows {
		t.line(b, row, widths)
	}
}

const gap = 2 // blanks between columns

func (t *table) widths() []int {
	widths := make([]int, len(t.heads))
	for _, row := range append([][]string{t.heads}, t.rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	total := t.indent + gap*(len(widths)-1)
	for _, width := range widths {
		total += width
	}
	for ; total > lineWidth; total-- {
		widest := -1
		for _, i := range t.texts {
			if widths[i] > leastWidth && (widest < 0 || widths[i] > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			break
		}
		widths[widest]--
	}
	return widths
}

func (t *table) line(b *bytes.Buffer, cells []string, widths []int) {
	var line strings.Builder
	line.WriteString(strings.Repeat(" ", t.indent))
	for i, cell := range cells {
		cell = clip(cell, widths[i])
		line.WriteString(cell)
		line.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+gap))
	}
	b.WriteString(strings.TrimRight(line.String(), " "))
	b.WriteByte('\n')
}
