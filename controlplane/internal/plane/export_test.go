package plane

import "context"

// Clean forgets planes that are gone.
func (s *Store) Clean(ctx context.Context) error { return s.clean(ctx) }

// Lookouts returns how many environments are looked at, and by how many.
func (s *Store) Lookouts() (lookouts, members int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.lookouts {
		members += l.members
	}
	return len(s.lookouts), members
}
