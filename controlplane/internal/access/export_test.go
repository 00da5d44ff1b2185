package access

import "context"

// Flush writes which keys were used.
func (s *Store) Flush(ctx context.Context) error { return s.flush(ctx) }

// CleanNonces removes nonces that are not needed any more.
func (s *Store) CleanNonces(ctx context.Context) error { return s.cleanNonces(ctx) }
