package explain

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode"
	"unicode/utf8"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/sdk/go/engine"
)

// WriteText writes why a service gets what it gets: each layer in order of
// evaluation, what came of it and why, then each parameter with where it came
// from and what it hid. The text ends with a newline. The error is w's.
func WriteText(w io.Writer, service string, e *servingv1.ServiceExplanation) error {
	var b bytes.Buffer
	matched := 0
	var c columns
	for _, l := range e.GetLayers() {
		if l.GetOutcome() == servingv1.LayerOutcome_LAYER_OUTCOME_MATCHED {
			matched++
		}
		c.id = max(c.id, utf8.RuneCountInString(Printable(l.GetLayerId())))
		c.priority = max(c.priority, len(strconv.Itoa(int(l.GetPriority()))))
	}
	fmt.Fprintf(&b, "%s: ", Printable(service))
	if len(e.GetLayers()) == 0 {
		fmt.Fprintln(&b, "no layer has a variant of this service")
	} else {
		fmt.Fprintf(&b, "%d of %s\n", matched, matching(len(e.GetLayers())))
	}
	for i, l := range e.GetLayers() {
		// Layers of one line stand together.
		if i == 0 || l.Slot != nil || e.GetLayers()[i-1].Slot != nil {
			fmt.Fprintln(&b)
		}
		writeLayer(&b, l, c)
	}
	fmt.Fprintln(&b)
	writeParameters(&b, e.GetParameters())
	_, err := w.Write(b.Bytes())
	return err
}

func matching(layers int) string {
	if layers == 1 {
		return "1 layer matches"
	}
	return fmt.Sprintf("%d layers match", layers)
}

// lineWidth is how many runes a line has at most, where that can be helped.
const lineWidth = 80

// columns are the widths of what stands in each layer's first line.
type columns struct{ id, priority int }

// writeLayer writes one layer. Nothing is written of the steps that were not
// reached.
func writeLayer(b *bytes.Buffer, l *servingv1.LayerExplanation, c columns) {
	mark := "·"
	if l.GetOutcome() == servingv1.LayerOutcome_LAYER_OUTCOME_MATCHED {
		mark = "✓"
	}
	head := fmt.Sprintf("%s %-*s  priority %-*d", mark, c.id, Printable(l.GetLayerId()), c.priority, l.GetPriority())
	detail := Printable(l.GetDetail())
	if utf8.RuneCountInString(head+"  "+detail) > lineWidth {
		head, detail = strings.TrimRight(head, " ")+"\n", "  "+detail
	}
	fmt.Fprintf(b, "%s  %s\n", head, detail)
	if l.Slot == nil {
		return
	}
	fmt.Fprintf(b, "    key     %s = %s\n", Printable(l.GetHashKey()), quoted(l.GetKey()))
	fmt.Fprintf(b, "    slot    %-4d  %s\n", l.GetSlot(), bar(l.GetSlot(), l.GetRange()))
	if r := l.GetRange(); r != nil {
		fmt.Fprintf(b, "    range   [%d, %d), %s of the slots: variant %d, experiment %d\n",
			r.GetStart(), r.GetEnd(), percent(r.GetEnd()-r.GetStart()), l.GetVid(), l.GetEid())
	}
	if l.GetRule() != nil {
		writeRule(b, l.GetRule())
	}
}

// percent writes a number of slots as a share of all of them, exactly.
func percent(slots int32) string {
	const perPercent = engine.Slots / 100
	text := fmt.Sprintf("%d.%02d", slots/perPercent, slots%perPercent)
	return strings.TrimRight(strings.TrimRight(text, "0"), ".") + " %"
}

// writeParameters writes one line for each parameter and, below it, one for
// each value that it hid.
func writeParameters(b *bytes.Buffer, parameters []*servingv1.ParameterExplanation) {
	if len(parameters) == 0 {
		fmt.Fprintln(b, "no parameters")
		return
	}
	writeTable(b, func(t io.Writer) {
		fmt.Fprintln(t, "PARAMETER\tVALUE\tLAYER\tEXPERIMENT\tVARIANT")
		for _, p := range parameters {
			writeContribution(t, Printable(p.GetPath()), p.GetWinner())
			for _, hidden := range p.GetHidden() {
				writeContribution(t, "  hides", hidden)
			}
		}
	})
}

func writeContribution(t io.Writer, what string, c *servingv1.Contribution) {
	const mostShown = 28
	fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%d\n", what,
		clip(Printable(string(appendValue(nil, c.GetValue()))), mostShown),
		Printable(c.GetLayerId()), c.GetEid(), c.GetVid())
}

// writeTable aligns rows whose cells end with tabs. No line ends with blanks.
func writeTable(b *bytes.Buffer, rows func(io.Writer)) {
	var table bytes.Buffer
	t := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	rows(t)
	_ = t.Flush() // to a buffer, so it does not fail
	for line := range bytes.Lines(table.Bytes()) {
		b.Write(bytes.TrimRight(line, " \n"))
		b.WriteByte('\n')
	}
}

func quoted(text string) string {
	const mostShown = 60
	return clip(Printable(string(appendString(nil, text))), mostShown)
}

// clip shortens text to a number of runes.
func clip(text string, most int) string {
	runes := []rune(text)
	if len(runes) <= most {
		return text
	}
	return string(runes[:most-1]) + "…"
}

// Printable returns text with every rune that would not show as itself in a
// terminal, such as a control character, replaced by its JSON escape. Within
// JSON text the result means the same.
func Printable(text string) string {
	if !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		switch {
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r > 0xffff:
			const base, half = 0x10000, 10
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xd800+(r-base)>>half, 0xdc00+(r-base)&(1<<half-1))
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}
