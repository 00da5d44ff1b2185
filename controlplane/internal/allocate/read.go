package allocate

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/strata-exp/strata/sdk/go/engine"
)

// read makes a layer of a request that is in order.
func read(r *Request) (*layer, error) {
	l := &layer{eid: r.EID, ignoreResting: r.IgnoreResting}
	for slot := range l.owners {
		l.owners[slot] = nobody
	}
	for _, step := range []func(*Request) error{l.readVariants, l.readRanges, l.readHeld, l.readTargets, l.readResting} {
		if err := step(r); err != nil {
			return nil, err
		}
	}
	return l, nil
}

func (l *layer) readVariants(r *Request) error {
	if r.EID < 1 {
		return invalid("eid", "is %d, ids are 1 or more", r.EID)
	}
	seen := make(map[int32]int, len(r.VIDs))
	for i, vid := range r.VIDs {
		if vid < 1 {
			return invalid(path("vids", i, ""), "is %d, ids are 1 or more", vid)
		}
		if first, ok := seen[vid]; ok {
			return invalid(path("vids", i, ""), "is %d, as vids[%d] is: name each variant once", vid, first)
		}
		seen[vid] = i
	}
	l.vids, l.lacks = slices.Sorted(slices.Values(r.VIDs)), make([]int32, len(r.VIDs))
	return nil
}

// find returns the index of a variant.
func (l *layer) find(vid int32) (int, bool) {
	return slices.BinarySearch(l.vids, vid)
}

func (l *layer) readRanges(r *Request) error {
	for i, rg := range r.Ranges {
		if rg.GetVid() < 1 {
			return invalid(path("ranges", i, ".vid"), "is %d, ids are 1 or more", rg.GetVid())
		}
		who := other
		if v, ok := l.find(rg.GetVid()); ok {
			who = owner(v)
		}
		p, err := l.claim("ranges", i, rg.GetStart(), rg.GetEnd(), who)
		if err != nil {
			return err
		}
		for slot := p.start; slot < p.end; slot++ {
			l.before[slot] = rg.GetVid()
		}
	}
	return nil
}

func (l *layer) readHeld(r *Request) error {
	for i, h := range r.Held {
		if h.EID == r.EID {
			return invalid(path("held", i, ".eid"), "%d is the experiment itself: pass what it holds as ranges", h.EID)
		}
		p, err := l.claim("held", i, h.Start, h.End, paused)
		if err != nil {
			return err
		}
		l.held += p.slots()
		l.holders = append(l.holders, h.EID)
	}
	slices.Sort(l.holders)
	l.holders = slices.Compact(l.holders)
	return nil
}

// claim gives slots to their owner, who must be the only one.
func (l *layer) claim(list string, i int, start, end int32, who owner) (piece, error) {
	p, err := readPiece(list, i, start, end)
	if err != nil {
		return p, err
	}
	for slot := start; slot < end; slot++ {
		switch l.owners[slot] {
		case nobody:
			l.owners[slot] = who
		case paused:
			return p, invalid(path(list, i, ""), "has slot %d, which is held: a slot has one owner", slot)
		default:
			return p, invalid(path(list, i, ""), "has slot %d, which is in a range of variant %d: a slot has one owner", slot, l.before[slot])
		}
	}
	return p, nil
}

func readPiece(list string, i int, start, end int32) (piece, error) {
	switch {
	case start < 0 || start >= engine.Slots:
		return piece{}, invalid(path(list, i, ".start"), "is %d, want 0 to %d", start, engine.Slots-1)
	case end <= start || end > engine.Slots:
		return piece{}, invalid(path(list, i, ".end"), "is %d, want %d to %d", end, start+1, engine.Slots)
	}
	return piece{start, end}, nil
}

func (l *layer) readTargets(r *Request) error {
	have := make([]int32, len(l.vids))
	for _, who := range l.owners {
		if who >= 0 {
			have[who]++
		}
	}
	seen, named, kept := make([]int, len(l.vids)), int64(0), int64(0)
	for i, t := range r.Targets {
		v, ok := l.find(t.VID)
		switch {
		case !ok:
			return invalid(path("targets", i, ".vid"), "%d is no variant of experiment %d", t.VID, r.EID)
		case seen[v] > 0:
			return invalid(path("targets", i, ".vid"), "is %d, as targets[%d].vid is: name each variant once", t.VID, seen[v]-1)
		case t.Slots < 0 || t.Slots > engine.Slots:
			return invalid(path("targets", i, ".slots"), "is %d, want 0 to %d", t.Slots, engine.Slots)
		}
		seen[v] = i + 1
		named += int64(t.Slots)
		l.lacks[v] = t.Slots - have[v]
	}
	for v, n := range have {
		if seen[v] == 0 {
			kept += int64(n)
		}
	}
	switch {
	case named > engine.Slots:
		return invalid("targets", "add up to %d slots, a layer has %d", named, engine.Slots)
	case named+kept > engine.Slots:
		return invalid("targets", "add up to %d slots, and variants that are not named keep %d: a layer has %d",
			named, kept, engine.Slots)
	}
	return nil
}

// readResting notes what the slots rest after that nobody has.
func (l *layer) readResting(r *Request) error {
	all := slices.Clone(r.Resting)
	for i, rest := range r.Resting {
		if _, err := readPiece("resting", i, rest.Start, rest.End); err != nil {
			return err
		}
	}
	slices.SortFunc(all, compareRests)
	l.rests = make([]Resting, 0, len(all))
	for _, rest := range all {
		if n := len(l.rests); n == 0 || compareRests(l.rests[n-1], rest) != 0 {
			l.rests = append(l.rests, rest)
		}
		for slot := rest.Start; slot < rest.End; slot++ {
			if l.owners[slot] == nobody {
				l.rest[slot] = int32(len(l.rests))
			}
		}
	}
	return nil
}

// compareRests orders rests by their end, and equal ends in some way, whatever
// slots they have.
func compareRests(a, b Resting) int {
	return cmp.Or(compareEnds(a, b), cmp.Compare(a.EID, b.EID), cmp.Compare(a.VID, b.VID))
}

// compareEnds orders rests by their end: one that is not known comes last.
func compareEnds(a, b Resting) int {
	switch unknown := a.Until.IsZero(); {
	case unknown && b.Until.IsZero():
		return 0
	case unknown:
		return 1
	case b.Until.IsZero():
		return -1
	}
	return a.Until.Compare(b.Until)
}

// path leads to a value in a list of the request.
func path(list string, i int, rest string) string { return fmt.Sprintf("%s[%d]%s", list, i, rest) }
