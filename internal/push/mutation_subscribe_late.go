//go:build mutate_subscribe_late

package push

// look is wrong: what is published after the moment was read, and before the
// channel was taken, wakes nobody.
func look(s source) (<-chan struct{}, *moment) {
	now := s.now()
	return s.changes(), now
}
