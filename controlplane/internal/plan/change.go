package plan

import (
	"cmp"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/strata-exp/strata/controlplane/internal/state"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
)

// side is one of the two states.
type side int

const (
	base   side = iota // before the change
	result             // after it
)

var sides = [...]side{base, result}

// planner is one plan in the making.
type planner struct {
	states [2]*state.State
	// touched are all resources that differ, in the order of a plan.
	touched []state.Touch
	// layers and experiments are those of which data planes get something else.
	layers      []layerChange
	experiments []experimentChange

	changedLayers      map[string]bool
	changedExperiments map[int32]bool

	reader reader
}

// layerChange is a layer of which data planes get something else. A side is nil
// where it does not exist.
type layerChange struct {
	id    string
	sides [2]*adminv1.Layer
}

// experimentChange is the same of an experiment.
type experimentChange struct {
	eid   int32
	sides [2]*adminv1.Experiment
}

func newPlanner(before, after *state.State) *planner {
	p := &planner{
		states:             [2]*state.State{before, after},
		touched:            state.Compare(before, after),
		changedLayers:      map[string]bool{},
		changedExperiments: map[int32]bool{},
		reader:             reader{},
	}
	slices.SortStableFunc(p.touched, compareTouches)
	for _, t := range p.touched {
		if !changesConfig(t) {
			continue
		}
		switch t.ID.Kind {
		case state.KindLayer:
			p.layers = append(p.layers, layerChange{t.ID.Key, [2]*adminv1.Layer{t.Before.Layer(), t.After.Layer()}})
			p.changedLayers[t.ID.Key] = true
		case state.KindExperiment:
			p.experiments = append(p.experiments, experimentChange{
				eidOf(t), [2]*adminv1.Experiment{t.Before.Experiment(), t.After.Experiment()},
			})
			p.changedExperiments[eidOf(t)] = true
		}
	}
	return p
}

// compareTouches orders by kind, then by id: experiments by number.
func compareTouches(a, b state.Touch) int {
	return cmp.Or(cmp.Compare(a.ID.Kind, b.ID.Kind), cmp.Compare(eidOf(a), eidOf(b)), cmp.Compare(a.ID.Key, b.ID.Key))
}

// eidOf returns the eid of an experiment, 0 for what is none.
func eidOf(t state.Touch) int32 {
	return cmp.Or(t.Before.Experiment().GetEid(), t.After.Experiment().GetEid())
}

// changesConfig reports whether data planes get something else, and not only
// people.
func changesConfig(t state.Touch) bool {
	if t.ID.Kind == state.KindService {
		return false
	}
	if t.Before == nil || t.After == nil {
		return true
	}
	return t.Before.Config() != t.After.Config() && !proto.Equal(t.Before.Config(), t.After.Config())
}
