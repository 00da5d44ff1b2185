package lifecycle

import (
	"slices"

	"google.golang.org/protobuf/proto"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"

	"github.com/strata-exp/strata/controlplane/internal/allocate"
	"github.com/strata-exp/strata/controlplane/internal/revision"
	"github.com/strata-exp/strata/controlplane/internal/state"
	"github.com/strata-exp/strata/internal/rpc"
)

// The states, without their long names.
const (
	draft     = adminv1.ExperimentState_EXPERIMENT_STATE_DRAFT
	running   = adminv1.ExperimentState_EXPERIMENT_STATE_RUNNING
	paused    = adminv1.ExperimentState_EXPERIMENT_STATE_PAUSED
	concluded = adminv1.ExperimentState_EXPERIMENT_STATE_CONCLUDED
	archived  = adminv1.ExperimentState_EXPERIMENT_STATE_ARCHIVED
)

// request is what all requests of a life have.
type request interface {
	GetEid() int32
	GetEtag() string
}

// subject is the experiment that a request is about.
type subject struct {
	head revision.Head
	// before is shared, and only read; next is what it becomes.
	before, next *adminv1.Experiment
}

// find returns the experiment of a request, which must be what the request's
// etag stands for, and in one of the states. done says what is done to it in
// these, such as "paused".
func find(head revision.Head, r request, done string, states ...adminv1.ExperimentState) (*subject, error) {
	resource := head.Resource(state.ExperimentID(r.GetEid()))
	if resource == nil {
		return nil, rpc.Refusef(adminv1.ErrorReason_ERROR_REASON_RESOURCE_NOT_FOUND,
			"there is no experiment %d at revision %d", r.GetEid(), head.Revision())
	}
	if r.GetEtag() != "" && r.GetEtag() != resource.Etag() {
		return nil, stale(resource, r.GetEtag())
	}
	x := resource.Experiment()
	if !slices.Contains(states, x.GetState()) {
		return nil, wrongState(x, done, states)
	}
	return &subject{head: head, before: x, next: proto.CloneOf(x)}, nil
}

// layer returns the layer that the experiment lives in, or else the one of the
// given id.
func (s *subject) layer(layerID string) (*adminv1.Layer, error) {
	home := s.before.GetLayerId()
	switch {
	case home == "" && layerID == "":
		return nil, wrongLayer("experiment %d names no layer: say which one it is to live in", s.before.GetEid())
	case home != "" && layerID != "" && home != layerID:
		return nil, wrongLayer("experiment %d is to live in layer %s: leave the layer out, or update the experiment first",
			s.before.GetEid(), home)
	case home == "":
		home = layerID
	}
	l := s.head.Layer(home)
	if l == nil {
		return nil, rpc.Refusef(adminv1.ErrorReason_ERROR_REASON_RESOURCE_NOT_FOUND,
			"there is no layer %s at revision %d", home, s.head.Revision())
	}
	return l, nil
}

// has reports whether a variant is the experiment's.
func (s *subject) has(vid int32) bool {
	return slices.ContainsFunc(s.before.GetVariants(), func(v *configv1.Variant) bool { return v.GetVid() == vid })
}

func (s *subject) vids() []int32 {
	vids := make([]int32, len(s.before.GetVariants()))
	for i, v := range s.before.GetVariants() {
		vids[i] = v.GetVid()
	}
	return vids
}

// split parts ranges into the experiment's own and those of others.
func (s *subject) split(ranges []*configv1.Range) (own, others []*configv1.Range) {
	mine := map[int32]bool{}
	for _, vid := range s.vids() {
		mine[vid] = true
	}
	for _, r := range ranges {
		if mine[r.GetVid()] {
			own = append(own, r)
		} else {
			others = append(others, r)
		}
	}
	return own, others
}

// allocate gives the variants as many slots of a layer as are planned. ranges
// are those of the layer, and what is held for the experiment.
func (s *subject) allocate(l *adminv1.Layer, ranges []*configv1.Range, p plan, ignoreResting bool) (*allocate.Result, error) {
	resting, err := s.resting(l.GetLayerId())
	if err != nil {
		return nil, err
	}
	result, err := allocate.Allocate(allocate.Request{
		EID: s.before.GetEid(), VIDs: s.vids(), Targets: p, Ranges: ranges,
		Held: s.held(l.GetLayerId()), Resting: resting, IgnoreResting: ignoreResting,
	})
	if err != nil {
		return nil, notAllocated(l.GetLayerId(), err)
	}
	return result, nil
}

// held returns what is held in a layer for other experiments.
func (s *subject) held(layerID string) []allocate.Held {
	var all []allocate.Held
	for _, x := range s.head.Holding(layerID) {
		if x.GetEid() == s.before.GetEid() {
			continue
		}
		for _, r := range x.GetHeld() {
			all = append(all, allocate.Held{Start: r.GetStart(), End: r.GetEnd(), EID: x.GetEid()})
		}
	}
	return all
}

func (s *subject) resting(layerID string) ([]allocate.Resting, error) {
	rests, err := s.head.Resting(layerID)
	if err != nil {
		return nil, err
	}
	all := make([]allocate.Resting, 0, len(rests))
	for _, r := range rests {
		if r.Until.After(s.head.Now) {
			all = append(all, allocate.Resting{Start: r.Start, End: r.End, EID: r.EID, VID: r.VID, Until: r.Until})
		}
	}
	return all, nil
}

// changes returns the change of the experiment, if there is one.
func (s *subject) changes() []state.Change {
	if proto.Equal(s.before, s.next) {
		return nil
	}
	return []state.Change{{Experiment: s.next, Existence: state.MustExist, Exact: true}}
}

// changesWith returns the change of a layer's ranges, and that of the experiment
// if there is one.
func (s *subject) changesWith(layerID string, ranges []*configv1.Range) []state.Change {
	layer := state.Change{
		Layer: &adminv1.Layer{LayerId: layerID, Ranges: ranges}, Mask: []string{"ranges"}, Existence: state.MustExist,
	}
	return append([]state.Change{layer}, s.changes()...)
}
