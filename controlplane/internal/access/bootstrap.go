package access

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/strata-exp/strata/db/dbsqlc"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
)

// ErrHasAdmin says that there is a key already that may do everything.
var ErrHasAdmin = errors.New("there is a key already that may make others: use that, or force it if its secret is lost")

// Bootstrap makes a key that may do everything, without a key, for whoever can
// reach the database. Unless forced, it fails with ErrHasAdmin if there is one
// that can be used; if forced, of the keys of its name the newest alone stays in
// use beside it. The role and the environments of the request do not count.
func Bootstrap(ctx context.Context, pool *pgxpool.Pool, r Request, force bool) (*adminv1.AccessKey, error) {
	r.Role, r.Environments = servingv1.Role_ROLE_ADMIN, nil
	if err := r.check(); err != nil {
		return nil, err
	}
	var made dbsqlc.AccessKey
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		q := dbsqlc.New(tx)
		now, err := q.LockKeys(ctx)
		if err != nil {
			return err
		}
		usable, err := countAdmins(ctx, q, now)
		if err != nil {
			return err
		}
		if usable > 0 && !force {
			return ErrHasAdmin
		}
		if force { // its secret is lost, and so may be those of others of the name
			if err := q.RevokeOldKeysOfName(ctx, dbsqlc.RevokeOldKeysOfNameParams{Name: r.Name, Now: now}); err != nil {
				return err
			}
		}
		made, err = create(ctx, q, r)
		return err
	})
	if err != nil {
		return nil, err
	}
	return message(made), nil
}
