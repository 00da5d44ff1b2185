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

// API is the services. It is safe for concurrent use.
type API struct {
	edge       *rpc.Edge
	routes     []route
	validation *validation
	maxAnswer  int64 // rpc.MaxAnswerBytes, but for tests
}

// New returns the services on a store. now is the time of what is previewed. The
// error is a fault of the schemas.
func New(store Store, plan PlanFunc, edge *rpc.Edge, now func() time.Time) (*API, error) {
	read := reader{states: store}
	write := writer{store: store, states: store}
	a := &API{edge: edge, maxAnswer: rpc.MaxAnswerBytes}
	for _, routes := range [][]route{
		(&environmentService{store: store}).routes(),
		(&layerService{reader: read, writer: write, rests: store}).routes(),
		(&experimentService{reader: read, writer: write}).routes(),
		(&fieldService{reader: read, writer: write}).routes(),
		(&revisionService{reader: read, writer: write, history: store, plan: plan}).routes(),
		(&previewService{reader: read, now: now}).routes(),
	} {
		a.routes = append(a.routes, routes...)
	}
	var err error
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
		adminv1connect.RevisionServiceName,
		adminv1connect.PreviewServiceName,
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

// Mount adds all procedures to a mux.
func (a *API) Mount(mux *http.ServeMux) {
	for _, r := range a.routes {
		mux.Handle(r.procedure, a.edge.Unary(r.procedure, r.handler(a.maxAnswer,
			a.edge.UnaryOptions(r.procedure),
			codecs(),
			connect.WithInterceptors(a.validation),
		)))
	}
}
