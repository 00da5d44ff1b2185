// Package state holds an environment's whole configuration at one revision, and
// makes the next one from it by changes. A State never changes, so that readers,
// the planner and the data planes' feed share it without locks, and a change
// costs what it changes.
//
// The package knows neither the database nor the clock: what it is given as
// times and revisions it keeps.
package state

import (
	"cmp"
	"slices"
	"sync"
	"time"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	"github.com/strata-exp/strata/sdk/go/engine"
	"github.com/strata-exp/strata/sdk/go/hashtree"
)

// Checksum is over the contents of a configuration alone. Equal contents have
// equal checksums, whenever and by whatever changes they were made.
type Checksum = hashtree.Hash

// Version is a point in an environment's history.
type Version struct {
	// Epoch tells the history from earlier ones, of which it is the larger. It is 0
	// for versions of resources, which are compared in one history only.
	Epoch    int64
	Revision int64
	Time     time.Time
}

// State is a configuration at one revision. It never changes, and is safe for
// concurrent use; so are the resources that it returns, which must not be
// changed.
type State struct {
	version  Version
	tree     hashtree.Tree[*Resource]
	counts   [kinds]int
	ruleset  *engine.Ruleset
	variants index[int32, int32] // vid to eid
	// holding is the experiments that slots are held for, by layer.
	holding index[string, []int32]

	lists lists
}

// lists are made when they are first asked for.
type lists struct {
	layers, experiments, fields, services sync.Once

	layerList      []*Resource
	experimentList []*Resource
	fieldList      []*Resource
	serviceList    []*Resource
}

// Empty returns the configuration without resources.
func Empty(version Version) *State {
	s := &State{version: version}
	s.tree.Seal()
	ruleset, err := engine.Compile(nil, &configv1.Snapshot{Revision: version.Revision})
	if err != nil {
		panic(err) // nothing can not be wrong
	}
	s.ruleset = ruleset
	return s
}

// Load returns the configuration that has these resources, as Decode returned
// them. The error says why they can not be one, which means that they were not
// stored by us.
func Load(version Version, resources []*Resource) (*State, error) {
	s := Empty(version)
	edit := newEdit(s, version)
	for _, r := range resources {
		edit.put(r)
	}
	return edit.seal()
}

// Advance returns the configuration that a stored revision leads to: these
// resources are put and those deleted. Nothing is asked but whether the result
// compiles.
func (s *State) Advance(version Version, put []*Resource, deleted []ID) (*State, error) {
	edit := newEdit(s, version)
	for _, id := range deleted {
		edit.delete(id)
	}
	for _, r := range put {
		edit.put(r)
	}
	return edit.seal()
}

// Version returns the revision and when it was made.
func (s *State) Version() Version { return s.version }

// Revision returns the number of the revision.
func (s *State) Revision() int64 { return s.version.Revision }

// Checksum returns the checksum of the contents.
func (s *State) Checksum() Checksum { return s.tree.Hash() }

// Ruleset returns the compiled configuration.
func (s *State) Ruleset() *engine.Ruleset { return s.ruleset }

// Resource returns a resource, nil if there is none.
func (s *State) Resource(id ID) *Resource { return s.tree.Get(id.treeKey()) }

// Layer returns a layer, nil if there is none.
func (s *State) Layer(layerID string) *adminv1.Layer {
	return s.Resource(LayerID(layerID)).Layer()
}

// Experiment returns an experiment, nil if there is none.
func (s *State) Experiment(eid int32) *adminv1.Experiment {
	return s.Resource(ExperimentID(eid)).Experiment()
}

// ExperimentOf returns the experiment that a variant belongs to, nil if there is
// no such variant.
func (s *State) ExperimentOf(vid int32) *adminv1.Experiment {
	eid, ok := s.variants.get(vid)
	if !ok {
		return nil
	}
	return s.Experiment(eid)
}

// Holding returns the paused experiments that slots of a layer are held for, by
// eid.
func (s *State) Holding(layerID string) []*adminv1.Experiment {
	eids, _ := s.holding.get(layerID)
	all := make([]*adminv1.Experiment, len(eids))
	for i, eid := range eids {
		all[i] = s.Experiment(eid)
	}
	return all
}

// Layers returns all layers in order of evaluation: by priority from high to
// low, then by id in byte order. The slice is shared: read it only.
func (s *State) Layers() []*Resource {
	s.lists.layers.Do(func() {
		s.lists.layerList = s.all(KindLayer)
		slices.SortFunc(s.lists.layerList, func(a, b *Resource) int {
			return cmp.Or(
				cmp.Compare(b.Layer().GetPriority(), a.Layer().GetPriority()),
				cmp.Compare(a.ID.Key, b.ID.Key),
			)
		})
	})
	return s.lists.layerList
}

// Experiments returns all experiments by eid. The slice is shared: read it only.
func (s *State) Experiments() []*Resource {
	s.lists.experiments.Do(func() {
		s.lists.experimentList = s.all(KindExperiment)
		slices.SortFunc(s.lists.experimentList, func(a, b *Resource) int {
			return cmp.Compare(a.Experiment().GetEid(), b.Experiment().GetEid())
		})
	})
	return s.lists.experimentList
}

// Fields returns all declared fields by name. The slice is shared: read it only.
func (s *State) Fields() []*Resource {
	s.lists.fields.Do(func() {
		s.lists.fieldList = s.all(KindField)
		slices.SortFunc(s.lists.fieldList, func(a, b *Resource) int { return cmp.Compare(a.ID.Key, b.ID.Key) })
	})
	return s.lists.fieldList
}

// Services returns all declared services by name. The slice is shared: read it
// only.
func (s *State) Services() []*Resource {
	s.lists.services.Do(func() {
		s.lists.serviceList = s.all(KindService)
		slices.SortFunc(s.lists.serviceList, func(a, b *Resource) int { return cmp.Compare(a.ID.Key, b.ID.Key) })
	})
	return s.lists.serviceList
}

// all returns all resources of a kind, in no defined order.
func (s *State) all(kind Kind) []*Resource {
	found := make([]*Resource, 0, s.counts[kind])
	for r := range s.tree.All() {
		if r.ID.Kind == kind {
			found = append(found, r)
		}
	}
	return found
}

// Len returns how many resources of a kind there are.
func (s *State) Len(kind Kind) int { return s.counts[kind] }

// Size returns how many resources there are.
func (s *State) Size() int {
	sum := 0
	for _, n := range s.counts {
		sum += n
	}
	return sum
}
