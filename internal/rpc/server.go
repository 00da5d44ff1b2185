package rpc

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/strata-exp/strata/internal/service"
)

const (
	// headerTimeout bounds how long a client may take to send its headers, so
	// that a connection can not be held by a trickle.
	headerTimeout = 5 * time.Second
	// requestTimeout bounds the same for a whole request. Streams lift it.
	requestTimeout = 30 * time.Second
	// answerTimeout bounds how long a client may take to read an answer, from the
	// end of its headers on, so that clients that read nothing can not hold many
	// answers in memory. The largest answer needs 1.1 MB/s. Streams lift it.
	answerTimeout = 60 * time.Second
	// idleTimeout closes connections that nobody uses. It is longer than the
	// usual 60 to 90 seconds after which clients and load balancers close them
	// themselves, since whoever closes first never meets a request on its way.
	idleTimeout = 120 * time.Second
	// maxHeaderBytes has room for a whole request in the URL of a GET.
	maxHeaderBytes = 64 << 10
)

// NewServer returns a server for HTTP/1.1 and for HTTP/2 without TLS. It cuts
// off clients that send or read too slowly; handlers of streams have to stand
// behind Stream, or they are cut off too.
func NewServer(handler http.Handler, log *slog.Logger) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler:           handler,
		Protocols:         protocols,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       requestTimeout,
		WriteTimeout:      answerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		// Over HTTP/2 WriteTimeout ends one call; this ends a connection that takes
		// nothing at all, streams or not.
		HTTP2:    &http.HTTP2Config{WriteByteTimeout: answerTimeout},
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}

// Serve returns a part that serves HTTP with a NewServer. That its clients take
// longer than the time for stopping is no fault of a process that was told to
// stop: it is logged, and not an error.
func Serve(name string, handler http.Handler, listener net.Listener, log *slog.Logger) service.Part {
	part := service.Server(name, NewServer(handler, log), listener)
	stop := part.Stop
	part.Stop = func(ctx context.Context) error {
		err := stop(ctx)
		if errors.Is(err, context.DeadlineExceeded) {
			log.WarnContext(ctx, "the time for stopping is up: clients were cut off", "server", name)
			return nil
		}
		return err
	}
	return part
}

// Drain makes a server leave its clients: once draining is true, each answer
// asks its client to close the connection, so that none is on its way over a
// connection that the end of the server closes.
func Drain(draining *atomic.Bool, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if draining.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// Stream stands before a handler of streams. It lifts the server's bounds on how
// long a request may take to arrive and an answer to be read, and ends all
// streams when stop is closed: a server that shuts down would wait for them.
func Stream(stop <-chan struct{}, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Where that is not supported, there was no bound either.
		control := http.NewResponseController(w)
		_ = control.SetReadDeadline(time.Time{})
		_ = control.SetWriteDeadline(time.Time{})
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		ended := make(chan struct{})
		defer close(ended)
		go func() {
			select {
			case <-stop:
				cancel()
			case <-ended:
			}
		}()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}
