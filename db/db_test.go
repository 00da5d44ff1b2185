package db_test

import (
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/strata-exp/strata/db"
	"github.com/strata-exp/strata/db/dbtest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// empty returns the URL of a database without a schema.
func empty(t *testing.T) string {
	t.Helper()
	url := dbtest.URL(t)
	pool, err := db.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if _, err := pool.Exec(t.Context(), "DROP SCHEMA public CASCADE; CREATE SCHEMA public"); err != nil {
		t.Fatal(err)
	}
	return url
}

// TestMigrateAtOnce is what control planes do that start together, each with no
// more than one connection.
func TestMigrateAtOnce(t *testing.T) {
	t.Parallel()
	url := empty(t)
	one := func(c *pgxpool.Config) { c.MaxConns = 1 }
	ended := make(chan error)
	for range 3 {
		go func() {
			pool, err := db.Open(t.Context(), url, one)
			if err == nil {
				err = db.Migrate(t.Context(), pool)
				pool.Close()
			}
			ended <- err
		}()
	}
	for range 3 {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

func TestOpenWaitsForCommits(t *testing.T) {
	t.Parallel()
	for want, options := range map[string][]func(*pgxpool.Config){
		"on": nil,
		"off": {func(c *pgxpool.Config) {
			c.AfterConnect = nil
			c.ConnConfig.RuntimeParams["synchronous_commit"] = "off"
		}},
	} {
		pool, err := db.Open(t.Context(), dbtest.URL(t), options...)
		if err != nil {
			t.Fatal(err)
		}
		var got string
		err = pool.QueryRow(t.Context(), "SHOW synchronous_commit").Scan(&got)
		pool.Close()
		if err != nil || got != want {
			t.Errorf("synchronous_commit is %q, want %q: %v", got, want, err)
		}
	}
}
