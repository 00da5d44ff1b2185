package dbtest

import (
	"testing"

	"github.com/jackc/pgx/v5"
)

// TestGivenServer uses a server that is not ours to stop.
func TestGivenServer(t *testing.T) {
	given := Cluster(t)
	t.Setenv(serverEnv, given.URL())
	s, err := start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	name, err := s.create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), s.url(name))
	if err != nil {
		t.Fatal(err)
	}
	var is string
	var version int
	err = conn.QueryRow(t.Context(), "SELECT current_database(), (SELECT max(version_id) FROM goose_db_version)").Scan(&is, &version)
	if err != nil || is != name || version < 1 {
		t.Errorf("connected to %q at version %d, want %q: %v", is, version, name, err)
	}
	if err := s.drop(t.Context(), name); err != nil { // conn notwithstanding
		t.Error(err)
	}
	_ = conn.Close(t.Context())
	if err := s.close(t.Context()); err != nil {
		t.Error(err)
	}

	conn, err = pgx.Connect(t.Context(), given.URL())
	if err != nil {
		t.Fatalf("the server is gone: %v", err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	var left int
	if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM pg_database WHERE datname LIKE 'strata_test_%'").Scan(&left); err != nil || left != 0 {
		t.Errorf("%d databases are left: %v", left, err)
	}
}

func TestInDatabase(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"postgres://u:p@h:5433/a?sslmode=disable": "postgres://u:p@h:5433/b?sslmode=disable",
		"postgresql://h":            "postgresql://h/b",
		"host=/tmp user=u dbname=a": "host=/tmp user=u dbname=a dbname=b", // the last counts
	} {
		got := inDatabase(given, "b")
		config, err := pgx.ParseConfig(got)
		if got != want || err != nil || config.Database != "b" {
			t.Errorf("from %s: %s, %v", given, got, err)
		}
	}
}
