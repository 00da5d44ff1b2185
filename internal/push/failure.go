package push

import (
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/internal/rpc"
)

// NotServed returns the error of an environment that is not served here.
func NotServed(environment string) error {
	return rpc.Declinef(servingv1.ErrorReason_ERROR_REASON_NOT_SERVED, "the environment %q is not served here", rpc.Clip(environment))
}

func denied(format string, args ...any) error {
	return rpc.Declinef(servingv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED, format, args...)
}

func behind(format string, args ...any) error {
	return rpc.Declinef(servingv1.ErrorReason_ERROR_REASON_BEHIND, format, args...)
}

// refusal is that a call is not begun, as there are too many: it is told to come
// back within a window.
type refusal struct {
	cause cause
	error
}

func (r *refusal) Unwrap() error { return r.error }

func refuse(c cause, w window) error { return &refusal{c, rpc.Overloaded(w.min, w.max)} }

func stopping() error { return behind("the server is stopping: come back, or go to another one") }
