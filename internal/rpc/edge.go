package rpc

import (
	"context"
	"log/slog"
	"net/http"
	"sync"

	"connectrpc.com/connect"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
)

const (
	// MaxRequestBytes is how large a request may be, before and after
	// decompression, unless an Edge says otherwise.
	MaxRequestBytes = 4 << 20
	// MaxAnswerBytes is how large an answer may be.
	MaxAnswerBytes = 64 << 20
	// minCompressBytes is from where on an answer is worth compressing.
	minCompressBytes = 1024
)

// Edge is what all handlers of a server have in common. Its fields must not be
// changed once it is in use; its methods are safe for concurrent use.
type Edge struct {
	// Log takes what clients must not see.
	Log *slog.Logger
	// Observe is told how each call ended, with 0 for success. It is called from
	// many goroutines.
	Observe func(procedure string, code connect.Code)
	// MaxRequest is how large a request may be, in bytes, before and after
	// decompression.
	MaxRequest int64

	errors *connect.ErrorWriter
	memory sync.Pool // of *memory
}

// NewEdge returns an edge.
func NewEdge(log *slog.Logger, observe func(procedure string, code connect.Code)) *Edge {
	return &Edge{Log: log, Observe: observe, MaxRequest: MaxRequestBytes, errors: connect.NewErrorWriter()}
}

// UnaryOptions returns the options that the handler of a unary procedure is made
// with. It must stand behind Unary, which bounds what it reads.
func (e *Edge) UnaryOptions(procedure string) connect.HandlerOption {
	return connect.WithHandlerOptions(e.options(), decompression(e.MaxRequest, func(err error) error {
		return e.refuse(context.Background(), procedure, err) // the interceptor does not see it
	}))
}

// StreamOptions returns the options that the handlers of a service are made with
// that has streams: each of their messages is bounded by itself.
func (e *Edge) StreamOptions(service string) connect.HandlerOption {
	return connect.WithHandlerOptions(e.options(), connect.WithReadMaxBytes(int(e.MaxRequest)),
		decompression(e.MaxRequest, func(err error) error { return e.Coded(context.Background(), service, err) }))
}

func (e *Edge) options() connect.HandlerOption {
	return connect.WithHandlerOptions(
		connect.WithInterceptors(&interceptor{edge: e}),
		connect.WithCompressMinBytes(minCompressBytes),
	)
}

// Coded turns an error into what a client may see, and logs what it must not.
func (e *Edge) Coded(ctx context.Context, procedure string, err error) *connect.Error {
	return coded(ctx, e.Log, procedure, err)
}

// Message turns an error into one that stands inside an answer.
func (e *Edge) Message(ctx context.Context, procedure string, err error) *servingv1.Error {
	answer := e.Coded(ctx, procedure, err)
	return &servingv1.Error{Code: answer.Code().String(), Message: answer.Message(), Reason: reasonOf(err)}
}

// refuse makes the error of a call that does not get to its handler, and so not
// to the interceptor.
func (e *Edge) refuse(ctx context.Context, procedure string, err error) *connect.Error {
	answer := e.Coded(ctx, procedure, err)
	e.Observe(procedure, answer.Code())
	return answer
}

// Answer writes the error of a call that does not get to its handler, in the
// protocol of the request. What stands before handlers, such as authentication,
// refuses calls with it.
func (e *Edge) Answer(w http.ResponseWriter, r *http.Request, procedure string, err error) {
	e.answer(w, r, procedure, err)
}

// answer writes the error of a call that does not get to its handler.
func (e *Edge) answer(w http.ResponseWriter, r *http.Request, procedure string, err error) {
	if err := e.errors.Write(w, r, e.refuse(r.Context(), procedure, err)); err != nil {
		e.Log.DebugContext(r.Context(), "an error was not delivered", "procedure", procedure, "error", err)
	}
}
