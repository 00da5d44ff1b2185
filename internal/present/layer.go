package present

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/internal/explain"
	"github.com/strata-exp/strata/sdk/go/engine"
)

// Layers writes one line for each layer.
func Layers(w io.Writer, all []*adminv1.Layer) error {
	t := table{
		texts: []int{0, 2, 3, 9},
		heads: []string{"LAYER", "PRIORITY", "KEY", "SERVICE", "ENABLED", "USED", "HELD", "RESTING", "FREE", "OWNERS"},
	}
	for _, l := range all {
		u := l.GetUsage()
		t.add(l.GetLayerId(), number(l.GetPriority()), l.GetHashKey(), orDash(l.GetService()), enabled(l),
			percent(u.GetAllocated()), percent(u.GetHeld()), percent(u.GetResting()), percent(u.GetFree()), orDash(list(l.GetOwners())))
	}
	var b bytes.Buffer
	t.write(&b)
	_, err := w.Write(b.Bytes())
	return err
}

func enabled(l *adminv1.Layer) string {
	if l.Enabled != nil && !l.GetEnabled() {
		return "no"
	}
	return "yes"
}

// Layer writes what is known about a layer, with a picture and a list of its
// slots.
func Layer(w io.Writer, l *adminv1.Layer) error {
	var b bytes.Buffer
	fmt.Fprintln(&b, explain.Printable(l.GetLayerId()))
	d := details{&b}
	d.add("description", l.GetDescription())
	d.addf("priority", "%d", l.GetPriority())
	d.add("hash key", l.GetHashKey())
	d.add("salt", l.GetSalt())
	d.add("version", l.GetVersion())
	d.add("service", l.GetService())
	d.add("enabled", enabled(l))
	d.add("owners", list(l.GetOwners()))
	d.add("tags", list(l.GetTags()))
	d.add("revision", lastChange(l.GetRevision(), l.GetCreateRevision()))
	u := l.GetUsage()
	if u != nil {
		d.addf("use", "%s used, %s held, %s resting, %s free",
			percent(u.GetAllocated()), percent(u.GetHeld()), percent(u.GetResting()), percent(u.GetFree()))
	}
	drawn := slotsOf(l.GetRanges())
	for _, r := range u.GetReserved() {
		drawn.fill(r.GetStart(), r.GetEnd(), reservedAs(r))
	}
	letters := lettersFor(drawn)
	picture := letters.draw(drawn)
	fmt.Fprintf(&b, "%s%s\n", label("slots"), picture)
	letters.legend(&b, label(""), picture)
	fmt.Fprintln(&b)
	writeSlots(&b, l)
	_, err := w.Write(b.Bytes())
	return err
}

// lastChange says in which revision something last changed.
func lastChange(revision, created int64) string {
	switch revision {
	case 0:
		return ""
	case created:
		return fmt.Sprintf("created in %d", created)
	default:
		return fmt.Sprintf("changed in %d, created in %d", revision, created)
	}
}

func reservedAs(r *adminv1.ReservedSlots) int32 {
	if r.GetUntil() == nil {
		return held
	}
	return resting
}

// part is a run of slots, and what they are used for.
type part struct {
	start, end int32
	use        string
}

// parts returns what all slots of a layer are used for, in order.
func parts(l *adminv1.Layer) []part {
	var used []part
	for _, r := range l.GetRanges() {
		used = append(used, part{r.GetStart(), r.GetEnd(), "variant " + number(r.GetVid())})
	}
	for _, r := range l.GetUsage().GetReserved() {
		use := fmt.Sprintf("held for variant %d, experiment %d", r.GetVid(), r.GetEid())
		if r.GetUntil() != nil {
			use = fmt.Sprintf("rest until %s UTC after variant %d, experiment %d", moment(r.GetUntil()), r.GetVid(), r.GetEid())
		}
		used = append(used, part{r.GetStart(), r.GetEnd(), use})
	}
	slices.SortFunc(used, func(a, b part) int { return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.end, b.end)) })
	var all []part
	at := int32(0)
	for _, p := range append(used, part{engine.Slots, engine.Slots, ""}) {
		if at < p.start {
			all = append(all, part{at, p.start, "free"})
		}
		if p.use != "" {
			all = append(all, p)
		}
		at = max(at, p.end)
	}
	return all
}

func writeSlots(b *bytes.Buffer, l *adminv1.Layer) {
	const most = 100
	t := table{heads: []string{"SLOTS", "SHARE", "USE"}}
	shown, left := cut(parts(l), most)
	for _, p := range shown {
		t.add(fmt.Sprintf("[%d, %d)", p.start, p.end), percent(p.end-p.start), p.use)
	}
	t.write(b)
	if left > 0 {
		fmt.Fprintf(b, "… and %d more\n", left)
	}
}
