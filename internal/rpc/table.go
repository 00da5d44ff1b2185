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
	answer := connect.NewError(v.code, message)
	addDetail(answer, info)
	if invalid, ok := errors.AsType[*Invalid](err); ok {
		addDetail(answer, badRequest(invalid))
	}
	return answer
}

func badRequest(invalid *Invalid) *errdetails.BadRequest {
	detail := &errdetails.BadRequest{}
	for _, v := range invalid.Violations {
		detail.FieldViolations = append(detail.FieldViolations,
			&errdetails.BadRequest_FieldViolation{Field: v.Field, Description: v.Problem})
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
