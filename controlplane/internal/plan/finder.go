package plan

import (
	"cmp"
	"math/big"
	"slices"
)

// finder finds what is hidden at one path after the other.
type finder struct {
	scope *scope
	side  side
	found []concealment
	// parts are what is known so far of experiments that two questions are about.
	// exact says that there are such experiments.
	parts []part
	exact bool
	// deferred are questions about paths that one layer alone writes, by the
	// deepest path above that somebody has a whole value at; contests are those
	// paths.
	deferred map[*node][]question
	contests []*node

	// What is below is memory.
	writers   []*writer
	questions []question
	nodes     []*node
	acts      []act
	steps     []step
	ratio     ratio
	memory    product
}

// question asks from what share of the users of an experiment a parameter is
// hidden.
type question struct {
	subject *subject
	layer   *layer
	node    *node
	// writers are the variants that it is about, and slots what they have.
	writers []*writer
	slots   int64
	// partial says that there is another question about the parameter and the
	// experiment, with other variants.
	partial bool
}

func (q *question) vids() []int32 {
	vids := make([]int32, len(q.writers))
	for i, w := range q.writers {
		vids[i] = w.vid
	}
	return vids
}

// look finds what is hidden at a path. Variants that have an object without
// members there, which is merged with other objects, and those that have
// anything else are asked for by themselves.
//
// What one layer alone writes can be hidden further up only, where it is part of
// one object with what others write. Such paths are asked for together.
func (f *finder) look(n *node) {
	has := f.mark(n)
	switch {
	case !has[empty] && !has[whole]:
		return
	case n.alone(f.side):
		f.postpone(n)
		return
	}
	f.parts, f.exact = f.parts[:0], has[empty] && has[whole]
	for _, kind := range []kind{empty, whole} {
		if has[kind] {
			f.walk(n, kind, f.ask(n, kind))
		}
	}
	f.join()
}

// mark returns what affected experiments have at a path, and notes it with them.
func (f *finder) mark(n *node) (has [whole + 1]bool) {
	for _, m := range n.mentions {
		x := m.writer.subject
		if !x.affected || !m.writer.layer.in[f.side] {
			continue
		}
		if x.node != n {
			x.node, x.has = n, [whole + 1]bool{}
		}
		x.has[m.kind], has[m.kind] = true, true
	}
	return has
}

// alone reports whether no more than one layer has anything at a path.
func (n *node) alone(s side) bool {
	var only *layer
	for _, m := range n.mentions {
		switch l := m.writer.layer; {
		case !l.in[s] || l == only:
		case only != nil:
			return false
		default:
			only = l
		}
	}
	return true
}

// ask returns the questions about what affected experiments have of some kinds at
// a path, in order of evaluation. They are valid until the next call.
func (f *finder) ask(n *node, kinds ...kind) []question {
	f.writers, f.questions = f.writers[:0], f.questions[:0]
	for _, m := range n.mentions {
		if m.writer.subject.affected && m.writer.layer.in[f.side] && slices.Contains(kinds, m.kind) {
			f.writers = append(f.writers, m.writer)
		}
	}
	byExperiment := func(a, b *writer) int {
		return cmp.Or(cmp.Compare(a.layer.index, b.layer.index), cmp.Compare(a.subject.eid, b.subject.eid))
	}
	if !slices.IsSortedFunc(f.writers, byExperiment) {
		slices.SortStableFunc(f.writers, byExperiment)
	}
	for first := 0; first < len(f.writers); {
		w := f.writers[first]
		q := question{
			subject: w.subject, layer: w.layer, node: n,
			partial: len(kinds) == 1 && w.subject.has[empty] && w.subject.has[whole],
		}
		end := first
		for ; end < len(f.writers) && f.writers[end].subject == w.subject; end++ {
			q.slots += f.writers[end].slots
		}
		q.writers = f.writers[first:end:end]
		f.questions = append(f.questions, q)
		first = end
	}
	return f.questions
}

// postpone puts off the questions about a path that one layer alone writes, if
// anything can be hidden there at all.
func (f *finder) postpone(n *node) {
	if !n.contested[f.side] {
		return
	}
	contest := n.above
	for contest.wholes[f.side] == 0 {
		contest = contest.above
	}
	if f.deferred[contest] == nil {
		f.contests = append(f.contests, contest)
	}
	for _, q := range f.ask(n, empty, whole) {
		q.writers = slices.Clone(q.writers)
		f.deferred[contest] = append(f.deferred[contest], q)
	}
}

// answerDeferred answers the questions about what is below a path. All of it is
// hidden where the object there is.
func (f *finder) answerDeferred(n *node) {
	questions := f.deferred[n]
	slices.SortStableFunc(questions, func(a, b question) int { return cmp.Compare(a.layer.index, b.layer.index) })
	f.exact = false
	f.walk(n, empty, questions)
}

// walk follows the layers that decide about a path, in order of evaluation, to
// answer questions about variants that have something of one kind there.
func (f *finder) walk(n *node, kind kind, questions []question) {
	f.read(n, kind, questions)
	f.prune()
	ordered := f.ordered()
	if ordered {
		found, parts := len(f.found), len(f.parts)
		if f.chain() {
			return
		}
		f.found, f.parts = f.found[:found], f.parts[:parts]
	}
	f.product(ordered)
}

// answer answers a question: of so many slots, alive / all get the parameter.
func (f *finder) answer(q *question, slots int64, alive, all *big.Int, by []*layer, atMost bool) {
	c := concealment{subject: q.subject, layer: q.layer, node: q.node, by: by, atMost: atMost}
	if q.partial {
		f.parts = append(f.parts, newPart(c, slots, alive, all))
		return
	}
	if c.share = f.ratio.lost(slots, alive, all); c.share > 0 {
		f.found = append(f.found, c)
	}
}

// join makes one entry of the two parts of each experiment.
func (f *finder) join() {
	slices.SortStableFunc(f.parts, func(a, b part) int { return cmp.Compare(a.subject.eid, b.subject.eid) })
	for pair := range slices.Chunk(f.parts, 2) {
		whole := &pair[0]
		whole.add(&pair[1])
		if whole.share = f.ratio.lost(whole.slots, &whole.alive, &whole.all); whole.share > 0 {
			f.found = append(f.found, whole.concealment)
		}
	}
}
