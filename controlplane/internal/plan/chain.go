package plan

import (
	"math/big"
	"slices"

	"github.com/strata-exp/strata/sdk/go/engine"
)

// What following states may cost. A configuration that reaches the limits gets
// shares that are the largest possible ones, and not a control plane that hangs.
const (
	// maxStates is how many states there may be at a time.
	maxStates = 4096
	// maxChainCost bounds all chains of one plan, in words of numbers that are
	// computed. Small numbers count as a few words.
	maxChainCost = 1 << 27
)

// chain follows a parameter through layers of which the order matters. A user's
// state is up to which of the paths that decide objects stand already, and for
// each split that several layers have and that is open, which class of its slots
// the user is in. Each state has a weight: how many of all users are in it and
// have not lost the parameter. States stay when their weight becomes zero: they
// tell which layers hide the parameter, whatever others do.
type chain struct {
	f       *finder
	courses map[split]*course
	open    []*course
	states  map[standing]*big.Int
	all     big.Int
	hits    []chainHit
	// spare is up to which path an object stands that a rule decides about.
	spare int
}

// standing is the state of a user: a byte for the path up to which objects stand,
// and two bytes for the class in each open course.
type standing string

func (s standing) reach() int { return int(s[0]) }

func (s standing) class(course int) int { return int(s[1+2*course])<<8 | int(s[2+2*course]) }

func (s standing) raise(reach int) standing { return standing([]byte{byte(reach)}) + s[1:] }

func (s standing) enter(class int) standing {
	return s + standing([]byte{byte(class >> 8), byte(class)})
}

func (s standing) leave(course int) standing { return s[:1+2*course] + s[3+2*course:] }

// chainHit is a hit by one variant, with the classes that it can happen in: by
// course, where that was open.
type chainHit struct {
	hit
	classes map[*course]map[int]bool
}

// chain walks the steps. It reports whether that was possible at a bearable
// cost; if not, what it answered is of no use.
func (f *finder) chain() bool {
	c := chain{f: f, states: map[standing]*big.Int{"\x00": big.NewInt(1)}}
	c.all.SetInt64(1)
	if !c.pay(0) || !c.plot() {
		return false
	}
	for i, s := range f.steps {
		course := c.courses[s.layer.split]
		if course != nil && course.first() == i && !c.enter(course) {
			return false
		}
		for q := range s.questions {
			c.answer(i, &s.questions[q], course)
		}
		if !c.hide(i, course) {
			return false
		}
		if course != nil && course.last() == i {
			c.leave(course)
		}
	}
	return true
}

// pay takes from what following states may cost.
func (c *chain) pay(numbers int) bool {
	const overhead = 8
	*c.f.scope.budget -= numbers * (overhead + c.all.BitLen()/64)
	return *c.f.scope.budget >= 0
}

// enter splits each state by the classes of a course.
func (c *chain) enter(course *course) bool {
	numbers := len(c.states) * len(course.slots)
	if numbers > maxStates || !c.pay(numbers) {
		return false
	}
	next := make(map[standing]*big.Int, numbers)
	for s, weight := range c.states {
		for class, slots := range course.slots {
			add(next, s.enter(class), weight, slots)
		}
	}
	c.open = append(c.open, course)
	c.become(next)
	return true
}

// become sets the states after users were split.
func (c *chain) become(next map[standing]*big.Int) {
	c.states = next
	c.all.Mul(&c.all, big.NewInt(engine.Slots))
}

// add adds so many times a weight to a state.
func add(states map[standing]*big.Int, s standing, weight *big.Int, times int64) {
	if states[s] == nil {
		states[s] = new(big.Int)
	}
	if times != 0 && weight.Sign() != 0 {
		var product big.Int
		states[s].Add(states[s], product.Mul(weight, big.NewInt(times)))
	}
}

// leave forgets the classes of a course.
func (c *chain) leave(course *course) {
	at := slices.Index(c.open, course)
	next := make(map[standing]*big.Int, len(c.states))
	for s, weight := range c.states {
		add(next, s.leave(at), weight, 1)
	}
	c.states = next
	c.open = slices.Delete(c.open, at, at+1)
}

// hide lets a step do what it does.
func (c *chain) hide(i int, course *course) bool {
	step := c.f.steps[i]
	if !c.pay(len(c.states) * (len(step.acts) + 1)) {
		return false
	}
	hits := make([]*chainHit, len(step.acts))
	next := make(map[standing]*big.Int, len(c.states))
	if course != nil {
		c.hideJoint(i, course, hits, next)
		c.states = next
	} else {
		c.hideAlone(step, hits, next)
		c.become(next)
	}
	for _, h := range hits {
		if h != nil {
			c.hits = append(c.hits, *h)
		}
	}
	for _, a := range step.acts {
		if a.writer.ruled {
			c.spare = max(c.spare, a.object)
		}
	}
	return true
}

func (c *chain) hideJoint(i int, course *course, hits []*chainHit, next map[standing]*big.Int) {
	acts, at := c.f.steps[i].acts, slices.Index(c.open, course)
	for s, weight := range c.states {
		if n := course.act(i, s.class(at)); n >= 0 {
			c.apply(&acts[n], s, weight, 1, &hits[n], next)
		} else {
			add(next, s, weight, 1)
		}
	}
}

func (c *chain) hideAlone(step step, hits []*chainHit, next map[standing]*big.Int) {
	rest := int64(engine.Slots)
	for _, a := range step.acts {
		rest -= a.writer.slots
	}
	for s, weight := range c.states {
		for n := range step.acts {
			a := &step.acts[n]
			c.apply(a, s, weight, a.writer.slots, &hits[n], next)
		}
		if rest > 0 {
			add(next, s, weight, rest)
		}
	}
}

// apply adds what becomes of a state by an act.
func (c *chain) apply(a *act, s standing, weight *big.Int, times int64, h **chainHit, next map[standing]*big.Int) {
	switch {
	case a.whole > s.reach():
		add(next, s, weight, 0)
		if *h == nil {
			*h = &chainHit{
				hit:     hit{a.writer.layer, a.writer.ruled || a.whole <= c.spare},
				classes: map[*course]map[int]bool{},
			}
		}
		for at, course := range c.open {
			if (*h).classes[course] == nil {
				(*h).classes[course] = map[int]bool{}
			}
			(*h).classes[course][s.class(at)] = true
		}
	case a.object > s.reach() && !a.writer.ruled:
		add(next, s.raise(a.object), weight, times)
	default:
		add(next, s, weight, times)
	}
}

// answer answers a question about a step that has not done anything yet.
func (c *chain) answer(i int, q *question, course *course) {
	var classes map[int]bool // nil for any
	alive := new(big.Int)
	if course == nil {
		for _, weight := range c.states {
			alive.Add(alive, weight)
		}
		alive.Mul(alive, big.NewInt(q.slots))
	} else {
		classes = course.of(i, c.f.steps[i], q.vids())
		at := slices.Index(c.open, course)
		for s, weight := range c.states {
			if classes[s.class(at)] {
				alive.Add(alive, weight)
			}
		}
		alive.Mul(alive, big.NewInt(engine.Slots))
	}
	var by []*layer
	atMost := false
	for j := range c.hits {
		h := &c.hits[j]
		if !h.reaches(course, classes) {
			continue
		}
		atMost = atMost || h.ruled
		if last := len(by) - 1; last < 0 || last+1 < maxNamed && by[last] != h.layer {
			by = append(by, h.layer)
		}
	}
	c.f.answer(q, q.slots, alive, &c.all, by, atMost)
}

// reaches reports whether a hit happens to users in some of these classes.
func (h *chainHit) reaches(course *course, classes map[int]bool) bool {
	possible, known := h.classes[course]
	if course == nil || !known {
		return true
	}
	for class := range possible {
		if classes[class] {
			return true
		}
	}
	return false
}
