package allocate

import (
	"cmp"
	"slices"
)

// source is slots that variants may be given.
type source struct {
	from   owner   // the variant that gives them up, or nobody
	only   owner   // the one variant that may have them, or nobody for any
	spare  int32   // how many may be given
	pieces []piece // what is left of them, shortest first
}

// sources puts slots into n sources, by a key from 1 to n. Those whose key is 0
// are in none.
func (l *layer) sources(n int, key func(slot int32) int32) []source {
	all := make([]source, n)
	for i := range all {
		all[i].from, all[i].only = nobody, nobody
	}
	for p, k := range runs(key) {
		s := &all[k-1]
		s.pieces, s.spare = append(s.pieces, p), s.spare+p.slots()
	}
	for i := range all {
		all[i].tidy()
	}
	return all
}

// tidy drops pieces of which nothing is left, and sorts the others.
func (s *source) tidy() {
	s.pieces = slices.DeleteFunc(s.pieces, func(p piece) bool { return p.slots() == 0 })
	slices.SortFunc(s.pieces, comparePieces)
}

func comparePieces(a, b piece) int {
	if n := a.slots() - b.slots(); n != 0 {
		return int(n)
	}
	return int(a.start - b.start)
}

// deal gives slots to the variants that grow, until they have what they want or
// nothing is spare.
func (l *layer) deal(sources []source) {
	l.adjoin(sources)
	for i := range sources {
		if i > 0 {
			l.adjoin(sources[i : i+1]) // what scatter gave has sides, too
		}
		l.scatter(&sources[i])
	}
}

// adjoin gives pieces to the variants on their sides: first those by which there
// are fewer ranges.
func (l *layer) adjoin(sources []source) {
	for _, step := range []func(*source, *piece){l.join, l.extend} {
		for i := range sources {
			s := &sources[i]
			for at := 0; at < len(s.pieces) && l.next() != nobody; at++ {
				if s.pieces[at].slots() > 0 {
					step(s, &s.pieces[at])
				}
			}
		}
	}
}

// want returns how many slots of a source an owner may be given.
func (l *layer) want(s *source, who owner) int32 {
	if s.only != nobody && s.only != who {
		return 0
	}
	return min(l.lack(who), s.spare)
}

// next returns the first variant that lacks slots, nobody if there is none.
func (l *layer) next() owner {
	for int(l.first) < len(l.vids) && l.lack(l.first) == 0 {
		l.first++
	}
	if int(l.first) == len(l.vids) {
		return nobody
	}
	return l.first
}

// join gives a whole piece to the variant on both sides of it.
func (l *layer) join(s *source, p *piece) {
	if who := l.owner(p.end); who == l.owner(p.start-1) && l.want(s, who) >= p.slots() {
		l.takeStart(s, p, p.slots(), who)
	}
}

// extend gives from a piece what the variants on its sides want.
func (l *layer) extend(s *source, p *piece) {
	left, right := l.owner(p.start-1), l.owner(p.end)
	if n := min(l.want(s, left), p.slots()); n > 0 {
		l.takeStart(s, p, n, left)
	}
	if n := min(l.want(s, right), p.slots()); n > 0 {
		l.takeEnd(s, p, n, right)
	}
}

// scatter gives pieces to variants that are not on their sides: the shortest
// one that is long enough, or else the longest ones.
func (l *layer) scatter(s *source) {
	s.tidy()
	for {
		who := s.only
		if who == nobody {
			who = l.next()
		}
		n := l.want(s, who)
		if n == 0 {
			return
		}
		at, _ := slices.BinarySearchFunc(s.pieces, n, func(p piece, n int32) int { return cmp.Compare(p.slots(), n) })
		at = min(at, len(s.pieces)-1)
		p := s.pieces[at]
		s.pieces = slices.Delete(s.pieces, at, at+1)
		n = min(n, p.slots())
		taken := l.place(s, p, n)
		l.give(s, taken, who)
		s.insert(piece{p.start, taken.start})
		s.insert(piece{taken.end, p.end})
	}
}

// place chooses n slots of a piece, so that the variants on its sides keep room
// to grow.
func (l *layer) place(s *source, p piece, n int32) piece {
	left, right := l.owner(p.start-1), l.owner(p.end)
	skip := int32(0)
	switch {
	case s.from != nobody:
		if l.worth(right) > l.worth(left) {
			skip = p.slots() - n
		}
	case left >= 0 && right >= 0:
		skip = (p.slots() - n) / 2
	case left >= 0:
		skip = p.slots() - n
	}
	return piece{p.start + skip, p.start + skip + n}
}

// worth says how good it is to take a shrinking variant's slots next to someone:
// best to be extended by what another one gives up, worst to cut the variant off
// from what is free.
func (l *layer) worth(next owner) int {
	switch {
	case next >= 0 && l.lacks[next] < 0:
		return 2
	case next == nobody:
		return 0
	default:
		return 1
	}
}

func (s *source) insert(p piece) {
	if p.slots() > 0 {
		at, _ := slices.BinarySearchFunc(s.pieces, p, comparePieces)
		s.pieces = slices.Insert(s.pieces, at, p)
	}
}

// takeStart gives the first n slots of a piece to a variant or to nobody.
func (l *layer) takeStart(s *source, p *piece, n int32, to owner) {
	l.give(s, piece{p.start, p.start + n}, to)
	p.start += n
}

// takeEnd gives the last n slots.
func (l *layer) takeEnd(s *source, p *piece, n int32, to owner) {
	l.give(s, piece{p.end - n, p.end}, to)
	p.end -= n
}

func (l *layer) give(s *source, p piece, to owner) {
	for slot := p.start; slot < p.end; slot++ {
		l.owners[slot] = to
	}
	s.spare -= p.slots()
	if s.from >= 0 {
		l.lacks[s.from] += p.slots()
	}
	if to >= 0 {
		l.lacks[to] -= p.slots()
	}
}
