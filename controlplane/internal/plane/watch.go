package plane

import (
	"context"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
)

// Watch hands over what List would return, at once and again when it has changed,
// until handing over fails or ctx ends, whose cause is then the error. That planes
// have reported, and nothing else, is no change, but is told once in a heartbeat.
// What changes fast is told at most four times a second.
func (s *Store) Watch(ctx context.Context, environment string, all bool, show func(*View) error) error {
	l := s.join(ctx, environment, false)
	defer s.leave(l, false)
	_, changed := s.next(l)
	v, err := s.first(ctx, environment)
	if err != nil {
		return err
	}
	var told *View
	var when time.Time
	for {
		if !all {
			v = v.connected()
		}
		if told == nil || !same(told, v) || time.Since(when) >= s.heartbeat {
			if err := show(v); err != nil {
				return err
			}
			told, when = v, time.Now()
		}
		if !sleep(ctx, watchEvery, nil) {
			return context.Cause(ctx)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		var seen sight
		if seen, changed = s.next(l); seen.err != nil {
			return seen.err
		}
		v = seen.view
	}
}

// same reports whether two views say the same but for when planes have reported.
func same(a, b *View) bool {
	return a.Epoch == b.Epoch && a.Revision == b.Revision && slices.EqualFunc(a.Planes, b.Planes, func(a, b *adminv1.Plane) bool {
		return proto.Equal(lasting(a), lasting(b))
	})
}

// lasting returns what of a plane does not change with each report.
func lasting(p *adminv1.Plane) *adminv1.Plane {
	status := p.GetStatus()
	return &adminv1.Plane{
		AccessKey: p.GetAccessKey(), KeyName: p.GetKeyName(), ActiveSince: p.GetActiveSince(),
		Connected: p.GetConnected(), Behind: p.GetBehind(),
		Status: &servingv1.Status{
			Instance: status.GetInstance(), Client: status.GetClient(), State: status.GetState(), Epoch: status.GetEpoch(),
			ReplicatedRevision: status.GetReplicatedRevision(), ActiveRevision: status.GetActiveRevision(),
			ActiveHash: status.GetActiveHash(), Rejections: status.GetRejections(), Followers: status.GetFollowers(),
		},
	}
}
