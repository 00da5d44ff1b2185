package api

import (
	"context"
	"net/http"
	"time"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/internal/auth"
	"github.com/strata-exp/strata/internal/rpc"
)

const (
	// answerTime is how long a client may take to read the answer of a call that
	// lasts.
	answerTime = 30 * time.Second
	// sendTime is the same for each message of a stream.
	sendTime = 10 * time.Second
)

// errStopping ends calls that last when the server stops.
var errStopping = rpc.Refusef(adminv1.ErrorReason_ERROR_REASON_UNAVAILABLE, "this control plane stops: call again, to reach another one")

// lasting stands before the handler of a unary call that lasts for a while. It
// lifts the server's bound on that, and ends the call when stop is closed: a
// server that shuts down would wait for it.
func lasting(stop <-chan struct{}, most time.Duration, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Where that is not supported, there was no bound either.
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(most + answerTime))
		ctx, cancel := context.WithCancelCause(r.Context())
		defer cancel(nil)
		ended := make(chan struct{})
		defer close(ended)
		go func() {
			select {
			case <-stop:
				cancel(errStopping)
			case <-ended:
			}
		}()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// errNoLonger ends calls that last when their keys end.
var errNoLonger = rpc.Declinef(servingv1.ErrorReason_ERROR_REASON_UNAUTHENTICATED,
	"the access key was revoked, has expired, or may no longer do the same")

// whileAllowed stands before a handler that lasts, and ends what it does as soon
// as the caller's key does not allow the same as when the call began.
func whileAllowed(ring *auth.Keyring, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, ok := auth.FromContext(r.Context())
		if !ok {
			next.ServeHTTP(w, r) // to be refused
			return
		}
		ctx, cancel := context.WithCancelCause(r.Context())
		defer cancel(nil)
		go func() {
			if ends(ctx, ring, p) {
				cancel(errNoLonger)
			}
		}()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// ends waits until a principal may no longer do what it may. It reports false if
// the context ends before.
func ends(ctx context.Context, ring *auth.Keyring, p *auth.Principal) bool {
	expired := make(<-chan time.Time)
	if !p.ExpiresAt.IsZero() {
		timer := time.NewTimer(time.Until(p.ExpiresAt))
		defer timer.Stop()
		expired = timer.C
	}
	for {
		changed := ring.Changed()
		now, err := ring.Principal(p.AccessKey, time.Now())
		if err != nil || !now.Same(p) {
			return true
		}
		select {
		case <-changed:
		case <-expired:
			return true
		case <-ctx.Done():
			return false
		}
	}
}

type controlKey struct{}

// withDeadlines stands before a handler of streams whose sends have deadlines, as
// a client that reads nothing would hold them for ever.
func withDeadlines(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := context.WithValue(r.Context(), controlKey{}, http.NewResponseController(w))
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// bySendDeadline sets the deadline of a send, and returns what lifts it.
func bySendDeadline(ctx context.Context) (lift func()) {
	control, ok := ctx.Value(controlKey{}).(*http.ResponseController)
	if !ok {
		return func() {}
	}
	// Where that is not supported, there is no deadline.
	_ = control.SetWriteDeadline(time.Now().Add(sendTime))
	return func() { _ = control.SetWriteDeadline(time.Time{}) }
}
