//go:build !mutate_subscribe_late

package push

// look returns what there is, and a channel that is closed when that is not the
// newest any more. The channel comes first: what is published in between is
// either read, or closes it.
func look(s source) (<-chan struct{}, *moment) {
	changes := s.changes()
	return changes, s.now()
}
