package auth

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/internal/rpc"
)

// cause is why a call is not let through, for operators.
type cause string

const (
	causeUnsigned  cause = "unsigned"
	causeForm      cause = "form"
	causeProfile   cause = "profile"
	causeAudience  cause = "audience"
	causeTime      cause = "time"
	causeKey       cause = "key"
	causeSignature cause = "signature"
	causeRole      cause = "role"
	causeContent   cause = "content"
	causeReplay    cause = "replay"
	causeNonces    cause = "nonces"
)

var causes = []cause{
	causeUnsigned, causeForm, causeProfile, causeAudience, causeTime, causeKey,
	causeSignature, causeRole, causeContent, causeReplay, causeNonces,
}

// NewFailures registers the counter of calls that are not let through.
func NewFailures(registry prometheus.Registerer) *prometheus.CounterVec {
	failures := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "strata_auth_failures_total",
		Help: "Calls that were not let through by their signature, by cause.",
	}, []string{"cause"})
	for _, c := range causes {
		failures.WithLabelValues(string(c))
	}
	registry.MustRegister(failures)
	return failures
}

// failure is why a call is not let through. What is answered says less than
// what is logged: to strangers, all keys that do not fit are alike.
type failure struct {
	cause  cause
	answer error
	detail string // for the log
}

func unauthenticated(c cause, detail, format string, args ...any) *failure {
	return &failure{c, rpc.Declinef(servingv1.ErrorReason_ERROR_REASON_UNAUTHENTICATED, format, args...), detail}
}

// invalid is the one answer to signatures that do not hold, and to keys that do
// not.
func invalid(c cause, detail string) *failure {
	return unauthenticated(c, detail, "the signature does not hold: the access key is unknown, revoked or expired, "+
		"or its secret key is another one, or the request is not as it was signed")
}

func skewed(now time.Time, detail string) *failure {
	return &failure{causeTime, &rpc.Declined{
		Reason:   servingv1.ErrorReason_ERROR_REASON_CLOCK_SKEW,
		Problem:  "the time of the signature is not now: the clock is wrong, or it was sent too late; sign again by the server's time",
		Metadata: map[string]string{"server_time_millis": strconv.FormatInt(now.UnixMilli(), 10)},
	}, detail}
}
