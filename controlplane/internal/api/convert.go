package api

import (
	"slices"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/strata-exp/strata/controlplane/internal/state"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
)

// layerOf returns a layer with all that is output only but its usage. It shares
// the resource's lists.
func layerOf(r *state.Resource) *adminv1.Layer {
	l := r.Layer()
	return &adminv1.Layer{
		LayerId: l.LayerId, Version: l.Version, Priority: l.Priority, HashKey: l.HashKey, Salt: l.Salt,
		Enabled: l.Enabled, Ranges: l.Ranges, Service: l.Service,
		Description: l.Description, Owners: l.Owners, Tags: l.Tags,
		Etag: r.Etag(), CreateRevision: r.Created.Revision, Revision: r.Updated.Revision,
		CreateTime: timestamppb.New(r.Created.Time), UpdateTime: timestamppb.New(r.Updated.Time),
	}
}

// experiments makes answers of the experiments of one configuration.
type experiments struct {
	state *state.State
	// slots is how many slots each variant has, by layer, as far as that was
	// needed.
	slots map[string]map[int32]int32
}

func experimentsOf(s *state.State) *experiments {
	return &experiments{state: s, slots: map[string]map[int32]int32{}}
}

// answer returns an experiment with all that is output only. It shares the
// resource's lists.
func (e *experiments) answer(r *state.Resource) *adminv1.Experiment {
	x := r.Experiment()
	return &adminv1.Experiment{
		Eid: x.Eid, Service: x.Service, Rule: x.Rule, Variants: x.Variants, LayerId: x.LayerId,
		Name: x.Name, Description: x.Description, Hypothesis: x.Hypothesis, Owners: x.Owners, Tags: x.Tags,
		Etag: r.Etag(), CreateRevision: r.Created.Revision, Revision: r.Updated.Revision,
		CreateTime: timestamppb.New(r.Created.Time), UpdateTime: timestamppb.New(r.Updated.Time),
		State: x.State, WinnerVid: x.WinnerVid, Allocation: e.allocation(x), Held: x.Held,
	}
}

// allocation returns how many slots each variant has or has held, or else will
// have. Variants without slots are left out.
func (e *experiments) allocation(x *adminv1.Experiment) []*adminv1.VariantSlots {
	var slots map[int32]int32
	switch {
	case x.GetState() == adminv1.ExperimentState_EXPERIMENT_STATE_RUNNING,
		x.GetState() == adminv1.ExperimentState_EXPERIMENT_STATE_CONCLUDED:
		slots = e.layer(x.GetLayerId())
	case len(x.GetHeld()) > 0:
		slots = count(x.GetHeld())
	default:
		return x.GetAllocation()
	}
	var allocation []*adminv1.VariantSlots
	for _, v := range x.GetVariants() {
		if n := slots[v.GetVid()]; n > 0 {
			allocation = append(allocation, &adminv1.VariantSlots{Vid: v.GetVid(), Slots: n})
		}
	}
	return allocation
}

func (e *experiments) layer(layerID string) map[int32]int32 {
	slots, ok := e.slots[layerID]
	if !ok {
		slots = count(e.state.Layer(layerID).GetRanges())
		e.slots[layerID] = slots
	}
	return slots
}

// count returns how many slots of some ranges each variant has.
func count(ranges []*configv1.Range) map[int32]int32 {
	slots := map[int32]int32{}
	for _, r := range ranges {
		slots[r.GetVid()] += r.GetEnd() - r.GetStart()
	}
	return slots
}

// contentsOf returns all resources of a configuration, layers without their
// usage.
func contentsOf(s *state.State) *adminv1.Contents {
	m, e := &adminv1.Contents{}, experimentsOf(s)
	for _, r := range s.Layers() {
		m.Layers = append(m.Layers, layerOf(r))
	}
	for _, r := range s.Experiments() {
		m.Experiments = append(m.Experiments, e.answer(r))
	}
	m.Fields = fieldsOf(s.Fields())
	m.Services = servicesOf(s.Services())
	return m
}

func fieldsOf(resources []*state.Resource) []*configv1.Field {
	fields := make([]*configv1.Field, len(resources))
	for i, r := range resources {
		fields[i] = r.Field()
	}
	return fields
}

// serviceOf returns a declared service with all that is output only. It shares the
// resource's lists.
func serviceOf(r *state.Resource) *adminv1.Service {
	s := r.Service()
	return &adminv1.Service{
		Service: s.Service, SchemaJson: s.SchemaJson, Description: s.Description, Owners: s.Owners, Tags: s.Tags,
		Etag: r.Etag(), CreateRevision: r.Created.Revision, Revision: r.Updated.Revision,
		CreateTime: timestamppb.New(r.Created.Time), UpdateTime: timestamppb.New(r.Updated.Time),
	}
}

func servicesOf(resources []*state.Resource) []*adminv1.Service {
	services := make([]*adminv1.Service, len(resources))
	for i, r := range resources {
		services[i] = serviceOf(r)
	}
	return services
}

// changesOf takes over the changes of a request.
func changesOf(changes []*adminv1.Change) []state.Change {
	all := make([]state.Change, len(changes))
	for i, c := range changes {
		all[i] = changeOf(c)
	}
	return all
}

func changeOf(c *adminv1.Change) state.Change {
	change := state.Change{
		Layer: c.GetUpsertLayer(), Experiment: c.GetUpsertExperiment(), Field: c.GetUpsertField(),
		Service: c.GetUpsertService(),
		Mask:    slices.Clone(c.GetUpdateMask().GetPaths()), Etag: c.GetEtag(),
	}
	switch kind := c.GetChange().(type) {
	case *adminv1.Change_DeleteLayer:
		change.Delete = state.LayerID(kind.DeleteLayer)
	case *adminv1.Change_DeleteExperiment:
		change.Delete = state.ExperimentID(kind.DeleteExperiment)
	case *adminv1.Change_DeleteField:
		change.Delete = state.FieldID(kind.DeleteField)
	case *adminv1.Change_DeleteService:
		change.Delete = state.ServiceID(kind.DeleteService)
	}
	return change
}
