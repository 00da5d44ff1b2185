package plan

import (
	"math/big"

	"github.com/strata-exp/strata/sdk/go/engine"
)

// product follows a parameter through layers of which the order does not matter:
// users get it if none of the layers above hides it. Layers of different splits
// are independent, so that this is a product over splits, which grows by one
// factor with each layer.
type product struct {
	f *finder
	// alive / all is the product of the factors that are not zero; zeros counts
	// the others.
	alive, all big.Int
	zeros      int
	// settled says that so few users are left that a share is 1 when rounded.
	settled bool
	joints  map[split]*joint // nil for none
	hits    []productHit
	first   []*layer // those of the first hits
	// ruled counts the hits that are ruled.
	ruled int
	// spare is up to which path an object stands that a rule decides about.
	spare int

	factor, others, othersAll, left big.Int // memory
}

// joint is a split that several layers have.
type joint struct {
	hidden slotSet // from these
	ruled  slotSet // from these, if a rule admits them
	free   int64   // slots that are not in hidden; if there was a hit, a factor of the product
	ruling int     // the hits that are ruled
	hits   int
}

type productHit struct {
	hit
	joint *joint // nil where the layer has its split for itself
	slots runs   // nil likewise
}

// product walks the steps. If their order matters the shares are the largest
// possible ones, as nothing shields anything.
func (f *finder) product(ordered bool) {
	p := &f.memory
	p.reset(f)
	for _, s := range f.steps {
		for i := range s.questions {
			p.answer(&s.questions[i], ordered)
		}
		p.hide(s)
	}
}

func (p *product) reset(f *finder) {
	p.f, p.zeros, p.settled, p.joints, p.ruled, p.spare = f, 0, false, nil, 0, 0
	p.hits, p.first = p.hits[:0], nil
	p.alive.SetInt64(1)
	p.all.SetInt64(1)
}

// joint returns the split of a layer if several layers have it, else nil.
func (p *product) joint(l *layer) *joint {
	if !l.shared[p.f.side] {
		return nil
	}
	j := p.joints[l.split]
	if j == nil {
		if p.joints == nil {
			p.joints = map[split]*joint{}
		}
		j = &joint{free: engine.Slots}
		p.joints[l.split] = j
	}
	return j
}

// hide hides the parameter from the users of a step.
func (p *product) hide(s step) {
	spare := p.spare
	ruled := func(a *act) bool { return a.whole > 0 && (a.writer.ruled || a.whole <= spare) }
	h := productHit{hit: hit{layer: s.layer}}
	var slots int64
	for i := range s.acts {
		a := &s.acts[i]
		if a.whole > 0 {
			slots += a.writer.slots
			h.ruled = h.ruled || ruled(a)
		}
		if a.writer.ruled {
			p.spare = max(p.spare, a.object)
		}
	}
	if slots == 0 {
		return
	}
	if h.ruled {
		p.ruled++
	}
	if h.joint = p.joint(s.layer); h.joint == nil {
		p.multiply(engine.Slots - slots)
	} else {
		h.slots = s.layer.runs(s.vids(func(a *act) bool { return a.whole > 0 }))
		h.joint.ruled.add(s.layer.runs(s.vids(ruled)))
		p.join(&h)
	}
	p.hits = append(p.hits, h)
	if len(p.first) < maxNamed {
		p.first = append(p.first, s.layer)
	}
}

// join hides the parameter from users who are split as those of other layers.
func (p *product) join(h *productHit) {
	j := h.joint
	if j.hits > 0 {
		p.divide(j.free)
	}
	j.hits++
	if h.ruled {
		j.ruling++
	}
	j.free -= j.hidden.add(h.slots)
	p.multiply(j.free)
}

// multiply adds a factor: so many slots of all.
func (p *product) multiply(slots int64) {
	switch {
	case slots == 0:
		p.zeros++
	case !p.settled:
		slots, all := shorten(slots)
		p.alive.Mul(&p.alive, p.factor.SetInt64(slots))
		p.all.Mul(&p.all, p.factor.SetInt64(all))
		// Far beyond a double, even without the factor of one split.
		const beyond = 128
		p.settled = !p.f.exact && p.all.BitLen()-p.alive.BitLen() > beyond
	}
}

// divide takes a factor out again.
func (p *product) divide(slots int64) {
	switch {
	case slots == 0:
		p.zeros--
	case !p.settled:
		slots, all := shorten(slots)
		p.alive.Quo(&p.alive, p.factor.SetInt64(slots))
		p.all.Quo(&p.all, p.factor.SetInt64(all))
	}
}

// shorten returns a fraction of all slots in lowest terms.
func shorten(slots int64) (short, all int64) {
	a, b := slots, int64(engine.Slots)
	for a != 0 {
		a, b = b%a, a
	}
	return slots / b, engine.Slots / b
}

// answer answers a question about a layer that has not hidden anything yet.
func (p *product) answer(q *question, ordered bool) {
	slots, left := q.slots, q.slots
	alive, all := &p.alive, &p.all
	by, atMost := p.first, ordered || p.ruled > 0
	if j := p.joint(q.layer); j != nil && j.hits > 0 {
		mine := q.layer.runs(q.vids())
		left -= j.hidden.count(mine)
		if j.free > 0 && !p.settled {
			free, of := shorten(j.free)
			alive = p.others.Quo(alive, p.factor.SetInt64(free))
			all = p.othersAll.Quo(all, p.factor.SetInt64(of))
		}
		by, atMost = p.layers(j, mine, left < slots), ordered || p.ruled > j.ruling || j.ruled.count(mine) > 0
	}
	switch {
	case p.zeros > 0 || p.settled:
		left = 0
	case left == slots && !q.partial:
		slots, left = 1, 1 // which saves to multiply
	}
	p.f.answer(q, slots, p.left.Mul(alive, p.factor.SetInt64(left)), all, by, atMost)
}

// layers returns the first layers that hide the parameter from users outside of
// a joint or, if there are some, from those in these slots of it.
func (p *product) layers(j *joint, mine runs, some bool) []*layer {
	var by []*layer
	for i := range p.hits {
		if len(by) == maxNamed {
			break
		}
		if h := &p.hits[i]; h.joint != j || some && h.slots.meet(mine) {
			by = append(by, h.layer)
		}
	}
	return by
}
