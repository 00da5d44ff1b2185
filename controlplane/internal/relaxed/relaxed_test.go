package relaxed_test

import (
	"testing"
	"time"

	"github.com/strata-exp/strata/controlplane/internal/relaxed"
	"github.com/strata-exp/strata/db/dbsqlc"
	"github.com/strata-exp/strata/db/dbtest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

func TestExec(t *testing.T) {
	t.Parallel()
	pool := dbtest.Open(t)
	insert := func(nonce string) (int64, error) {
		return relaxed.Exec(t.Context(), pool, func(q *dbsqlc.Queries) error {
			_, err := q.InsertNonce(t.Context(), dbsqlc.InsertNonceParams{AccessKey: "k", Nonce: nonce, ExpiresAt: time.Now()})
			return err
		})
	}
	// One that fails, in the middle of a transaction, is in nobody's way.
	for _, step := range []struct {
		nonce string
		rows  int64
		fails bool
	}{{"a", 1, false}, {"a", 0, false}, {"\x00", 0, true}, {"b", 1, false}} {
		if rows, err := insert(step.nonce); rows != step.rows || (err != nil) != step.fails {
			t.Errorf("%q: %d rows, %v", step.nonce, rows, err)
		}
	}
	var setting string
	if err := pool.QueryRow(t.Context(), "SELECT current_setting('synchronous_commit')").Scan(&setting); err != nil || setting != "on" {
		t.Errorf("commits are now %s, %v", setting, err)
	}
	if _, err := relaxed.Exec(t.Context(), pool, func(q *dbsqlc.Queries) error {
		_, err := q.Now(t.Context())
		return err
	}); err == nil {
		t.Error("a statement that is asked for rows is taken")
	}
}
