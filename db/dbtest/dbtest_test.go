package dbtest_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/strata-exp/strata/db"
	"github.com/strata-exp/strata/db/dbtest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

func exec(t *testing.T, pool *pgxpool.Pool, statement string) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func number(t *testing.T, pool *pgxpool.Pool, query string) (n int) {
	t.Helper()
	if err := pool.QueryRow(t.Context(), query).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

// TestDatabasesAreApart has two tests at once make the same table, and looks for
// their databases when they have ended.
func TestDatabasesAreApart(t *testing.T) {
	t.Parallel()
	pool := dbtest.Open(t)
	var names [2]string
	t.Cleanup(func() {
		if names[0] == names[1] {
			t.Errorf("both tests had the database %q", names[0])
		}
		var left int
		err := pool.QueryRow(context.Background(), "SELECT count(*) FROM pg_database WHERE datname = ANY ($1)", names[:]).Scan(&left)
		if err != nil || left != 0 {
			t.Errorf("%d databases are left: %v", left, err)
		}
	})
	for i := range names {
		t.Run(string(rune('a'+i)), func(t *testing.T) {
			t.Parallel()
			pool := dbtest.Open(t)
			if err := pool.QueryRow(t.Context(), "SELECT current_database()").Scan(&names[i]); err != nil {
				t.Fatal(err)
			}
			exec(t, pool, "CREATE TABLE mine (n int)")
			exec(t, pool, "INSERT INTO mine VALUES (1)")
			if n := number(t, pool, "SELECT count(*) FROM mine"); n != 1 {
				t.Errorf("found %d rows, want 1", n)
			}
		})
	}
}

func TestOpenIsMigrated(t *testing.T) {
	t.Parallel()
	pool := dbtest.Open(t)
	if n := number(t, pool, "SELECT max(version_id) FROM goose_db_version"); n < 1 {
		t.Errorf("the database is at version %d", n)
	}
	if err := db.Migrate(t.Context(), pool); err != nil {
		t.Errorf("once more: %v", err)
	}
}

// TestURLIsDroppedInUse leaves a connection open.
func TestURLIsDroppedInUse(t *testing.T) {
	t.Parallel()
	var conn *pgx.Conn
	t.Cleanup(func() {
		if _, err := conn.Exec(context.Background(), "SELECT 1"); err == nil {
			t.Error("a connection has outlived its database")
		}
		_ = conn.Close(context.Background())
	})
	t.Run("test", func(t *testing.T) {
		t.Parallel()
		var err error
		if conn, err = pgx.Connect(t.Context(), dbtest.URL(t)); err != nil {
			t.Fatal(err)
		}
	})
}

func TestClusterIsKilled(t *testing.T) {
	t.Parallel()
	server := dbtest.Cluster(t)
	pool, err := db.Open(t.Context(), server.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	exec(t, pool, "CREATE TABLE kept (n int)")
	exec(t, pool, "INSERT INTO kept VALUES (1)")
	server.Kill()
	if err := pool.Ping(t.Context()); err == nil {
		t.Error("a server that was killed answers")
	}
	server.Start()
	pool.Reset() // its connections are to the server that was
	if n := number(t, pool, "SELECT count(*) FROM kept"); n != 1 {
		t.Errorf("found %d rows, want 1", n)
	}
	server.Stop()
	server.Start()
	pool.Reset() // its connections are to the server that was
	if n := number(t, pool, "SELECT count(*) FROM kept"); n != 1 {
		t.Errorf("found %d rows after a stop, want 1", n)
	}
}

func TestClusterMayStayDead(t *testing.T) {
	t.Parallel()
	dbtest.Cluster(t).Kill()
}

// BenchmarkOpen is the time from a server that runs to the first answer of a
// database. They are dropped at the end, which takes no time here.
func BenchmarkOpen(b *testing.B) {
	dbtest.URL(b)
	for b.Loop() {
		pool := dbtest.Open(b)
		if err := pool.Ping(b.Context()); err != nil {
			b.Fatal(err)
		}
		pool.Close()
	}
}
