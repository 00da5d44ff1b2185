package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"

	"github.com/strata-exp/strata/internal/explain"
)

// failure is an error of a control plane, for people: the message with the
// reason for programs, one line for each value at fault, and what to do.
type failure struct {
	message, reason string
	violations      []string
	hint            string
}

func (f *failure) Error() string {
	var b strings.Builder
	b.WriteString(bracketed(f.message, f.reason))
	for _, v := range f.violations {
		b.WriteString("\n  " + v)
	}
	if f.hint != "" {
		b.WriteString("\n" + f.hint)
	}
	return b.String()
}

// reasonPrefix begins the names of reasons, which go without it here.
const reasonPrefix = "ERROR_REASON_"

func bracketed(text, reason string) string {
	text = explain.Printable(text)
	if reason == "" {
		return text
	}
	return text + " [" + explain.Printable(strings.TrimPrefix(reason, reasonPrefix)) + "]"
}

// failure makes an error for people of the error of a call. locate, if not nil,
// says in words of files where a violation is. Other errors stay as they are.
func (s *server) failure(ctx context.Context, err error, locate func(*errdetails.BadRequest_FieldViolation) string) error {
	refused, ok := errors.AsType[*connect.Error](err)
	if !ok {
		return err
	}
	if ctx.Err() != nil {
		return errors.New("stopped before there was an answer")
	}
	if !connect.IsWireError(refused) {
		return s.silence(refused)
	}
	f := &failure{message: refused.Message()}
	if f.message == "" {
		f.message = refused.Code().String()
	}
	var violations []*errdetails.BadRequest_FieldViolation
	var metadata map[string]string
	for _, detail := range refused.Details() {
		message, err := detail.Value()
		if err != nil {
			continue
		}
		switch message := message.(type) {
		case *errdetails.ErrorInfo:
			f.reason, metadata = message.GetReason(), message.GetMetadata()
		case *errdetails.BadRequest:
			violations = append(violations, message.GetFieldViolations()...)
		}
	}
	f.name(violations, locate)
	f.hint = s.hint(refused.Code(), strings.TrimPrefix(f.reason, reasonPrefix), metadata)
	return f
}

// hint says what to do about a reason; empty if the message says all.
func (s *server) hint(code connect.Code, reason string, metadata map[string]string) string {
	switch {
	case reason == "CLOCK_SKEW":
		text := "this machine's clock says " + time.Now().UTC().Format(time.DateTime)
		if millis, err := strconv.ParseInt(metadata["server_time_millis"], 10, 64); err == nil {
			text += ", the control plane's " + time.UnixMilli(millis).UTC().Format(time.DateTime)
		}
		return text + " (UTC): set the one that is wrong"
	case reason == "REPLAYED":
		return "nothing was done: try again; if it stays so, something on the way sends requests twice"
	case code == connect.CodeUnauthenticated && s.key == nil:
		return "there is no access key for " + s.url + " here: set STRATA_ACCESS_KEY and STRATA_SECRET_KEY\n" +
			"\"strata keys bootstrap\" makes the first key, \"strata keys create\" makes others"
	case code == connect.CodeUnauthenticated:
		return fmt.Sprintf("it was signed by %s of %s for the audience %q\n", s.key.AccessKey(), s.keySource, s.audience) +
			"\"strata keys list\" with another key tells what became of this one; a new key is known everywhere after two seconds"
	case code == connect.CodePermissionDenied && s.key != nil:
		return fmt.Sprintf("it was signed by %s of %s\n", s.key.AccessKey(), s.keySource) +
			"\"strata keys list\" with an admin's key tells what this one may do, \"strata keys create\" makes one that may do more"
	default:
		return hints[reason]
	}
}

// silence returns the failure of a call that no control plane answered.
func (s *server) silence(err *connect.Error) *failure {
	const another = "--server or STRATA_SERVER names another one"
	switch err.Code() {
	case connect.CodeDeadlineExceeded:
		return &failure{message: s.url + " did not answer in time", hint: another}
	case connect.CodeUnavailable:
		cause := err.Message()
		if number, ok := errors.AsType[syscall.Errno](err); ok {
			cause = number.Error()
		}
		return &failure{
			message: "no control plane answers at " + s.url + ": " + cause,
			hint:    "\"strata dev\" starts one; " + another,
		}
	default:
		return &failure{message: s.url + " does not answer as a control plane does: " + err.Message(), hint: another}
	}
}

// name lists the values at fault. A message that only repeats them gives way to
// a headline.
func (f *failure) name(violations []*errdetails.BadRequest_FieldViolation, locate func(*errdetails.BadRequest_FieldViolation) string) {
	repeated := len(violations) > 0
	for _, v := range violations {
		repeated = repeated && strings.Contains(f.message, v.GetDescription())
		reason := v.GetReason()
		if reason == f.reason {
			reason = ""
		}
		where := v.GetField()
		if locate != nil {
			where = locate(v)
		}
		text := v.GetDescription()
		if where != "" {
			text = where + ": " + text
		}
		f.violations = append(f.violations, bracketed(text, reason))
	}
	if repeated {
		f.message = "the control plane refuses this"
	}
}

// hints say what to do about some reasons, beyond what the messages say.
var hints = map[string]string{
	"ENVIRONMENT_NOT_FOUND": "\"strata get environments\" lists those there are",
	"RESOURCE_NOT_FOUND":    "\"strata get\" lists what there is",
	"REVISION_NOT_FOUND":    "\"strata history\" lists those there are",
	"REVISION_COMPACTED":    "\"strata get environment NAME\" says from which revision on there are contents",
	"STALE_REVISION":        "nothing was done, as somebody else changed the environment: try again, and look at the new plan",
	"STALE_ETAG":            "nothing was done, as somebody else changed it: try again",
	"PLAN_MISMATCH":         "nothing was done, as it would not be what the plan said: try again, and look at the new plan",
	"KEY_NOT_FOUND":         "\"strata keys list\" lists those there are",
	"KEY_LIMIT":             "\"strata keys list --in-use\" shows them, \"strata keys revoke\" revokes one",
	"LAST_ADMIN_KEY":        "\"strata keys create NAME --role admin\" makes another one",
	"NOT_ENOUGH_SLOTS":      "\"strata get layer ID\" shows who has them; --ignore-cooling takes those that rest, too",
}
