package plan

import (
	"cmp"
	"slices"
)

// The paths that decide about a parameter are its own and those above it that
// somebody has a whole value at. They are counted from 1, from the top.

// act is what a variant does to a parameter.
type act struct {
	writer *writer
	// object is up to which path it has objects, which shield what lies below
	// them from lower layers' whole values. 0 is none.
	object int
	// whole is the path at which it has something that hides what lower layers
	// have there and below. 0 is none.
	whole int
}

// step is a layer in a walk.
type step struct {
	layer *layer
	acts  []act
	// questions are about variants in acts.
	questions []question
}

// read makes steps of what stands at the paths that decide, with the questions,
// which are in order of evaluation.
func (f *finder) read(n *node, kind kind, questions []question) {
	f.nodes = n.chain(f.nodes[:0], f.side)
	f.acts = f.acts[:0]
	for i, n := range f.nodes {
		for _, m := range n.mentions {
			if m.writer.layer.in[f.side] {
				f.acts = append(f.acts, f.act(m, i+1, kind))
			}
		}
	}
	if len(f.nodes) > 1 {
		f.deepest()
	}
	f.steps = f.steps[:0]
	for acts := f.acts; len(acts) > 0 && len(questions) > 0; {
		s := step{layer: acts[0].writer.layer}
		end := 0
		for end < len(acts) && acts[end].writer.layer == s.layer {
			end++
		}
		s.acts, acts = acts[:end], acts[end:]
		asked := 0
		for asked < len(questions) && questions[asked].layer == s.layer {
			asked++
		}
		s.questions, questions = questions[:asked], questions[asked:]
		f.steps = append(f.steps, s)
	}
}

// prune drops steps that have nothing but objects that no later layer has whole
// values against.
func (f *finder) prune() {
	lowest := never // path at which a later layer has a whole value
	kept := len(f.steps)
	for _, s := range slices.Backward(f.steps) {
		needed := len(s.questions) > 0
		below := lowest
		for _, a := range s.acts {
			needed = needed || a.whole > 0 || a.object >= below
			if a.whole > 0 {
				lowest = min(lowest, a.whole)
			}
		}
		if needed {
			kept--
			f.steps[kept] = s
		}
	}
	f.steps = slices.Delete(f.steps, 0, kept)
}

// ordered reports whether the order of the steps matters: whether an object may
// shield something from a later layer. A rule may keep an object from being
// there, so that it shields nothing for sure.
func (f *finder) ordered() bool {
	reach := 0
	for _, s := range f.steps {
		for _, a := range s.acts {
			if a.whole > 0 && a.whole <= reach {
				return true
			}
		}
		for _, a := range s.acts {
			if !a.writer.ruled {
				reach = max(reach, a.object)
			}
		}
	}
	return false
}

// act says what a mention at one of the paths does to a parameter of a kind.
func (f *finder) act(m mention, at int, kind kind) act {
	a := act{writer: m.writer}
	last := at == len(f.nodes)
	if m.kind == whole || last && kind == whole {
		a.whole = at
	} else {
		a.object = at
	}
	return a
}

// deepest keeps of each variant what it does at the deepest path: at those above
// it has objects.
func (f *finder) deepest() {
	depth := func(a act) int { return a.object + a.whole }
	slices.SortFunc(f.acts, func(a, b act) int {
		return cmp.Or(cmp.Compare(a.writer.index, b.writer.index), cmp.Compare(depth(b), depth(a)))
	})
	f.acts = slices.CompactFunc(f.acts, func(a, b act) bool { return a.writer == b.writer })
}

// hit is a layer that hides the parameter from users of lower ones.
type hit struct {
	layer *layer
	// ruled says that it might not, as a rule decides.
	ruled bool
}
