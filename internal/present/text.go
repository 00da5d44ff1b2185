package present

import (
	"bytes"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/strata-exp/strata/internal/explain"
	"github.com/strata-exp/strata/sdk/go/engine"
)

// lineWidth is how many runes a line has at most, where that can be helped.
const lineWidth = 100

// percent writes a number of slots as a share of a layer, exactly.
func percent(slots int32) string {
	const perPercent = engine.Slots / 100
	text := fmt.Sprintf("%d.%02d", slots/perPercent, slots%perPercent)
	return strings.TrimRight(strings.TrimRight(text, "0"), ".") + " %"
}

// Count writes a number of things, such as "1 layer" or "2 layers".
func Count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// clip shortens text to a number of runes.
func clip(text string, most int) string {
	runes := []rune(text)
	if len(runes) <= most {
		return text
	}
	return string(runes[:max(most-1, 0)]) + "…"
}

// contrast shortens two texts to a number of runes each, so that the first place
// where they differ is still to be seen.
func contrast(a, b string, most int) (shortA, shortB string) {
	left, right := []rune(a), []rune(b)
	if len(left) <= most && len(right) <= most {
		return a, b
	}
	same := 0
	for same < len(left) && same < len(right) && left[same] == right[same] {
		same++
	}
	// So many of the runes before are kept, to know the place by.
	const kept = 8
	if same <= kept+1 {
		return clip(a, most), clip(b, most)
	}
	return clip("…"+string(left[same-kept:]), most), clip("…"+string(right[same-kept:]), most)
}

// list joins texts that are fit to be shown.
func list(texts []string) string {
	return explain.Printable(strings.Join(texts, ", "))
}

// moment writes a time in UTC, to the second.
func moment(t *timestamppb.Timestamp) string {
	if t == nil {
		return "-"
	}
	return t.AsTime().Format(time.DateTime)
}

// orDash stands for what is not there.
func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// wrap writes text in lines that fit, after a first line's head. Further lines
// are indented as far as the head.
func wrap(b *bytes.Buffer, head, text string) {
	words := strings.Fields(text)
	for i, word := range words {
		words[i] = explain.Printable(word)
	}
	wrapWords(b, head, words)
}

// wrapWords is wrap for what may have blanks in it, but no line breaks.
func wrapWords(b *bytes.Buffer, head string, words []string) {
	indent := utf8.RuneCountInString(head)
	line := head
	for i, word := range words {
		switch {
		case i == 0:
			line += word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > lineWidth:
			fmt.Fprintln(b, line)
			line = strings.Repeat(" ", indent) + word
		default:
			line += " " + word
		}
	}
	fmt.Fprintln(b, strings.TrimRight(line, " "))
}
