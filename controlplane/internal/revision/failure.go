package revision

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/strata-exp/strata/controlplane/internal/fault"
)

// failure gives an error of the database its place in the table of errors. Errors
// that have one already stay as they are.
func failure(ctx context.Context, err error) error { return fault.Of(ctx, err) }

// retriable reports whether a transaction failed because of others, so that it
// can be tried again at once.
func retriable(err error) bool {
	broken, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (broken.Code == "40001" || broken.Code == "40P01") || errors.Is(err, errMoved)
}

// missing makes the refusal of an environment that does not exist.
func missing(environment string, err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return fault.NoEnvironment(environment)
	}
	return err
}
