package state

import (
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	"github.com/strata-exp/strata/sdk/go/hashtree"
)

// Existence is what a change demands of its resource.
type Existence int

// What a change can demand.
const (
	MayExist Existence = iota
	MustExist
	MustNotExist
)

// Change is a change of one resource. Exactly one of the first five is set.
type Change struct {
	Layer      *adminv1.Layer
	Experiment *adminv1.Experiment
	Field      *configv1.Field
	Service    *adminv1.Service
	// Delete removes a resource, which must exist.
	Delete ID

	// Mask names the fields of a resource that exists which are replaced; the
	// others stay. Empty is all of them.
	Mask []string
	// Etag, if not empty, is what the resource's must be. The one in a message
	// counts too.
	Etag string
	// Existence is what an upsert demands.
	Existence Existence
	// Exact takes the message as it was once stored: with what is output only
	// elsewhere, and with whatever salt it had then. Rollbacks and the life of
	// experiments need that.
	Exact bool
}

// ID returns the resource that changes.
func (c *Change) ID() ID {
	switch {
	case c.Layer != nil:
		return LayerID(c.Layer.GetLayerId())
	case c.Experiment != nil:
		return ExperimentID(c.Experiment.GetEid())
	case c.Field != nil:
		return FieldID(c.Field.GetName())
	case c.Service != nil:
		return ServiceID(c.Service.GetService())
	default:
		return c.Delete
	}
}

func (c *Change) etag() string {
	if c.Etag != "" {
		return c.Etag
	}
	return c.Layer.GetEtag() + c.Experiment.GetEtag() + c.Service.GetEtag() // at most one is there
}

// Restore returns the changes that give resources their contents from another
// state, or remove them where they are not in it. If only is not nil, it says
// which.
func (s *State) Restore(from *State, only func(ID) bool) []Change {
	var changes []Change
	for _, t := range Compare(s, from) {
		switch {
		case only != nil && !only(t.ID):
		case t.After == nil:
			changes = append(changes, Change{Delete: t.ID, Exact: true})
		default:
			changes = append(changes, Change{
				Layer: t.After.layer, Experiment: t.After.experiment, Field: t.After.field, Service: t.After.service,
				Exact: true,
			})
		}
	}
	return changes
}

// Touch is what becomes of one resource between two states.
type Touch struct {
	ID ID
	// Before and After are nil where it did not or does not exist.
	Before, After *Resource
}

// Compare returns what differs between the contents of two states, by kind and
// key. It costs what differs, where one was made from the other.
func Compare(before, after *State) []Touch {
	differences := hashtree.Compare(&before.tree, &after.tree)
	touched := make([]Touch, len(differences))
	for i, d := range differences {
		touched[i] = Touch{Before: d.Before, After: d.After}
		if d.After != nil {
			touched[i].ID = d.After.ID
		} else {
			touched[i].ID = d.Before.ID
		}
	}
	return touched
}
