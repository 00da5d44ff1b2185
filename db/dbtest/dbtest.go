// Package dbtest gives tests databases of their own, with the schema of package
// db, on a real PostgreSQL. It is for tests alone.
//
// All tests of a package share one server, which is started when the first of
// them needs it and leaves nothing behind: a private one, or that of the URL in
// TEST_DATABASE_URL, whose user must be allowed to create databases. A test that
// wants to stop or kill its server asks for a Cluster.
package dbtest

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"github.com/strata-exp/strata/db"
)

// Main runs the tests of a package, stops their server, and fails if they left
// goroutines behind. A package that uses dbtest calls it from TestMain, with what
// goleak should let pass. It does not return.
func Main(m *testing.M, options ...goleak.Option) {
	goleak.VerifyTestMain(runner{m}, options...)
}

type runner struct{ m *testing.M }

func (r runner) Run() int {
	shared.inMain.Store(true)
	code := r.m.Run()
	if err := shared.stop(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, "dbtest:", err)
		code = 1
	}
	return code
}

// Open returns a pool of connections to a database that only this test uses. The
// pool is closed and the database dropped when the test ends; that a connection
// is still in use then is an error.
func Open(tb testing.TB) *pgxpool.Pool {
	tb.Helper()
	return open(tb, URL(tb))
}

// URL returns the URL of a database that only this test uses, and that is dropped
// when the test ends, whoever is connected.
func URL(tb testing.TB) string {
	tb.Helper()
	s := shared.get(tb)
	name, err := s.create(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.drop(context.Background(), name); err != nil {
			tb.Error(err)
		}
	})
	return s.url(name)
}

// patience is how long things may take that are done at once. Only a test that
// fails takes so long.
const patience = time.Minute

func open(tb testing.TB, url string) *pgxpool.Pool {
	tb.Helper()
	pool, err := db.Open(tb.Context(), url)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		closed := make(chan struct{})
		go func() {
			pool.Close()
			close(closed)
		}()
		timer := time.NewTimer(patience)
		defer timer.Stop()
		select {
		case <-closed:
		case <-timer.C:
			tb.Errorf("%d connections of the test's pool are still in use", pool.Stat().AcquiredConns())
		}
	})
	return pool
}
