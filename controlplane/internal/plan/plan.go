package plan

import (
	"github.com/strata-exp/strata/controlplane/internal/state"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
)

// Options is what a plan takes into account beyond the two states. The zero
// Options are valid.
type Options struct {
	// Resting returns the slots of a layer that rest before the change, in any
	// order. It may be nil, and is asked at most once for each layer.
	Resting func(layerID string) []Rest
}

// Rest is the half-open interval of slots [Start, End), from 0 to 10,000, that
// an experiment has given up and that has not rested for long enough yet.
type Rest struct {
	Start, End int32
	// EID is the experiment that had the slots; 0 if it is not known.
	EID int32
}

// Make returns what a change from one state to another does. The states may
// stem from different histories; it is cheapest where one was made from the
// other. The plan is the caller's.
func Make(before, after *state.State, o Options) *adminv1.Plan {
	p := newPlanner(before, after)
	made := &adminv1.Plan{
		BaseRevision: before.Revision(),
		BaseChecksum: before.Checksum().String(),
		Checksum:     after.Checksum().String(),
	}
	if len(p.touched) == 0 {
		return made
	}
	var omitted adminv1.PlanOmissions
	made.Resources = p.resources()
	made.Layers = p.moves()
	made.Parameters, omitted.Parameters = p.parameters()
	m := p.meet()
	made.SharedParameters, omitted.SharedParameters = m.sharedParameters()
	made.HiddenParameters, omitted.HiddenParameters = m.hiddenParameters()
	made.Warnings, omitted.Warnings = p.warnings(o, made.GetLayers(), m)
	if omitted.GetParameters()+omitted.GetSharedParameters()+omitted.GetHiddenParameters()+omitted.GetWarnings() > 0 {
		made.Omitted = &omitted
	}
	return made
}
