package api

import (
	"fmt"
	"net/http"
	"time"

	"connectrpc.com/connect"

	"github.com/strata-exp/strata/controlplane/internal/revision"
	"github.com/strata-exp/strata/controlplane/internal/state"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/gen/go/strata/admin/v1/adminv1connect"
	"github.com/strata-exp/strata/internal/auth"
	"github.com/strata-exp/strata/internal/rpc"
)

// PlanFunc says what leads from one state to another.
type PlanFunc func(before, after *state.State) *adminv1.Plan

// Store keeps environments and their revisions. *revision.Store is one.
type Store interface {
	applier
	states
	rests
	history
	environments
}

var _ Store = (*revision.Store)(nil)

// Guard stands before a procedure. It lets those through whom a policy allows,
// with an auth.Principal in the context of their calls.
type Guard func(procedure string, policy auth.Policy, next http.Handler) http.Handler

// Parts is what the services are made of.
type Parts struct {
	Store  Store
	Keys   Keys
	Planes Planes
	Plan   PlanFunc
	Edge   *rpc.Edge
	Guard  Guard
	// Ring says who may go on with calls that last.
	Ring *auth.Keyring
	// Now is the time of what is previewed.
	Now func() time.Time
}

// API is the services. It is safe for concurrent use.
type API struct {
	parts         Parts
	routes        []route
	authorization *authorization
	validation    *validation
	maxAnswer     int64 // rpc.MaxAnswerBytes, but for tests
}

// New returns the services. The error is a fault of the schemas, such as a method
// of which nobody knows who may call it.
func New(parts Parts) (*API, error) {
	store := parts.Store
	read := reader{states: store}
	write := writer{store: store, states: store}
	a := &API{parts: parts, maxAnswer: rpc.MaxAnswerBytes}
	for _, routes := range [][]route{
		(&environmentService{store: store}).routes(),
		(&layerService{reader: read, writer: write, rests: store}).routes(),
		(&experimentService{reader: read, writer: write}).routes(),
		(&fieldService{reader: read, writer: write}).routes(),
		(&serviceService{reader: read, writer: write}).routes(),
		(&revisionService{reader: read, writer: write, history: store, plan: parts.Plan}).routes(),
		(&previewService{reader: read, now: parts.Now}).routes(),
		(&planeService{planes: parts.Planes}).routes(),
		(&accessKeyService{keys: parts.Keys}).routes(),
	} {
		a.routes = append(a.routes, routes...)
	}
	var err error
	if a.authorization, err = newAuthorization(a.routes); err != nil {
		return nil, fmt.Errorf("the rules of callers: %w", err)
	}
	if a.validation, err = newValidation(a.routes); err != nil {
		return nil, fmt.Errorf("the rules of requests: %w", err)
	}
	return a, nil
}

// ServiceNames returns the full names of the services.
func ServiceNames() []string {
	return []string{
		adminv1connect.EnvironmentServiceName,
		adminv1connect.LayerServiceName,
		adminv1connect.ExperimentServiceName,
		adminv1connect.FieldServiceName,
		adminv1connect.ServiceServiceName,
		adminv1connect.RevisionServiceName,
		adminv1connect.PreviewServiceName,
		adminv1connect.PlaneServiceName,
		adminv1connect.AccessKeyServiceName,
	}
}

// Procedures returns the paths of the services' procedures.
func (a *API) Procedures() []string {
	procedures := make([]string, len(a.routes))
	for i, r := range a.routes {
		procedures[i] = r.procedure
	}
	return procedures
}

// Mount adds all procedures to a mux. What lasts ends when stop is closed.
func (a *API) Mount(mux *http.ServeMux, stop <-chan struct{}) {
	for _, r := range a.routes {
		mux.Handle(r.procedure, a.parts.Guard(r.procedure, a.authorization.rules[r.procedure].policy(), a.handler(&r, stop)))
	}
}

// handler returns what stands behind the guard.
func (a *API) handler(r *route, stop <-chan struct{}) http.Handler {
	edge := a.parts.Edge
	if r.streams() {
		stream := r.handler(a.maxAnswer, edge.StreamOptions(string(r.method.Parent().FullName())), a.options())
		return rpc.Stream(stop, whileAllowed(a.parts.Ring, withDeadlines(stream)))
	}
	call := edge.Unary(r.procedure, r.handler(a.maxAnswer, edge.UnaryOptions(r.procedure), a.options()))
	if r.lasts > 0 {
		return lasting(stop, r.lasts, whileAllowed(a.parts.Ring, call))
	}
	return call
}

func (a *API) options() connect.HandlerOption {
	return connect.WithHandlerOptions(codecs(), connect.WithInterceptors(a.authorization, a.validation))
}
