package present

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	"github.com/strata-exp/strata/sdk/go/engine"
)

// cells is how many characters a layer's slots are drawn with.
const (
	cells   = 50
	perCell = engine.Slots / cells
)

// What a slot that no variant has can be.
const (
	free    int32 = 0
	held    int32 = -1
	resting int32 = -2
)

// slots says of each slot which variant has it, or what else it is.
type slots [engine.Slots]int32

// fill gives slots to an owner. What is beyond a layer's slots is left out.
func (s *slots) fill(start, end, owner int32) {
	for i := max(start, 0); i < min(end, engine.Slots); i++ {
		s[i] = owner
	}
}

func slotsOf(ranges []*configv1.Range) *slots {
	s := new(slots)
	for _, r := range ranges {
		s.fill(r.GetStart(), r.GetEnd(), r.GetVid())
	}
	return s
}

// letters says by which letters variants are drawn: those with the smallest ids
// have one each, the others share a sign.
type letters map[int32]rune

const otherVariants = '#'

func lettersFor(layers ...*slots) letters {
	found := map[int32]bool{}
	for _, s := range layers {
		for _, owner := range s {
			if owner > 0 {
				found[owner] = true
			}
		}
	}
	l := letters{}
	for i, vid := range slices.Sorted(maps.Keys(found)) {
		l[vid] = otherVariants
		if i < 26 {
			l[vid] = 'A' + rune(i)
		}
	}
	return l
}

// draw draws slots. A cell shows who has most of it among those that have any,
// by a small letter where that is not all of it.
func (l letters) draw(s *slots) string {
	var b strings.Builder
	b.WriteByte('[')
	for cell := range cells {
		b.WriteRune(l.cell(s[cell*perCell : (cell+1)*perCell]))
	}
	b.WriteByte(']')
	return b.String()
}

func (l letters) cell(owners []int32) rune {
	counts := map[int32]int{}
	for _, owner := range owners {
		counts[owner]++
	}
	most := free
	for _, owner := range slices.Sorted(maps.Keys(counts)) {
		// Any variant comes before what no variant has, and anything before nothing.
		rank := func(owner int32) int {
			switch {
			case owner > 0:
				return 2
			case owner == free:
				return 0
			default:
				return 1
			}
		}
		if rank(owner) > rank(most) || rank(owner) == rank(most) && counts[owner] > counts[most] {
			most = owner
		}
	}
	switch most {
	case free:
		return '·'
	case held:
		return '▒'
	case resting:
		return '░'
	}
	letter := l[most]
	if letter != otherVariants && counts[most] < len(owners) {
		letter += 'a' - 'A'
	}
	return letter
}

// changes marks the cells in which any slot changes its owner.
func changes(before, after *slots) string {
	var b strings.Builder
	b.WriteByte(' ')
	for cell := range cells {
		mark := byte(' ')
		if !slices.Equal(before[cell*perCell:(cell+1)*perCell], after[cell*perCell:(cell+1)*perCell]) {
			mark = '^'
		}
		b.WriteByte(mark)
	}
	return strings.TrimRight(b.String(), " ")
}

// legend writes what the letters stand for, and what else the drawings have in
// them.
func (l letters) legend(b *bytes.Buffer, head string, drawings ...string) {
	drawn := strings.Join(drawings, "")
	var words []string
	others := 0
	for _, vid := range slices.Sorted(maps.Keys(l)) {
		if l[vid] == otherVariants {
			others++
			continue
		}
		words = append(words, fmt.Sprintf("%c %d", l[vid], vid))
	}
	if others > 0 {
		words = append(words, fmt.Sprintf("%c %d others", otherVariants, others))
	}
	for _, sign := range []string{"▒ held", "░ resting", "· free"} {
		if strings.Contains(drawn, sign[:strings.IndexByte(sign, ' ')]) {
			words = append(words, sign)
		}
	}
	if strings.ContainsFunc(drawn, func(r rune) bool { return 'a' <= r && r <= 'z' }) {
		words = append(words, "small letters: in part")
	}
	for i := range len(words) - 1 {
		words[i] += ","
	}
	wrapWords(b, head, words)
}
