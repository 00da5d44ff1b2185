package rpc

import (
	"context"
	"fmt"
	"net/http"
	"runtime/debug"

	"connectrpc.com/connect"
)

// interceptor applies the error table, turns panics into errors and reports how
// calls ended, for unary calls and streams alike.
type interceptor struct{ edge *Edge }

var _ connect.Interceptor = (*interceptor)(nil)

func (i *interceptor) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, request connect.AnyRequest) (response connect.AnyResponse, err error) {
		defer func() {
			if fault := recover(); fault != nil {
				response, err = nil, panicked(fault)
			}
			err = i.end(ctx, request.Spec().Procedure, err)
		}()
		return next(ctx, request)
	}
}

func (i *interceptor) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next // an edge belongs to a server
}

func (i *interceptor) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(ctx context.Context, conn connect.StreamingHandlerConn) (err error) {
		defer func() {
			if fault := recover(); fault != nil {
				err = panicked(fault)
			}
			err = i.end(ctx, conn.Spec().Procedure, err)
		}()
		return next(ctx, conn)
	}
}

func (i *interceptor) end(ctx context.Context, procedure string, err error) error {
	if err == nil {
		i.edge.Observe(procedure, 0)
		return nil
	}
	return i.edge.refuse(ctx, procedure, err)
}

// panicked makes an error of what was recovered. net/http's own way to break off
// an answer goes on as it is.
func panicked(fault any) error {
	if fault == http.ErrAbortHandler { //nolint:errorlint // net/http compares it like this too
		panic(fault)
	}
	return fmt.Errorf("panic: %v\n%s", fault, debug.Stack())
}
