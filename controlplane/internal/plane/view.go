package plane

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/strata-exp/strata/controlplane/internal/fault"
	"github.com/strata-exp/strata/db/dbsqlc"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
)

// View is an environment and its planes as they were at one time. It is not
// changed once it is made, and its planes must not be.
type View struct {
	// Epoch and Revision are the environment's newest position.
	Epoch, Revision int64
	// Planes are by instance.
	Planes []*adminv1.Plane
}

// List returns the planes of an environment that are connected, or all that
// reported within the last day.
func (s *Store) List(ctx context.Context, environment string, all bool) (*View, error) {
	v, err := s.look(ctx, environment)
	if err != nil || all {
		return v, err
	}
	return v.connected(), nil
}

// connected returns the view without those who are not.
func (v *View) connected() *View {
	some := &View{Epoch: v.Epoch, Revision: v.Revision}
	for _, p := range v.Planes {
		if p.GetConnected() {
			some.Planes = append(some.Planes, p)
		}
	}
	return some
}

// look reads all planes of the last day.
func (s *Store) look(ctx context.Context, environment string) (*View, error) {
	q := dbsqlc.New(s.pool)
	at, err := q.GetPosition(ctx, environment)
	if err != nil {
		return nil, fault.OfEnvironment(ctx, environment, err)
	}
	rows, err := q.ListPlanes(ctx, dbsqlc.ListPlanesParams{EnvID: at.EnvID, Since: at.Now.Add(-keep)})
	if err != nil {
		return nil, fault.Of(ctx, err)
	}
	v := &View{Epoch: at.Epoch, Revision: at.Revision, Planes: make([]*adminv1.Plane, len(rows))}
	for i, row := range rows {
		if v.Planes[i], err = planeOf(row, at, s.lease); err != nil {
			return nil, err
		}
	}
	return v, nil
}

func planeOf(row dbsqlc.ListPlanesRow, at dbsqlc.GetPositionRow, lease time.Duration) (*adminv1.Plane, error) {
	status := &servingv1.Status{}
	if err := proto.Unmarshal(row.Plane.Status, status); err != nil {
		return nil, fmt.Errorf("the status of plane %q: %w", row.Plane.Instance, err)
	}
	behind := at.Revision
	if status.GetEpoch() == at.Epoch {
		behind = max(0, at.Revision-status.GetActiveRevision())
	}
	return &adminv1.Plane{
		Status: status, AccessKey: row.Plane.AccessKey, KeyName: row.KeyName,
		ActiveSince: timestamppb.New(row.Plane.ActiveSince), ReportedAt: timestamppb.New(row.Plane.ReportedAt),
		Connected: at.Now.Sub(row.Plane.ReportedAt) <= lease,
		Behind:    behind,
	}, nil
}

// position is where a history stands, or who follows it.
type position struct{ epoch, revision int64 }

func (p position) compare(other position) int {
	return cmp.Or(cmp.Compare(p.epoch, other.epoch), cmp.Compare(p.revision, other.revision))
}

// Progress says of the connected planes which run a revision.
type Progress struct {
	// Running run it or a later one.
	Running []*adminv1.Plane
	// Lagging do not yet.
	Lagging []*adminv1.Plane
	// Rejecting were sent it or a later one, can not run that, and run an older one.
	Rejecting []*adminv1.Plane
}

// progress says who runs a revision of the newest epoch.
func (v *View) progress(revision int64) *Progress {
	wanted, p := position{v.Epoch, revision}, &Progress{}
	for _, plane := range v.Planes {
		status := plane.GetStatus()
		active := position{status.GetEpoch(), status.GetActiveRevision()}
		replicated := position{status.GetEpoch(), status.GetReplicatedRevision()}
		switch {
		case !plane.GetConnected():
		case active.compare(wanted) >= 0:
			p.Running = append(p.Running, plane)
		case status.GetState() == servingv1.PlaneState_PLANE_STATE_REJECTED && replicated.compare(wanted) >= 0:
			p.Rejecting = append(p.Rejecting, plane)
		default:
			p.Lagging = append(p.Lagging, plane)
		}
	}
	return p
}

// reached reports whether enough planes run it: so many, or for 0 all of them and
// at least one.
func (p *Progress) reached(planes int) bool {
	if planes == 0 {
		return len(p.Running) > 0 && len(p.Lagging)+len(p.Rejecting) == 0
	}
	return len(p.Running) >= planes
}
