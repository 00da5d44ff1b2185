package present

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	"github.com/strata-exp/strata/internal/explain"
)

// How many entries of each list a text has.
const (
	mostResources = 100
	mostValues    = 30 // of one resource
	mostLayers    = 30
	mostMoves     = 40 // of one layer
	mostEntries   = 50 // of each list about parameters, and of warnings
)

// Changes reports whether a plan leads to other contents.
func Changes(plan *adminv1.Plan) bool {
	return len(plan.GetResources()) > 0 || plan.GetChecksum() != plan.GetBaseChecksum()
}

// PlanText is a plan as text.
type PlanText struct {
	// Title says what it is the plan of, in the first line.
	Title string
	// Added are the ranges of layers that the plan adds, by layer_id, as far as
	// they are known: a plan has no values of what it adds.
	Added map[string][]*configv1.Range
}

// Write writes a plan: what becomes of each resource, who moves in each layer,
// what becomes of parameters, and what to beware of. The text ends with a
// newline. The error is w's.
func (t PlanText) Write(w io.Writer, plan *adminv1.Plan) error {
	p := &planWriter{plan: plan, added: t.Added}
	title := explain.Printable(t.Title)
	if !Changes(plan) {
		fmt.Fprintf(&p.b, "%s: no changes\n", title)
	} else {
		fmt.Fprintf(&p.b, "%s: %s\n", title, summary(plan))
		p.resources()
		p.layers()
		p.parameters()
		p.shared()
		p.hidden()
	}
	p.warnings()
	if Changes(plan) {
		fmt.Fprintf(&p.b, "\nchecksum %s\n", orDash(explain.Printable(plan.GetChecksum())))
	}
	_, err := w.Write(p.b.Bytes())
	return err
}

// summary counts what becomes of resources.
func summary(plan *adminv1.Plan) string {
	counts := map[adminv1.ResourceDiff_Action]int{}
	for _, r := range plan.GetResources() {
		counts[r.GetAction()]++
	}
	return fmt.Sprintf("%d added, %d changed, %d removed",
		counts[adminv1.ResourceDiff_ACTION_CREATE], counts[adminv1.ResourceDiff_ACTION_UPDATE], counts[adminv1.ResourceDiff_ACTION_DELETE])
}

type planWriter struct {
	plan  *adminv1.Plan
	added map[string][]*configv1.Range
	b     bytes.Buffer
}

func (p *planWriter) heading(text string) { fmt.Fprintf(&p.b, "\n%s\n", text) }

// more says how many entries of a list are not shown.
func (p *planWriter) more(indent, hidden int) {
	if hidden > 0 {
		fmt.Fprintf(&p.b, "%*s… and %d more\n", indent, "", hidden)
	}
}

// cut returns the first of a list, and how many are left out.
func cut[T any](all []T, most int) (shown []T, left int) {
	shown = all[:min(len(all), most)]
	return shown, len(all) - len(shown)
}

func (p *planWriter) resources() {
	shown, left := cut(p.plan.GetResources(), mostResources)
	if len(shown) > 0 {
		fmt.Fprintln(&p.b)
	}
	for _, r := range shown {
		mark := map[adminv1.ResourceDiff_Action]string{
			adminv1.ResourceDiff_ACTION_CREATE: "+",
			adminv1.ResourceDiff_ACTION_DELETE: "-",
		}[r.GetAction()]
		if mark == "" {
			mark = "~"
		}
		fmt.Fprintf(&p.b, "%s %s %s\n", mark, kind(r.GetKind()), explain.Printable(r.GetId()))
		p.values(r.GetValues())
	}
	p.more(0, left)
}

func kind(k adminv1.ResourceKind) string {
	return strings.ToLower(strings.TrimPrefix(k.String(), "RESOURCE_KIND_"))
}

func (p *planWriter) values(values []*adminv1.ValueDiff) {
	const mostShown = 40
	t := table{indent: 4, heads: make([]string, 3), texts: []int{1, 2}}
	shown, left := cut(values, mostValues)
	for _, v := range shown {
		before, after := contrast(v.GetBefore(), v.GetAfter(), mostShown)
		if v.GetPath() == "ranges" {
			before, after = rangesText(v.GetBefore()), rangesText(v.GetAfter())
		}
		switch {
		case before == "":
			t.add("+", v.GetPath(), after)
		case after == "":
			t.add("-", v.GetPath(), before)
		default:
			t.add("~", v.GetPath(), before+" -> "+after)
		}
	}
	t.write(&p.b)
	p.more(4, left)
}

// rangesText stands for the text of ranges, which the picture of the layer shows
// better.
func rangesText(text string) string {
	ranges, ok := parseRanges(text)
	if !ok || text == "" {
		return text
	}
	return Count(len(ranges), "range")
}

// parseRanges reads the ranges of a layer from JSON text. No text is no ranges.
func parseRanges(text string) ([]*configv1.Range, bool) {
	if text == "" {
		return nil, true
	}
	var read []struct{ Start, End, VID int32 }
	if err := json.Unmarshal([]byte(text), &read); err != nil {
		return nil, false
	}
	ranges := make([]*configv1.Range, len(read))
	for i, r := range read {
		ranges[i] = &configv1.Range{Start: r.Start, End: r.End, Vid: r.VID}
	}
	return ranges, true
}

func (p *planWriter) layers() {
	shown, left := cut(p.plan.GetLayers(), mostLayers)
	for _, l := range shown {
		moved := int32(0)
		for _, m := range l.GetMoves() {
			moved += m.GetSlots()
		}
		name := "layer " + explain.Printable(l.GetLayerId())
		if l.GetRehashed() {
			p.heading(name + ": everyone falls into another slot")
		} else {
			p.heading(fmt.Sprintf("%s: %s of slots move, %s stay", name, percent(moved), percent(l.GetSlotsUnchanged())))
		}
		p.picture(l.GetLayerId())
		p.moves(l.GetMoves())
	}
	if left > 0 {
		fmt.Fprintln(&p.b)
		p.more(0, left)
	}
}

// picture draws the slots of a layer before and after, if the plan says so much.
func (p *planWriter) picture(layerID string) {
	before, after, ok := p.ranges(layerID)
	if !ok {
		return
	}
	was, is := slotsOf(before), slotsOf(after)
	l := lettersFor(was, is)
	first, second := l.draw(was), l.draw(is)
	fmt.Fprintf(&p.b, "  before  %s\n  after   %s\n          %s\n", first, second, changes(was, is))
	l.legend(&p.b, "          ", first, second)
}

func (p *planWriter) ranges(layerID string) (before, after []*configv1.Range, ok bool) {
	for _, r := range p.plan.GetResources() {
		if r.GetKind() != adminv1.ResourceKind_RESOURCE_KIND_LAYER || r.GetId() != layerID {
			continue
		}
		if r.GetAction() == adminv1.ResourceDiff_ACTION_CREATE {
			after, ok = p.added[layerID]
			return nil, after, ok
		}
		for _, v := range r.GetValues() {
			if v.GetPath() != "ranges" {
				continue
			}
			before, okBefore := parseRanges(v.GetBefore())
			after, okAfter := parseRanges(v.GetAfter())
			return before, after, okBefore && okAfter
		}
	}
	return nil, nil, false
}

func (p *planWriter) moves(moves []*adminv1.Move) {
	t := table{indent: 2, heads: []string{"FROM", "TO", "SLOTS", "SHARE"}}
	shown, left := cut(moves, mostMoves)
	for _, m := range shown {
		t.add(variant(m.GetFromVid()), variant(m.GetToVid()), number(m.GetSlots()), percent(m.GetSlots()))
	}
	if len(moves) > 0 {
		t.write(&p.b)
	}
	p.more(2, left)
}

func variant(vid int32) string {
	if vid == 0 {
		return "none"
	}
	return number(vid)
}

func number[N ~int32 | ~int64](n N) string { return strconv.FormatInt(int64(n), 10) }

func (p *planWriter) parameters() {
	const mostShown = 24
	all, omitted := p.plan.GetParameters(), p.plan.GetOmitted().GetParameters()
	if len(all) == 0 {
		return
	}
	p.heading("parameters that have another value")
	t := table{
		indent: 2, texts: []int{0, 3, 4},
		heads: []string{"SERVICE", "EXPERIMENT", "VARIANT", "PARAMETER", "VALUE", "SLOTS"},
	}
	shown, left := cut(all, mostEntries)
	for _, c := range shown {
		before, after := contrast(c.GetBefore(), c.GetAfter(), mostShown)
		t.add(c.GetService(), number(c.GetEid()), number(c.GetVid()), c.GetPath(),
			orNone(before)+" -> "+orNone(after), percent(c.GetSlots()))
	}
	t.write(&p.b)
	p.more(2, left+int(omitted))
}

// orNone stands for a value that is not there.
func orNone(text string) string {
	if text == "" {
		return "none"
	}
	return text
}

func (p *planWriter) shared() {
	all, omitted := p.plan.GetSharedParameters(), p.plan.GetOmitted().GetSharedParameters()
	if len(all) == 0 {
		return
	}
	p.heading("parameters that several layers write: users in more than one get the value of the first")
	t := table{indent: 2, heads: []string{"SERVICE", "PARAMETER", "LAYERS"}, texts: []int{0, 1, 2}}
	shown, left := cut(all, mostEntries)
	for _, s := range shown {
		layers := strings.Join(s.GetLayerIds(), ", ")
		if more := int(s.GetLayerCount()) - len(s.GetLayerIds()); more > 0 {
			layers += fmt.Sprintf(" and %d more", more)
		}
		t.add(s.GetService(), s.GetPath(), layers)
	}
	t.write(&p.b)
	p.more(2, left+int(omitted))
}

func (p *planWriter) hidden() {
	all, omitted := p.plan.GetHiddenParameters(), p.plan.GetOmitted().GetHiddenParameters()
	if len(all) == 0 {
		return
	}
	p.heading("parameters that higher layers hide")
	t := table{
		indent: 2, texts: []int{1, 2, 4},
		heads: []string{"EXPERIMENT", "LAYER", "PARAMETER", "HIDDEN FROM", "BY"},
	}
	shown, left := cut(all, mostEntries)
	for _, h := range shown {
		from := share(h.GetShare())
		if h.GetAtMost() {
			from = "at most " + from
		}
		t.add(number(h.GetEid()), h.GetLayerId(), h.GetPath(), from, strings.Join(h.GetHiddenBy(), ", "))
	}
	t.write(&p.b)
	p.more(2, left+int(omitted))
}

// share writes a share of users, to a hundredth of a percent.
func share(of float64) string {
	percent := strings.TrimRight(strings.TrimRight(fmt.Sprintf("%.2f", 100*of), "0"), ".")
	switch {
	case of > 0 && percent == "0":
		return "under 0.01 %"
	case of < 1 && percent == "100":
		return "over 99.99 %"
	default:
		return percent + " %"
	}
}

func (p *planWriter) warnings() {
	all, omitted := p.plan.GetWarnings(), p.plan.GetOmitted().GetWarnings()
	if len(all) == 0 {
		return
	}
	p.heading("warnings")
	shown, left := cut(all, mostEntries)
	for _, w := range shown {
		wrap(&p.b, "  ! ", fmt.Sprintf("%s%s [%s]", about(w), w.GetMessage(), strings.TrimPrefix(w.GetCode().String(), "WARNING_CODE_")))
	}
	p.more(2, left+int(omitted))
}

// about names what a warning is about, if its message does not.
func about(w *adminv1.Warning) string {
	if id := w.GetLayerId(); id != "" && !strings.Contains(w.GetMessage(), id) {
		return "layer " + id + ": "
	}
	if id := number(w.GetEid()); id != "0" && !strings.Contains(w.GetMessage(), id) {
		return "experiment " + id + ": "
	}
	return ""
}
