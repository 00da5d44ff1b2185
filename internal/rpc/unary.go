package rpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// envelopeBytes is what gRPC puts before a message.
const envelopeBytes = 5

// Unary stands before the handler of a unary procedure. It refuses a request
// that is too large, can not be read, or takes too long, with our own errors in
// every protocol; Connect's would say so in other codes and without a reason. A
// panic that comes before the interceptor, while a request is decoded, or after
// it, is answered like any other.
func (e *Edge) Unary(procedure string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if fault := recover(); fault != nil {
				e.answer(w, r, procedure, panicked(fault))
			}
		}()
		if err := checkProtocol(r); err != nil {
			e.answer(w, r, procedure, err)
			return
		}
		if r.Body == http.NoBody {
			next.ServeHTTP(w, r)
			return
		}
		most := e.MaxRequest
		if strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") {
			most += envelopeBytes
		}
		if r.ContentLength > most {
			most = -1 // announced, so none of it needs to be read
		}
		// The server looks at its own request to see what of the body was left
		// unread, and whether the connection can be used again. Were the body in
		// there another one, the rest of it would be read as the next request.
		bounded := &struct {
			request http.Request
			body    body
		}{request: *r}
		bounded.body = body{ReadCloser: r.Body, edge: e, procedure: procedure, request: r, left: most}
		bounded.request.Body = &bounded.body
		next.ServeHTTP(w, &bounded.request)
	})
}

// body reads a request, and gives the errors that come of it a code.
type body struct {
	io.ReadCloser

	edge      *Edge
	procedure string
	request   *http.Request
	left      int64 // what may still come, negative once that is exceeded
	err       error // the first that was returned, the end apart
}

func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := 0, error(nil)
	if b.left >= 0 {
		n, err = b.ReadCloser.Read(p)
		b.left -= int64(n)
	}
	if b.left >= 0 && (err == nil || err == io.EOF) { //nolint:errorlint // a reader returns it bare
		return n, err
	}
	b.err = b.fault(err)
	return 0, b.err
}

func (b *body) fault(err error) error {
	ctx := b.request.Context()
	if b.left < 0 {
		return b.edge.refuse(ctx, b.procedure, Invalidf("body", "larger than %d MiB", b.edge.MaxRequest>>20))
	}
	fault := unreadable(ctx, err)
	if ctx.Err() != nil {
		return fault // Connect knows what the end of a context is
	}
	return b.edge.refuse(ctx, b.procedure, fault)
}

// unreadable says why the body of a request could not be read.
func unreadable(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%w: %w", ctx.Err(), err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return Invalidf("body", "it ends before its length")
	default:
		return Invalidf("body", "it can not be read: it is malformed, or took too long")
	}
}
