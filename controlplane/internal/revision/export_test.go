package revision

// Waiting returns how many requests wait that nobody carries out yet.
func (s *Store) Waiting(environment string) int {
	l := s.lane(environment)
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.queue)
}

// Busy reports whether requests are being carried out.
func (s *Store) Busy(environment string) bool {
	l := s.lane(environment)
	return len(l.turn) > 0 && s.Waiting(environment) == 0
}
