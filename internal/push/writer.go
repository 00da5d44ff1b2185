package push

import (
	"context"
	"net/http"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
)

const (
	// requestTimeout bounds how long the request of a stream may take to arrive.
	requestTimeout = 10 * time.Second
	// slowest is how many bytes a second a follower has to read at least.
	slowest = 64 << 10
)

type controllerKey struct{}

// controlled stands before the handler of Watch. It lets the handler bound how
// long a frame may take to be read, and asks proxies not to hold frames back.
func controlled(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		unbuffered(w)
		control := http.NewResponseController(w)
		_ = control.SetReadDeadline(time.Now().Add(requestTimeout)) // where it is not supported, there is no bound
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), controllerKey{}, control)))
	})
}

func unbuffered(w http.ResponseWriter) {
	w.Header().Set("X-Accel-Buffering", "no")
	w.Header().Set("Cache-Control", "no-store, no-transform")
}

// writer is the sink of a call of Watch.
type writer struct {
	out     *connect.ServerStream[servingv1.WatchResponse]
	control *http.ResponseController // nil where a handler is called without a server
	timeout time.Duration
}

// newWriter returns a writer for a call whose request has been read.
func newWriter(ctx context.Context, out *connect.ServerStream[servingv1.WatchResponse], timeout time.Duration) *writer {
	w := &writer{out: out, timeout: timeout}
	if control, ok := ctx.Value(controllerKey{}).(*http.ResponseController); ok {
		w.control = control
		_ = control.SetReadDeadline(time.Time{})
	}
	return w
}

// Send implements sink. A reader that does not take the frame in time loses its
// connection over HTTP/1.1, and its stream over HTTP/2.
func (w *writer) Send(frame *servingv1.WatchResponse) error {
	w.deadline(time.Now().Add(w.timeout + reading(proto.Size(frame))))
	err := w.out.Send(frame)
	w.deadline(time.Time{}) // over HTTP/2 it would end the stream though nothing is sent
	return err
}

// reading returns how long the slowest reader needs for some bytes.
func reading(size int) time.Duration { return time.Duration(size) * time.Second / slowest }

// close bounds what is sent after the last frame.
func (w *writer) close() { w.deadline(time.Now().Add(w.timeout)) }

func (w *writer) deadline(at time.Time) {
	if w.control != nil {
		_ = w.control.SetWriteDeadline(at)
	}
}
