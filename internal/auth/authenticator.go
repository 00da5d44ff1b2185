package auth

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/internal/rpc"
	"github.com/strata-exp/strata/sdk/go/accesskey"
)

// Policy says who may call a procedure, and how.
type Policy struct {
	// Roles are those that may. Nobody else may.
	Roles []servingv1.Role
	// Sessions says whether a session will do. A session can be used by whoever
	// sees it, and does not cover the request: it is for calls that may be
	// repeated.
	Sessions bool
}

// Authenticator lets calls through that are signed by who may make them. Its
// fields must not be changed once it is in use. It is safe for concurrent use,
// and must not be copied.
type Authenticator struct {
	// Keys verify signatures.
	Keys *Keyring
	// Nonces remembers which were used.
	Nonces Nonces
	// Audience is the name that callers sign for. No two servers may share it that
	// do not share their nonces, except where a call may be repeated.
	Audience string
	// MaxContent is how large the content of a signed request may be, in bytes. 0
	// is rpc.MaxRequestBytes.
	MaxContent int64
	// ContentTimeout is how long the content may take to arrive. 0 is 5 seconds.
	ContentTimeout time.Duration
	// Now is the clock. Nil is time.Now.
	Now func() time.Time
	// Failures counts calls that are not let through; see NewFailures. It may be
	// nil.
	Failures *prometheus.CounterVec

	sessions sessions
}

// Require stands before the handler of a procedure, and before all else that
// looks at a request's content. Its policy is checked when it is made: a gap in
// it is a fault of the program, and panics.
func (a *Authenticator) Require(edge *rpc.Edge, procedure string, policy Policy, next http.Handler) http.Handler {
	switch {
	case a.Keys == nil || a.Nonces == nil || a.Audience == "":
		panic("auth: an authenticator needs keys, nonces and an audience")
	case len(policy.Roles) == 0 || slices.Contains(policy.Roles, servingv1.Role_ROLE_UNSPECIFIED):
		panic("auth: a policy needs roles: " + procedure)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		authenticated, failed := a.authenticate(w, r, policy)
		if failed != nil {
			a.refuse(w, r, edge, procedure, failed)
			return
		}
		next.ServeHTTP(w, authenticated)
	})
}

// Service stands before the handler of a service. Procedures without a policy
// are not found.
func (a *Authenticator) Service(edge *rpc.Edge, policies map[string]Policy, next http.Handler) http.Handler {
	handlers := make(map[string]http.Handler, len(policies))
	for procedure, policy := range policies {
		handlers[procedure] = a.Require(edge, procedure, policy, next)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if handler, ok := handlers[r.URL.Path]; ok {
			handler.ServeHTTP(w, r)
			return
		}
		http.NotFound(w, r)
	})
}

func (a *Authenticator) refuse(w http.ResponseWriter, r *http.Request, edge *rpc.Edge, procedure string, failed *failure) {
	if a.Failures != nil {
		a.Failures.WithLabelValues(string(failed.cause)).Inc()
	}
	edge.Log.DebugContext(r.Context(), "a call was not let through",
		"procedure", procedure, "cause", string(failed.cause), "detail", failed.detail)
	if declined, ok := errors.AsType[*rpc.Declined](failed.answer); ok {
		if text := errorHeader[declined.Reason]; text != "" {
			w.Header().Set(accesskey.HeaderError, text)
			w.Header().Set(accesskey.HeaderServerTime, strconv.FormatInt(a.now().UnixMilli(), 10))
		}
	}
	edge.Answer(w, r, procedure, failed.answer)
}

// errorHeader is what transports are told, who do not read what a protocol makes
// of an error.
var errorHeader = map[servingv1.ErrorReason]string{
	servingv1.ErrorReason_ERROR_REASON_UNAUTHENTICATED: "unauthenticated",
	servingv1.ErrorReason_ERROR_REASON_CLOCK_SKEW:      accesskey.ClockSkew,
	servingv1.ErrorReason_ERROR_REASON_REPLAYED:        "replayed",
}

func (a *Authenticator) now() time.Time {
	if a.Now != nil {
		return a.Now()
	}
	return time.Now()
}

// authenticate returns the request as its handler gets it: with the principal in
// its context, and the content that was signed. What costs least comes first,
// and nothing is read for strangers.
func (a *Authenticator) authenticate(w http.ResponseWriter, r *http.Request, policy Policy) (*http.Request, *failure) {
	now := a.now()
	signature, principal, failed := a.verify(r, policy, now)
	if failed != nil {
		return nil, failed
	}
	// net/http looks at its own request when the handler is done: only a copy may
	// have another body.
	authenticated := r.WithContext(NewContext(r.Context(), principal))
	if signature.Profile == accesskey.Session {
		return authenticated, nil
	}
	content, failed := a.content(w, r)
	if failed != nil {
		return nil, failed
	}
	fresh, err := a.Nonces.Use(r.Context(), signature.AccessKey, signature.Nonce, time.Unix(signature.Expires, 0))
	switch {
	case err != nil:
		return nil, &failure{causeNonces, err, err.Error()}
	case !fresh:
		return nil, &failure{
			causeReplay,
			rpc.Declinef(servingv1.ErrorReason_ERROR_REASON_REPLAYED, "the signature was used before: sign each call anew"),
			"by " + signature.AccessKey,
		}
	}
	setContent(authenticated, content)
	return authenticated, nil
}

// verify does all that can be done without the content.
func (a *Authenticator) verify(r *http.Request, policy Policy, now time.Time) (*accesskey.Signature, *Principal, *failure) {
	signed, failed := read(r)
	if failed != nil {
		return nil, nil, failed
	}
	signature, verified := a.sessions.get(signed.input, signed.value), true
	if signature == nil {
		var err error
		if signature, err = accesskey.ParseSignature(signed.input, signed.value); err != nil {
			return nil, nil, unauthenticated(causeForm, err.Error(), "the call is not signed as it has to be: %s", err)
		}
		verified = false
	}
	if failed := a.check(signature, signed, policy, now); failed != nil {
		return nil, nil, failed
	}
	e, err := a.Keys.current.Load().find(signature.AccessKey, now)
	if err != nil {
		return nil, nil, invalid(causeKey, signature.AccessKey+": "+err.Error())
	}
	if !verified {
		if !signature.Verify(e.public, signed.message) {
			return nil, nil, invalid(causeSignature, signature.AccessKey)
		}
		if signature.Profile == accesskey.Session {
			a.sessions.put(signed.input, signed.value, signature)
		}
	}
	// After the signature: what a key may do is not for strangers.
	if !slices.Contains(policy.Roles, e.principal.Role) {
		return nil, nil, &failure{
			causeRole,
			rpc.Declinef(servingv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED, "the role of the access key does not allow this call: use a key that is for it"),
			fmt.Sprintf("%s has %s", signature.AccessKey, e.principal.Role),
		}
	}
	return signature, e.principal, nil
}

// maxAhead is how far a signature may be ahead of the server's clock.
const maxAhead = 5 * 60 // seconds

// check looks at what a signature says of itself. How old it may be follows from
// how long its profile may last.
func (a *Authenticator) check(signature *accesskey.Signature, signed *signedRequest, policy Policy, now time.Time) *failure {
	if signature.Profile == accesskey.Session && !policy.Sessions {
		return unauthenticated(causeProfile, signature.AccessKey, "a session will not do for this call: sign it as %s", accesskey.Request)
	}
	if failed := signed.read(signature.Profile); failed != nil {
		return failed
	}
	if signed.message.Audience != a.Audience {
		return unauthenticated(causeAudience, signed.message.Audience,
			"the signature is for the audience %q, and this is %q: set the audience of the client", rpc.Clip(signed.message.Audience), a.Audience)
	}
	if seconds := now.Unix(); signature.Created > seconds+maxAhead || signature.Expires <= seconds {
		return skewed(now, fmt.Sprintf("%s: from %d to %d", signature.AccessKey, signature.Created, signature.Expires))
	}
	return nil
}
