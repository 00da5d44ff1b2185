// Package fault gives errors of the database their place in the table of errors
// of internal/rpc.
package fault

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

// Of returns an error as a *rpc.Unavailable where it may help to try again later,
// and as a *rpc.Invalid where a text of a request can not be looked for or kept.
// Errors that have a place already stay as they are, and so do those of a call
// whose context has ended.
func Of(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil {
		return err
	}
	const notInRepertoire = "22021"
	if broken, ok := errors.AsType[*pgconn.PgError](err); ok && broken.Code == notInRepertoire {
		return rpc.Invalidf("body", "a text has the character U+0000, which is in no name")
	}
	if Unreachable(err) {
		return &rpc.Unavailable{Err: err}
	}
	return err
}

// Unreachable reports whether it may help to try again later.
func Unreachable(err error) bool {
	if fault, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch fault.Code[:min(2, len(fault.Code))] {
		case "08", "53", "57", "58": // connections, resources, operators, the system below
			return true
		default:
			// Time-outs of locks and of idle transactions, and a standby that is not
			// promoted yet.
			return fault.Code == "55P03" || fault.Code == "25P03" || fault.Code == "25006"
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

// NoEnvironment returns the refusal of an environment that does not exist.
func NoEnvironment(environment string) error {
	return rpc.Refusef(adminv1.ErrorReason_ERROR_REASON_ENVIRONMENT_NOT_FOUND, "there is no environment %q", environment)
}

// NoRevision returns the refusal of a revision that an environment does not have,
// which is at another one.
func NoRevision(environment string, revision, head int64) error {
	return rpc.Refusef(adminv1.ErrorReason_ERROR_REASON_REVISION_NOT_FOUND,
		"environment %s has no revision %d: want 1 to %d", environment, revision, head)
}

// OfEnvironment is Of for a query of an environment by its name, of which no row
// means that there is none.
func OfEnvironment(ctx context.Context, environment string, err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return NoEnvironment(environment)
	}
	return Of(ctx, err)
}
