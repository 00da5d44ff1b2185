package plan

// concealment is a parameter of an experiment that is hidden from some of its
// users.
type concealment struct {
	subject *subject
	layer   *layer // that it lives in
	node    *node
	share   float64
	// by are layers that hide it, whether or not others above them do so too: in
	// order of evaluation, the first maxNamed of them.
	by     []*layer
	atMost bool
}

// affect finds the experiments that the change may hide parameters of: those
// that changed, or whose layer did, and those for which something changed in a
// layer that is evaluated earlier, at a path that decides about one of theirs.
func (s *scope) affect() {
	for _, l := range s.layers {
		for i := range l.writers {
			w := &l.writers[i]
			w.subject.affected = w.subject.affected || w.changed
		}
	}
	for _, n := range s.tree.nodes {
		changed := min(n.changed, n.changedAbove)
		if changed == never {
			continue
		}
		for _, m := range n.mentions {
			if m.kind != object && m.writer.layer.index > changed {
				m.writer.subject.affected = true
			}
		}
	}
}

// hidden returns what is hidden from the users of affected experiments on one
// side.
func (s *scope) hidden(side side) []concealment {
	f := finder{scope: s, side: side, deferred: map[*node][]question{}}
	for _, x := range s.subjects {
		x.node = nil
	}
	for _, n := range s.tree.nodes {
		f.look(n)
	}
	for _, n := range f.contests {
		f.answerDeferred(n)
	}
	for _, c := range f.found {
		c.subject.worst[side] = max(c.subject.worst[side], c.share)
	}
	return f.found
}

// hiddenBefore finds out what was hidden before from the users of those
// experiments from which something is hidden after.
func (s *scope) hiddenBefore(after []concealment) {
	if len(after) == 0 {
		return
	}
	for _, x := range s.subjects {
		x.affected = false
	}
	for _, c := range after {
		c.subject.affected = true
	}
	s.hidden(base)
}
