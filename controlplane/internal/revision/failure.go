package revision

import (
	"context"
	"errors"
	"net"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/internal/rpc"
)

// failure gives an error of the database its place in the table of errors. Errors
// that have one already stay as they are.
func failure(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil {
		return err
	}
	if unreachable(err) {
		return &rpc.Unavailable{Err: err}
	}
	return err
}

// unreachable reports whether it may help to try again later.
func unreachable(err error) bool {
	if fault, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch fault.Code[:min(2, len(fault.Code))] {
		case "08", "53", "57", "58": // connections, resources, operators, the system below
			return true
		default:
			return fault.Code == "55P03" || fault.Code == "25P03" // time-outs of locks and idle transactions
		}
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	return pgconn.SafeToRetry(err) || errors.Is(err, net.ErrClosed) || isCut(err)
}

// isCut reports whether the connection ended in the middle of something. pgx has
// no type for that.
func isCut(err error) bool {
	text := err.Error()
	return strings.Contains(text, "unexpected EOF") || strings.Contains(text, "conn closed") ||
		strings.Contains(text, "closed pool")
}

// retriable reports whether a transaction failed because of others, so that it
// can be tried again at once.
func retriable(err error) bool {
	fault, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (fault.Code == "40001" || fault.Code == "40P01") || errors.Is(err, errMoved)
}

// missing makes the refusal of an environment that does not exist.
func missing(environment string, err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return rpc.Refusef(adminv1.ErrorReason_ERROR_REASON_ENVIRONMENT_NOT_FOUND, "there is no environment %q", environment)
	}
	return err
}
