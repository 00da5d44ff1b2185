package allocate

import "slices"

// transfer gives what variants give up to those of the experiment that grow.
func (l *layer) transfer() {
	l.deal(l.shrinking())
}

// shrinking returns the slots of the variants that are to give some up.
func (l *layer) shrinking() []source {
	if !slices.ContainsFunc(l.lacks, func(lack int32) bool { return lack < 0 }) {
		return nil
	}
	all := l.sources(len(l.vids), func(slot int32) int32 {
		if who := l.owners[slot]; who >= 0 && l.lacks[who] < 0 {
			return int32(who) + 1
		}
		return 0
	})
	for i := range all {
		all[i].from, all[i].spare = owner(i), max(0, -l.lacks[i])
	}
	return slices.DeleteFunc(all, func(s source) bool { return s.spare == 0 })
}

// free frees what no variant of the experiment wants. Whole pieces go first,
// shortest first, so that there are fewer of them with time.
func (l *layer) free() {
	for _, s := range l.shrinking() {
		for i := range s.pieces {
			if p := &s.pieces[i]; p.slots() <= s.spare {
				l.takeStart(&s, p, p.slots(), nobody)
			}
		}
		if s.spare == 0 {
			continue
		}
		s.tidy()
		p := &s.pieces[max(0, slices.IndexFunc(s.pieces, func(p piece) bool {
			return l.owner(p.start-1) == nobody || l.owner(p.end) == nobody
		}))]
		if l.owner(p.start-1) == nobody && l.owner(p.end) != nobody {
			l.takeStart(&s, p, s.spare, nobody)
		} else {
			l.takeEnd(&s, p, s.spare, nobody)
		}
	}
}

// grow gives the variants what they still lack, of slots that nobody has.
func (l *layer) grow() {
	if l.next() == nobody {
		return
	}
	had := l.unowned(len(l.vids), l.returning())
	for i := range had {
		had[i].only = owner(i)
	}
	l.deal(had)
	order := l.order()
	pools := l.unowned(int(slices.Max(order)), order)
	for i := range pools {
		l.deal(pools[i : i+1])
	}
}

// unowned returns the slots that nobody has, in n sources. Which one a slot is
// in, from 1 to n, stands in table at what it rests after, as in layer.rest; 0
// is none.
func (l *layer) unowned(n int, table []int32) []source {
	return l.sources(n, func(slot int32) int32 {
		if l.owners[slot] != nobody {
			return 0
		}
		return table[l.rest[slot]]
	})
}

// returning is a table for unowned, of the variants that had the slots.
func (l *layer) returning() []int32 {
	table := make([]int32, 1+len(l.rests))
	for i, r := range l.rests {
		if v, ok := l.find(r.VID); ok && r.EID == l.eid {
			table[1+i] = int32(v) + 1
		}
	}
	return table
}

// order is a table for unowned, of the order in which slots are taken.
func (l *layer) order() []int32 {
	const own, free = 1, 2
	table := make([]int32, 1+len(l.rests))
	table[0] = free
	last := int32(free)
	for i, r := range l.rests {
		if i == 0 || compareEnds(l.rests[i-1], r) != 0 {
			last++
		}
		switch {
		case r.EID == l.eid:
			table[1+i] = own
		case l.ignoreResting:
			table[1+i] = last
		}
	}
	return table
}

// shortage returns what lacks for the experiment to grow as it is to, nil if
// nothing does.
func (l *layer) shortage() *Shortage {
	e := &Shortage{Held: l.held, Holders: l.holders}
	for _, lack := range l.lacks {
		e.Wanted += lack
	}
	waiting := make([]int32, len(l.rests)) // slots, by what they rest after
	for slot := range int32(len(l.owners)) {
		k := l.resting(slot)
		switch {
		case k > 0 && l.rests[k-1].EID != l.eid && !l.ignoreResting:
			waiting[k-1]++
		case l.owners[slot] == nobody:
			e.Free++
		}
	}
	if e.Wanted <= e.Free {
		return nil
	}
	for i, n := range waiting {
		e.Resting += n
		if n == 0 {
			continue
		}
		until := l.rests[i].Until
		if e.NextFree.IsZero() {
			e.NextFree = until
		}
		if e.EnoughFree.IsZero() && e.Free+e.Resting >= e.Wanted {
			e.EnoughFree = until
		}
	}
	return e
}
