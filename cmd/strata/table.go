package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/strata-exp/strata/internal/explain"
)

const (
	// tableWidth is how many runes a line has at most, where that can be helped.
	tableWidth = 100
	// leastColumn is how narrow a column of texts may become.
	leastColumn = 8
	columnGap   = 2
)

// table is rows under heads. The columns in texts may be shortened, so that lines
// fit: the first one first.
type table struct {
	heads []string
	texts []int
	rows  [][]string
}

// add adds a row. What would not show in a terminal is escaped, and what is empty
// is a dash.
func (t *table) add(cells ...string) {
	for i, cell := range cells {
		if cells[i] = explain.Printable(cell); cell == "" {
			cells[i] = "-"
		}
	}
	t.rows = append(t.rows, cells)
}

func (t *table) write(w io.Writer) error {
	all := append([][]string{t.heads}, t.rows...)
	widths := t.widths(all)
	var b bytes.Buffer
	for _, row := range all {
		var line strings.Builder
		for i, cell := range row {
			cell = clip(cell, widths[i])
			line.WriteString(cell + strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+columnGap))
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	_, err := w.Write(b.Bytes())
	return err
}

// widths narrows texts until lines fit.
func (t *table) widths(all [][]string) []int {
	widths := make([]int, len(t.heads))
	for _, row := range all {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	excess := -columnGap - tableWidth
	for _, width := range widths {
		excess += width + columnGap
	}
	for _, i := range t.texts {
		least := max(leastColumn, utf8.RuneCountInString(t.heads[i]))
		narrower := max(0, min(excess, widths[i]-least))
		widths[i] -= narrower
		excess -= narrower
	}
	return widths
}

// clip shortens text to a number of runes.
func clip(text string, most int) string {
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	return string([]rune(text)[:most-1]) + "…"
}

// ago says how long ago a time was; empty if there is none.
func ago(t *timestamppb.Timestamp, now time.Time) string {
	if t == nil {
		return ""
	}
	return span(now.Sub(t.AsTime())) + " ago"
}

// span writes a time span in its largest unit, rounded down.
func span(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < time.Second:
		return "0 s"
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < 2*day:
		return fmt.Sprintf("%d h", d/time.Hour)
	default:
		return fmt.Sprintf("%d d", d/day)
	}
}
