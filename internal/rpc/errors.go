package rpc

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
)

// Violation is one thing that is wrong with a request.
type Violation struct {
	// Field leads to the value at fault, such as "services[1]", or is "body"
	// where the request can not be read at all.
	Field string
	// Problem says what is wrong there, and what would be right.
	Problem string
	// Reason is the violation's own, if the request's is not enough.
	Reason adminv1.ErrorReason
}

// Invalid is a request that is malformed or breaks a limit. It has at least one
// violation.
type Invalid struct{ Violations []Violation }

// Invalidf returns an Invalid with one violation.
func Invalidf(field, format string, args ...any) *Invalid {
	return &Invalid{Violations: []Violation{{Field: field, Problem: fmt.Sprintf(format, args...)}}}
}

func (e *Invalid) Error() string {
	parts := make([]string, len(e.Violations))
	for i, v := range e.Violations {
		parts[i] = v.Problem
		if v.Field != "" {
			parts[i] = v.Field + ": " + v.Problem
		}
	}
	return strings.Join(parts, "; ")
}

// TooLarge is a message that is larger than one message may be.
type TooLarge struct {
	// What is too large, such as "the answer".
	What string
	// MaxBytes is how large it may be.
	MaxBytes int64
}

func (e *TooLarge) Error() string {
	return fmt.Sprintf("%s is larger than %d MiB: send less at a time", e.What, e.MaxBytes>>20)
}

// NotAvailable is a revision or a time that is not at hand.
type NotAvailable struct {
	// Problem says what is not at hand, and what is.
	Problem string
}

func (e *NotAvailable) Error() string { return e.Problem }

// Refusal is a request that is well-formed, but that the control plane does not
// carry out as things stand.
type Refusal struct {
	Reason adminv1.ErrorReason
	// Problem says what is in the way, and what to do.
	Problem string
	// Metadata is more for programs, such as the current revision.
	Metadata map[string]string
	// Violations name the values of the request that are at fault, if any are.
	Violations []Violation
}

// Refusef returns a Refusal without more for programs than its reason.
func Refusef(reason adminv1.ErrorReason, format string, args ...any) *Refusal {
	return &Refusal{Reason: reason, Problem: fmt.Sprintf(format, args...)}
}

func (e *Refusal) Error() string { return e.Problem }

// Unavailable is a call that failed as something that is needed for it could not
// be reached. Its cause is not for clients.
type Unavailable struct{ Err error }

func (e *Unavailable) Error() string { return "unavailable: " + e.Err.Error() }

func (e *Unavailable) Unwrap() error { return e.Err }

// Declined is a call that a server does not carry out for this caller, or not
// now, whatever it asks: the caller is not authenticated, may not do it, or has
// come to the wrong server or at the wrong time.
type Declined struct {
	Reason servingv1.ErrorReason
	// Problem says what is in the way, and what to do.
	Problem string
	// Metadata is more for programs, such as when to come back.
	Metadata map[string]string
}

// Declinef returns a Declined without more for programs than its reason.
func Declinef(reason servingv1.ErrorReason, format string, args ...any) *Declined {
	return &Declined{Reason: reason, Problem: fmt.Sprintf(format, args...)}
}

// Overloaded returns a Declined that asks the caller to come back after a random
// time between these.
func Overloaded(retryMin, retryMax time.Duration) *Declined {
	return &Declined{
		Reason:  servingv1.ErrorReason_ERROR_REASON_OVERLOADED,
		Problem: fmt.Sprintf("too many at once: come back after a random time between %s and %s", retryMin, retryMax),
		Metadata: map[string]string{
			"retry_min_millis": strconv.FormatInt(retryMin.Milliseconds(), 10),
			"retry_max_millis": strconv.FormatInt(retryMax.Milliseconds(), 10),
		},
	}
}

func (e *Declined) Error() string { return e.Problem }
