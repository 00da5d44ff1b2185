package api

import (
	"context"
	"fmt"

	"connectrpc.com/connect"

	"github.com/strata-exp/strata/internal/auth"
)

// authorization lets through what the rules of the procedures allow their callers.
// It stands before the validation, which may say more of a request than a caller
// may know.
type authorization struct{ rules map[string]*rule }

var _ connect.Interceptor = (*authorization)(nil)

// newAuthorization returns the rules of routes.
func newAuthorization(routes []route) (*authorization, error) {
	a := &authorization{rules: map[string]*rule{}}
	for _, r := range routes {
		if r.method == nil {
			return nil, fmt.Errorf("no schema has the procedure %s", r.procedure)
		}
		rule, err := ruleOf(r.method)
		if err != nil {
			return nil, err
		}
		a.rules[r.procedure] = rule
	}
	return a, nil
}

func (a *authorization) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, request connect.AnyRequest) (connect.AnyResponse, error) {
		caller, err := a.admit(ctx, request.Spec().Procedure)
		if err != nil {
			return nil, err
		}
		if err := caller.check(request.Any()); err != nil {
			return nil, err
		}
		return next(ctx, request)
	}
}

func (a *authorization) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next // callers are known where they arrive
}

func (a *authorization) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(ctx context.Context, conn connect.StreamingHandlerConn) error {
		caller, err := a.admit(ctx, conn.Spec().Procedure)
		if err != nil {
			return err
		}
		return next(ctx, &authorizedConn{conn, caller})
	}
}

// authorizedConn looks at the requests of a stream.
type authorizedConn struct {
	connect.StreamingHandlerConn

	caller *caller
}

func (c *authorizedConn) Receive(request any) error {
	if err := c.StreamingHandlerConn.Receive(request); err != nil {
		return err
	}
	return c.caller.check(request)
}

// caller is who calls a procedure that it may call.
type caller struct {
	principal *auth.Principal
	rule      *rule
}

// admit returns the caller of a procedure. A procedure without a rule may be
// called by nobody.
func (a *authorization) admit(ctx context.Context, procedure string) (*caller, error) {
	rule, ok := a.rules[procedure]
	if !ok {
		return nil, denied("%s has no rule", procedure)
	}
	principal, _ := auth.FromContext(ctx)
	if err := rule.admit(principal); err != nil {
		return nil, err
	}
	return &caller{principal, rule}, nil
}

// check returns why a request may not be sent. One that could not be read names
// nothing yet; the validation says what is wrong with it.
func (c *caller) check(request any) error {
	in, ok := request.(received)
	if !ok {
		return unknownMessage(request)
	}
	message, err := in.result()
	if err != nil {
		return err
	}
	return c.rule.allow(c.principal, message)
}
