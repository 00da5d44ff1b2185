package plan

import (
	"slices"

	"github.com/strata-exp/strata/sdk/go/engine"
)

// course is a split that several steps of a chain have. Slots that all of them
// treat alike are one class.
type course struct {
	steps []int   // in order
	slots []int64 // by class
	// acts are, by step and class, 1 + the index of the act, 0 for none.
	acts [][]int
}

func (c *course) first() int { return c.steps[0] }

func (c *course) last() int { return c.steps[len(c.steps)-1] }

// act returns what a step does to a class: the index of the act, or -1.
func (c *course) act(step, class int) int {
	at, _ := slices.BinarySearch(c.steps, step)
	return c.acts[at][class] - 1
}

// of returns the classes of the slots of some variants of a step.
func (c *course) of(i int, s step, vids []int32) map[int]bool {
	is := among(vids)
	classes := map[int]bool{}
	for class := range c.slots {
		if n := c.act(i, class); n >= 0 && is(s.acts[n].writer.vid) {
			classes[class] = true
		}
	}
	return classes
}

// plot finds the courses. It reports whether they have few enough classes.
func (c *chain) plot() bool {
	c.courses = map[split]*course{}
	for i, s := range c.f.steps {
		if !s.layer.shared[c.f.side] {
			continue
		}
		if c.courses[s.layer.split] == nil {
			c.courses[s.layer.split] = &course{}
		}
		course := c.courses[s.layer.split]
		course.steps = append(course.steps, i)
	}
	for split, course := range c.courses {
		if len(course.steps) == 1 {
			delete(c.courses, split)
		}
	}
	for _, s := range c.f.steps {
		course := c.courses[s.layer.split]
		if course != nil && course.slots == nil && !c.classify(course) {
			return false
		}
	}
	return true
}

// classify cuts the slots where any step does, and finds the classes of the
// pieces.
func (c *chain) classify(course *course) bool {
	bounds := c.bounds(course)
	if len(bounds)*len(course.steps) > maxChainCost/64 || !c.pay(len(bounds)*len(course.steps)) {
		return false
	}
	pieces := len(bounds) - 1
	classes := make([]int, pieces)
	acts := make([][]int, len(course.steps))
	count := 1
	for k, i := range course.steps {
		type refined struct{ class, act int }
		fresh := map[refined]int{}
		acts[k] = c.actsAt(c.f.steps[i], bounds)
		for piece, class := range classes {
			r := refined{class, acts[k][piece]}
			if _, ok := fresh[r]; !ok {
				fresh[r] = len(fresh)
			}
			classes[piece] = fresh[r]
		}
		if count = len(fresh); count > maxStates {
			return false
		}
	}
	course.slots = make([]int64, count)
	course.acts = make([][]int, len(course.steps))
	for k := range course.acts {
		course.acts[k] = make([]int, count)
		for piece, class := range classes {
			course.acts[k][class] = acts[k][piece]
		}
	}
	for piece, class := range classes {
		course.slots[class] += int64(bounds[piece+1] - bounds[piece])
	}
	return true
}

// bounds returns where the variants in a course begin and end, in order, and the
// first slot and the end.
func (c *chain) bounds(course *course) []int32 {
	bounds := []int32{0, engine.Slots}
	for _, i := range course.steps {
		s := c.f.steps[i]
		vids := s.byVID()
		for _, r := range s.layer.ranges {
			if vids[r.GetVid()] > 0 {
				bounds = append(bounds, r.GetStart(), r.GetEnd())
			}
		}
	}
	slices.Sort(bounds)
	return slices.Compact(bounds)
}

// actsAt returns 1 + the index of the act on each piece of the slots, 0 for none.
func (c *chain) actsAt(s step, bounds []int32) []int {
	vids := s.byVID()
	at := cursor{ranges: s.layer.ranges}
	acts := make([]int, len(bounds)-1)
	for piece := range acts {
		vid, _ := at.at(bounds[piece])
		acts[piece] = vids[vid]
	}
	return acts
}

// byVID returns 1 + the index of the act of each variant.
func (s step) byVID() map[int32]int {
	vids := make(map[int32]int, len(s.acts))
	for i := range s.acts {
		vids[s.acts[i].writer.vid] = i + 1
	}
	return vids
}
