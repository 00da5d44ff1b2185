package plan

import (
	"cmp"
	"math/big"
	"slices"
)

// ratio makes shares of exact fractions. It is reused, as the numbers may be
// long.
type ratio struct {
	slots, all, hidden big.Int
	over, under, share big.Float
}

// lost returns 1 - alive / (slots * all), rounded once.
func (r *ratio) lost(slots int64, alive, all *big.Int) float64 {
	r.all.Mul(all, r.slots.SetInt64(slots))
	switch r.hidden.Sub(&r.all, alive); {
	case r.hidden.Sign() == 0:
		return 0
	case r.all.BitLen() <= 53: // both are doubles
		return float64(r.hidden.Int64()) / float64(r.all.Int64())
	}
	// With no precision set, SetInt is exact; Quo rounds once.
	r.over.SetPrec(0).SetInt(&r.hidden)
	r.under.SetPrec(0).SetInt(&r.all)
	share, _ := r.share.SetPrec(53).Quo(&r.over, &r.under).Float64()
	return share
}

// part is what is known of the users of an experiment by some of its variants: of
// its slots that were looked at, alive / all get the parameter.
type part struct {
	concealment
	slots      int64
	alive, all big.Int
}

func newPart(c concealment, slots int64, alive, all *big.Int) part {
	p := part{concealment: c, slots: slots}
	p.alive.Set(alive)
	p.all.Set(all)
	return p
}

// add adds the users of another part.
func (p *part) add(other *part) {
	p.slots += other.slots
	var cross big.Int
	cross.Mul(&other.alive, &p.all)
	p.alive.Mul(&p.alive, &other.all)
	p.alive.Add(&p.alive, &cross)
	p.all.Mul(&p.all, &other.all)
	p.by = append(slices.Clone(p.by), other.by...)
	slices.SortFunc(p.by, func(a, b *layer) int { return cmp.Compare(a.index, b.index) })
	p.by = slices.Compact(p.by)
	p.atMost = p.atMost || other.atMost
}
