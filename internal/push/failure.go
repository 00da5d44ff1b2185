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

func overloaded() error { return rpc.Overloaded(crowd.min, crowd.max) }

func stopping() error { return behind("the server is stopping: come back, or go to another one") }
