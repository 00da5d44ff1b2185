package api

import (
	"context"
	"strconv"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/strata-exp/strata/controlplane/internal/state"
	"github.com/strata-exp/strata/internal/rpc"
)

// states is where configurations come from.
type states interface {
	// At returns the configuration at a revision, 0 for the newest.
	At(ctx context.Context, environment string, revision int64) (*state.State, error)
	// AtTime returns the configuration that was the newest at a time.
	AtTime(ctx context.Context, environment string, t time.Time) (*state.State, error)
}

// reader reads configurations for requests.
type reader struct{ states states }

// moment is a request that names a revision or a time, or neither for now.
type moment interface {
	GetEnvironment() string
	GetRevision() int64
	GetTime() *timestamppb.Timestamp
}

func (r *reader) at(ctx context.Context, m moment) (*state.State, error) {
	t := m.GetTime()
	if t == nil {
		return r.states.At(ctx, m.GetEnvironment(), m.GetRevision())
	}
	if t.CheckValid() != nil {
		return nil, rpc.Invalidf("time", "want a time between the years 1 and 9999")
	}
	return r.states.AtTime(ctx, m.GetEnvironment(), t.AsTime())
}

// resource returns a resource at a revision, 0 for the newest, and the
// configuration that it is part of.
func (r *reader) resource(ctx context.Context, environment string, revision int64, id state.ID) (*state.State, *state.Resource, error) {
	s, err := r.states.At(ctx, environment, revision)
	if err != nil {
		return nil, nil, err
	}
	found := s.Resource(id)
	if found == nil {
		return nil, nil, noResource(environment, s, id)
	}
	return s, found, nil
}

// resourceList is a request for a page of resources.
type resourceList interface {
	listRequest
	GetEnvironment() string
	GetRevision() int64
}

// page is a part of a list of resources.
type page struct {
	state     *state.State
	resources []*state.Resource
	next      string
	total     int32
}

// page returns the page of a list that a request asks for. all returns what of a
// configuration the request's filters let through.
func (r *reader) page(ctx context.Context, request resourceList, all func(*state.State) []*state.Resource) (*page, error) {
	from, err := readCursor(request)
	if err != nil {
		return nil, err
	}
	if from.revision == 0 {
		from.revision = request.GetRevision()
	}
	s, err := r.states.At(ctx, request.GetEnvironment(), from.revision)
	if err != nil {
		return nil, err
	}
	list := all(s)
	start, _ := strconv.Atoi(from.position) // the first page has none
	start = max(0, min(start, len(list)))
	end := min(start+pageSize(request), len(list))
	p := &page{state: s, resources: list[start:end], total: int32(len(list))}
	if end < len(list) {
		p.next, err = cursor{revision: s.Revision(), position: strconv.Itoa(end)}.token(request)
	}
	return p, err
}
