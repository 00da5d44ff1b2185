package dbtest

import (
	"context"
	"testing"

	"github.com/strata-exp/strata/db"
)

// Server is a PostgreSQL of one test alone. Its methods fail the test if they can
// not do what they say; they are called from the test's goroutine.
type Server struct {
	tb      testing.TB
	private *private
	crashed bool // and not started since
}

// database is that of a Server.
const database = "strata"

// Cluster starts a private server for a test that stops or kills it. It has one
// database with the schema of package db. Its folder is deleted when the test
// ends. A crash of the server, but not of the machine, keeps what is committed.
// It takes most of a second, so tests that do not touch the server share one.
func Cluster(tb testing.TB) *Server {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), patience)
	defer cancel()
	p, err := startPrivate(ctx)
	if err != nil {
		tb.Fatal(err)
	}
	s := &Server{tb: tb, private: p}
	tb.Cleanup(s.remove)
	if err := s.migrate(ctx); err != nil {
		tb.Fatal(err)
	}
	return s
}

func (s *Server) migrate(ctx context.Context) error {
	admin, err := db.Open(ctx, s.private.URL("postgres"))
	if err != nil {
		return err
	}
	defer admin.Close()
	if _, err := admin.Exec(ctx, "CREATE DATABASE "+database); err != nil {
		return err
	}
	pool, err := db.Open(ctx, s.URL())
	if err != nil {
		return err
	}
	defer pool.Close()
	return db.Migrate(ctx, pool)
}

// URL returns the URL of the database. It stays the same when the server is
// started again.
func (s *Server) URL() string { return s.private.URL(database) }

// Stop stops the server in order.
func (s *Server) Stop() {
	s.tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s.must(s.private.Stop(ctx))
}

// Kill ends the server as a crash would.
func (s *Server) Kill() {
	s.tb.Helper()
	s.crashed = true
	s.must(s.private.Kill())
}

// Start starts the server again, from the data that it left.
func (s *Server) Start() {
	s.tb.Helper()
	ctx, cancel := context.WithTimeout(s.tb.Context(), patience)
	defer cancel()
	s.must(s.private.start(ctx))
	s.crashed = false
}

func (s *Server) must(err error) {
	s.tb.Helper()
	if err != nil {
		s.tb.Fatal(err)
	}
}

// remove deletes the cluster. One that crashed is started once more before, as
// only PostgreSQL itself frees the shared memory that a crash leaves.
func (s *Server) remove() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if s.crashed || s.private.Err() != nil {
		if err := s.private.start(ctx); err != nil {
			s.tb.Error(err)
		}
	}
	if err := s.private.remove(ctx); err != nil {
		s.tb.Error(err)
	}
}
