package api

import (
	"context"
	"time"

	"github.com/strata-exp/strata/controlplane/internal/plane"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/gen/go/strata/admin/v1/adminv1connect"
)

// Planes knows who runs which revision. *plane.Store is one.
type Planes interface {
	List(ctx context.Context, environment string, all bool) (*plane.View, error)
	Watch(ctx context.Context, environment string, all bool, show func(*plane.View) error) error
	Wait(ctx context.Context, goal plane.Goal) (*plane.Waited, error)
}

var _ Planes = (*plane.Store)(nil)

const (
	// defaultWait is how long Wait waits unless the request says so, and maxWait
	// how long at most.
	defaultWait = 30 * time.Second
	maxWait     = 60 * time.Second
)

type planeService struct{ planes Planes }

func (s *planeService) routes() []route {
	wait := unary(adminv1connect.RevisionServiceWaitProcedure, s.wait)
	wait.lasts = maxWait
	return []route{
		unary(adminv1connect.PlaneServiceListProcedure, s.list),
		stream(adminv1connect.PlaneServiceWatchProcedure, s.watch),
		wait,
	}
}

func (s *planeService) list(ctx context.Context, r *adminv1.PlaneServiceListRequest) (*adminv1.PlaneServiceListResponse, error) {
	v, err := s.planes.List(ctx, r.GetEnvironment(), r.GetAll())
	if err != nil {
		return nil, err
	}
	return &adminv1.PlaneServiceListResponse{Revision: v.Revision, Planes: v.Planes}, nil
}

func (s *planeService) watch(ctx context.Context, r *adminv1.PlaneServiceWatchRequest, send func(*adminv1.PlaneServiceWatchResponse) error) error {
	return s.planes.Watch(ctx, r.GetEnvironment(), r.GetAll(), func(v *plane.View) error {
		return send(&adminv1.PlaneServiceWatchResponse{Revision: v.Revision, Planes: v.Planes})
	})
}

func (s *planeService) wait(ctx context.Context, r *adminv1.RevisionServiceWaitRequest) (*adminv1.RevisionServiceWaitResponse, error) {
	timeout := defaultWait
	if r.Timeout != nil {
		timeout = r.GetTimeout().AsDuration()
	}
	waited, err := s.planes.Wait(ctx, plane.Goal{
		Environment: r.GetEnvironment(), Revision: r.GetRevision(), Planes: int(r.GetPlanes()), Timeout: timeout,
	})
	if err != nil {
		return nil, err
	}
	return &adminv1.RevisionServiceWaitResponse{
		Revision: waited.Revision, Reached: waited.Reached,
		Running: waited.Running, Lagging: waited.Lagging, Rejecting: waited.Rejecting,
	}, nil
}
