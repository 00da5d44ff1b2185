package plan

import (
	"cmp"
	"maps"
	"slices"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
)

// meetings is where layers of a service meet: what is shared and what is hidden.
type meetings struct {
	shared []meeting
	hidden []concealment // by eid and path
	// grown are the affected experiments whose worst share grew, with what is
	// worst now, by eid.
	grown []concealment
}

// meeting is a path that several layers write.
type meeting struct {
	service string
	node    *node
	layers  []*layer // in order of evaluation
}

// meet looks at the services that changed.
func (p *planner) meet() *meetings {
	m := &meetings{}
	budget := maxChainCost
	scopes := p.scopes()
	for _, service := range slices.Sorted(maps.Keys(scopes)) {
		s := p.scope(service, scopes[service], &budget)
		m.shared = append(m.shared, s.meetings()...)
		hidden := s.hidden(result)
		s.hiddenBefore(hidden)
		m.hidden = append(m.hidden, hidden...)
	}
	slices.SortFunc(m.hidden, func(a, b concealment) int {
		if a.subject != b.subject {
			return cmp.Compare(a.subject.eid, b.subject.eid)
		}
		return compareNodes(a.node, b.node)
	})
	m.grow()
	return m
}

// meetings returns the paths that meet in a way in which they did not before, in
// order.
func (s *scope) meetings() []meeting {
	var all []meeting
	for _, n := range s.tree.nodes {
		if n.changed == never || n.wholes[result] == 0 {
			continue
		}
		after := n.writers(result)
		if len(after) < 2 {
			continue
		}
		if before := n.writers(base); n.wholes[base] > 0 && contains(before, after) {
			continue
		}
		all = append(all, meeting{s.service, n, after})
	}
	slices.SortFunc(all, func(a, b meeting) int { return compareNodes(a.node, b.node) })
	return all
}

// writers returns the layers that have something at a path on one side, in order
// of evaluation.
func (n *node) writers(s side) []*layer {
	var all []*layer
	for _, m := range n.mentions {
		l := m.writer.layer
		if l.in[s] && (len(all) == 0 || all[len(all)-1] != l) {
			all = append(all, l)
		}
	}
	return all
}

// contains reports whether all has each of some, by id.
func contains(all, some []*layer) bool {
	ids := make(map[string]bool, len(all))
	for _, l := range all {
		ids[l.id] = true
	}
	return !slices.ContainsFunc(some, func(l *layer) bool { return !ids[l.id] })
}

// sharedParameters returns the entries of a plan, and how many it leaves out.
func (m *meetings) sharedParameters() (all []*adminv1.SharedParameter, omitted int32) {
	room := newAllowance()
	for _, x := range m.shared {
		if room.admits(x.node.bytes) {
			all = append(all, &adminv1.SharedParameter{
				Service: x.service, Path: x.node.pointer(),
				LayerIds: names(x.layers), LayerCount: int32(len(x.layers)),
			})
		}
	}
	return all, room.omitted
}

// hiddenParameters returns the entries of a plan, and how many it leaves out.
func (m *meetings) hiddenParameters() (all []*adminv1.HiddenParameter, omitted int32) {
	room := newAllowance()
	for _, x := range m.hidden {
		if room.admits(x.node.bytes) {
			all = append(all, &adminv1.HiddenParameter{
				Eid: x.subject.eid, LayerId: x.layer.id, Path: x.node.pointer(),
				HiddenBy: names(x.by), Share: x.share, AtMost: x.atMost,
			})
		}
	}
	return all, room.omitted
}

// names returns the ids of layers, of which a plan names so many.
func names(layers []*layer) []string {
	ids := make([]string, min(len(layers), maxNamed))
	for i := range ids {
		ids[i] = layers[i].id
	}
	return ids
}

// grow finds the experiments of which the worst share grew.
func (m *meetings) grow() {
	for _, x := range m.hidden {
		last := len(m.grown) - 1
		switch {
		case x.share <= x.subject.worst[base]:
		case last < 0 || m.grown[last].subject != x.subject:
			m.grown = append(m.grown, x)
		case x.share > m.grown[last].share:
			m.grown[last] = x
		}
	}
}
