package rpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
)

// Domain is the domain of all our reasons.
const Domain = "strata"

// verdict is what an error with a given reason is to a client and to us.
type verdict struct {
	code  connect.Code
	level slog.Level
}

// verdicts is the one table from reasons to codes.
var verdicts = map[servingv1.ErrorReason]verdict{
	servingv1.ErrorReason_ERROR_REASON_INVALID_REQUEST:        {connect.CodeInvalidArgument, slog.LevelDebug},
	servingv1.ErrorReason_ERROR_REASON_TOO_LARGE:              {connect.CodeResourceExhausted, slog.LevelDebug},
	servingv1.ErrorReason_ERROR_REASON_REVISION_NOT_AVAILABLE: {connect.CodeNotFound, slog.LevelDebug},
	servingv1.ErrorReason_ERROR_REASON_INTERNAL:               {connect.CodeInternal, slog.LevelError},

	servingv1.ErrorReason_ERROR_REASON_UNAUTHENTICATED:   {connect.CodeUnauthenticated, slog.LevelDebug},
	servingv1.ErrorReason_ERROR_REASON_CLOCK_SKEW:        {connect.CodeUnauthenticated, slog.LevelDebug},
	servingv1.ErrorReason_ERROR_REASON_REPLAYED:          {connect.CodeUnauthenticated, slog.LevelDebug},
	servingv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED: {connect.CodePermissionDenied, slog.LevelDebug},
	servingv1.ErrorReason_ERROR_REASON_NOT_SERVED:        {connect.CodeNotFound, slog.LevelDebug},
	servingv1.ErrorReason_ERROR_REASON_BEHIND:            {connect.CodeUnavailable, slog.LevelDebug},
	servingv1.ErrorReason_ERROR_REASON_OVERLOADED:        {connect.CodeResourceExhausted, slog.LevelDebug},
}

// refusals is the same for what the control plane refuses.
var refusals = map[adminv1.ErrorReason]connect.Code{
	adminv1.ErrorReason_ERROR_REASON_ENVIRONMENT_NOT_FOUND: connect.CodeNotFound,
	adminv1.ErrorReason_ERROR_REASON_RESOURCE_NOT_FOUND:    connect.CodeNotFound,
	adminv1.ErrorReason_ERROR_REASON_REVISION_NOT_FOUND:    connect.CodeNotFound,
	adminv1.ErrorReason_ERROR_REASON_REVISION_COMPACTED:    connect.CodeNotFound,
	adminv1.ErrorReason_ERROR_REASON_KEY_NOT_FOUND:         connect.CodeNotFound,

	adminv1.ErrorReason_ERROR_REASON_ALREADY_EXISTS:         connect.CodeAlreadyExists,
	adminv1.ErrorReason_ERROR_REASON_IDEMPOTENCY_KEY_REUSED: connect.CodeAlreadyExists,

	adminv1.ErrorReason_ERROR_REASON_STALE_REVISION: connect.CodeAborted,
	adminv1.ErrorReason_ERROR_REASON_STALE_ETAG:     connect.CodeAborted,
	adminv1.ErrorReason_ERROR_REASON_PLAN_MISMATCH:  connect.CodeAborted,

	adminv1.ErrorReason_ERROR_REASON_INVALID_CONFIGURATION:    connect.CodeInvalidArgument,
	adminv1.ErrorReason_ERROR_REASON_RANGES_OVERLAP:           connect.CodeInvalidArgument,
	adminv1.ErrorReason_ERROR_REASON_EXPERIMENT_IN_TWO_LAYERS: connect.CodeInvalidArgument,
	adminv1.ErrorReason_ERROR_REASON_UNKNOWN_VARIANT:          connect.CodeInvalidArgument,
	adminv1.ErrorReason_ERROR_REASON_ID_TAKEN:                 connect.CodeInvalidArgument,
	adminv1.ErrorReason_ERROR_REASON_PARAMS_TOO_LARGE:         connect.CodeInvalidArgument,
	adminv1.ErrorReason_ERROR_REASON_INVALID_PARAMS:           connect.CodeInvalidArgument,
	adminv1.ErrorReason_ERROR_REASON_INVALID_RULE:             connect.CodeInvalidArgument,
	adminv1.ErrorReason_ERROR_REASON_INVALID_VALUE:            connect.CodeInvalidArgument,
	adminv1.ErrorReason_ERROR_REASON_SERVICE_MISMATCH:         connect.CodeInvalidArgument,
	adminv1.ErrorReason_ERROR_REASON_INVALID_SCHEMA:           connect.CodeInvalidArgument,
	adminv1.ErrorReason_ERROR_REASON_SCHEMA_VIOLATED:          connect.CodeInvalidArgument,
	adminv1.ErrorReason_ERROR_REASON_INVALID_ALLOCATION:       connect.CodeInvalidArgument,

	adminv1.ErrorReason_ERROR_REASON_SALT_IMMUTABLE:     connect.CodeFailedPrecondition,
	adminv1.ErrorReason_ERROR_REASON_HASH_KEY_IMMUTABLE: connect.CodeFailedPrecondition,
	adminv1.ErrorReason_ERROR_REASON_STILL_REFERENCED:   connect.CodeFailedPrecondition,
	adminv1.ErrorReason_ERROR_REASON_INVALID_STATE:      connect.CodeFailedPrecondition,
	adminv1.ErrorReason_ERROR_REASON_NOT_ENOUGH_SLOTS:   connect.CodeFailedPrecondition,
	adminv1.ErrorReason_ERROR_REASON_SLOTS_HELD:         connect.CodeFailedPrecondition,
	adminv1.ErrorReason_ERROR_REASON_KEY_LIMIT:          connect.CodeFailedPrecondition,
	adminv1.ErrorReason_ERROR_REASON_LAST_ADMIN_KEY:     connect.CodeFailedPrecondition,

	adminv1.ErrorReason_ERROR_REASON_UNAVAILABLE: connect.CodeUnavailable,
}

// refused turns what the control plane refuses into what a client may see. An
// unavailable part keeps its cause to the log.
func refused(ctx context.Context, log *slog.Logger, procedure string, err error) (*connect.Error, bool) {
	if gone, ok := errors.AsType[*Unavailable](err); ok {
		log.LogAttrs(ctx, slog.LevelWarn, "a call failed", slog.String("procedure", procedure), slog.String("error", gone.Error()))
		err = Refusef(adminv1.ErrorReason_ERROR_REASON_UNAVAILABLE,
			"the database can not be reached or did not answer in time: retry with the same idempotency key, as the call may have been carried out")
	}
	refusal, ok := errors.AsType[*Refusal](err)
	if !ok {
		return nil, false
	}
	code, ok := refusals[refusal.Reason]
	if !ok {
		return nil, false
	}
	log.LogAttrs(ctx, slog.LevelDebug, "a call was refused", slog.String("procedure", procedure), slog.String("error", err.Error()))
	answer := connect.NewError(code, refusal)
	addDetail(answer, &errdetails.ErrorInfo{Reason: refusal.Reason.String(), Domain: Domain, Metadata: refusal.Metadata})
	if len(refusal.Violations) > 0 {
		addDetail(answer, badRequest(refusal.Violations))
	}
	return answer, true
}

// reasonOf is the one list of domain errors.
func reasonOf(err error) servingv1.ErrorReason {
	if _, ok := errors.AsType[*Invalid](err); ok {
		return servingv1.ErrorReason_ERROR_REASON_INVALID_REQUEST
	}
	if _, ok := errors.AsType[*TooLarge](err); ok {
		return servingv1.ErrorReason_ERROR_REASON_TOO_LARGE
	}
	if _, ok := errors.AsType[*NotAvailable](err); ok {
		return servingv1.ErrorReason_ERROR_REASON_REVISION_NOT_AVAILABLE
	}
	if declined, ok := errors.AsType[*Declined](err); ok {
		if _, known := verdicts[declined.Reason]; known {
			return declined.Reason
		}
	}
	return servingv1.ErrorReason_ERROR_REASON_INTERNAL
}

// coded turns an error into what a client may see, and logs it. An error that
// has a code already keeps it, and all it has. The end of a context comes
// before what else went wrong because of it. The answer to an unknown error has
// nothing of its text, only a reference to the log.
func coded(ctx context.Context, log *slog.Logger, procedure string, err error) *connect.Error {
	if known, ok := errors.AsType[*connect.Error](err); ok {
		return known
	}
	switch {
	case errors.Is(err, context.Canceled):
		return connect.NewError(connect.CodeCanceled, context.Canceled)
	case errors.Is(err, context.DeadlineExceeded):
		return connect.NewError(connect.CodeDeadlineExceeded, context.DeadlineExceeded)
	}
	if answer, ok := refused(ctx, log, procedure, err); ok {
		return answer
	}
	reason := reasonOf(err)
	v := verdicts[reason]
	info := &errdetails.ErrorInfo{Reason: reason.String(), Domain: Domain}
	message := err
	attributes := []slog.Attr{slog.String("procedure", procedure), slog.String("error", err.Error())}
	if reason == servingv1.ErrorReason_ERROR_REASON_INTERNAL {
		reference := fmt.Sprintf("%08x", rand.Uint32())
		message = fmt.Errorf("a fault of the server; its log has more under the reference %s", reference)
		info.Metadata = map[string]string{"reference": reference}
		attributes = append(attributes, slog.String("reference", reference))
	}
	log.LogAttrs(ctx, v.level, "a call failed", attributes...)
	if declined, ok := errors.AsType[*Declined](err); ok && declined.Reason == reason {
		message, info.Metadata = declined, declined.Metadata // what wraps it is for the log
	}
	answer := connect.NewError(v.code, message)
	addDetail(answer, info)
	if invalid, ok := errors.AsType[*Invalid](err); ok {
		addDetail(answer, badRequest(invalid.Violations))
	}
	return answer
}

func badRequest(violations []Violation) *errdetails.BadRequest {
	detail := &errdetails.BadRequest{}
	for _, v := range violations {
		violation := &errdetails.BadRequest_FieldViolation{Field: v.Field, Description: v.Problem}
		if v.Reason != 0 {
			violation.Reason = v.Reason.String()
		}
		detail.FieldViolations = append(detail.FieldViolations, violation)
	}
	return detail
}

// addDetail leaves out a detail that can not be marshalled, which takes a text
// that is not UTF-8: the answer without it is better than none.
func addDetail(answer *connect.Error, message proto.Message) {
	if detail, err := connect.NewErrorDetail(message); err == nil {
		answer.AddDetail(detail)
	}
}
