package access

import (
	"context"
	"time"

	"github.com/strata-exp/strata/controlplane/internal/fault"
	"github.com/strata-exp/strata/controlplane/internal/relaxed"
	"github.com/strata-exp/strata/db/dbsqlc"
)

const (
	// keepNonces is how long nonces are kept beyond their time: a process whose
	// clock is behind still takes their signatures.
	keepNonces = 10 * time.Minute
	// nonceTime is how long a call may wait for the database to know its nonce.
	nonceTime = 3 * time.Second
	// cleanRows is how many nonces one statement removes.
	cleanRows = 5000
)

// Use notes that a signature was used, and reports whether that was the first
// time, among all processes of the database.
//
// It takes one round trip and does not wait for the disk. That is safe: the
// write-ahead log is written in order, so that whoever later commits what the
// call changes, and waits for that, has the nonce on the disk before it. If the
// nonce is lost when the machine fails, so is the change, and the call that is
// sent again is carried out for the first time.
func (s *Store) Use(caller context.Context, accessKey, nonce string, expires time.Time) (fresh bool, err error) {
	ctx, cancel := context.WithTimeout(caller, nonceTime)
	defer cancel()
	rows, err := relaxed.Exec(ctx, s.pool, func(q *dbsqlc.Queries) error {
		_, err := q.InsertNonce(ctx, dbsqlc.InsertNonceParams{AccessKey: accessKey, Nonce: nonce, ExpiresAt: expires})
		return err
	})
	return rows == 1 && err == nil, fault.Of(caller, err)
}

// cleanNonces removes nonces whose signatures nobody takes any more.
func (s *Store) cleanNonces(ctx context.Context) error {
	q := s.queries()
	now, err := q.Now(ctx)
	if err != nil {
		return err
	}
	for {
		removed, err := q.DeleteNonces(ctx, dbsqlc.DeleteNoncesParams{Before: now.Add(-keepNonces), MaxRows: cleanRows})
		if err != nil || removed < cleanRows {
			return err
		}
	}
}
