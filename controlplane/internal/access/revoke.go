package access

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/strata-exp/strata/controlplane/internal/fault"
	"github.com/strata-exp/strata/db/dbsqlc"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/internal/rpc"
)

// Revoke ends a key for good, and returns it as it is now. When it returns, this
// process refuses what the key signs. A key that was revoked before stays as it
// is. The last key that may do everything can not be revoked.
func (s *Store) Revoke(ctx context.Context, accessKey string) (*adminv1.AccessKey, error) {
	var revoked dbsqlc.AccessKey
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) (err error) {
		revoked, err = revoke(ctx, dbsqlc.New(tx), accessKey)
		return err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, rpc.Refusef(adminv1.ErrorReason_ERROR_REASON_KEY_NOT_FOUND, "there is no access key %q", rpc.Clip(accessKey))
	} else if err != nil {
		return nil, fault.Of(ctx, err)
	}
	s.changed(ctx)
	return message(revoked), nil
}

// revoke revokes a key in a transaction.
func revoke(ctx context.Context, q *dbsqlc.Queries, accessKey string) (dbsqlc.AccessKey, error) {
	now, err := q.LockKeys(ctx)
	if err != nil {
		return dbsqlc.AccessKey{}, err
	}
	key, err := q.GetAccessKey(ctx, accessKey)
	if err != nil || key.RevokedAt.Valid {
		return key, err
	}
	if isAdmin(key, now) {
		usable, err := countAdmins(ctx, q, now)
		if err != nil {
			return key, err
		}
		if usable == 1 {
			return key, rpc.Refusef(adminv1.ErrorReason_ERROR_REASON_LAST_ADMIN_KEY,
				"%s is the last key that could make or revoke keys: make another one with ROLE_ADMIN for all environments first", accessKey)
		}
	}
	if err := q.RevokeAccessKey(ctx, dbsqlc.RevokeAccessKeyParams{AccessKey: accessKey, Now: now}); err != nil {
		return key, err
	}
	if err := q.BumpKeyVersion(ctx); err != nil {
		return key, err
	}
	return q.GetAccessKey(ctx, accessKey)
}

// isAdmin reports whether a key that is not revoked may do everything.
func isAdmin(key dbsqlc.AccessKey, now time.Time) bool {
	return servingv1.Role(key.Role) == servingv1.Role_ROLE_ADMIN && len(key.Environments) == 0 && key.ExpiresAt.After(now)
}

// countAdmins returns how many keys may do everything now.
func countAdmins(ctx context.Context, q *dbsqlc.Queries, now time.Time) (int64, error) {
	return q.CountAdminKeys(ctx, dbsqlc.CountAdminKeysParams{Role: int16(servingv1.Role_ROLE_ADMIN), Now: now})
}
