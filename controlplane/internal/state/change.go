package state

import (
	"google.golang.org/protobuf/proto"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
)

// Existence is what a change demands of its resource.
type Existence int

// What a change can demand.
const (
	MayExist Existence = iota
	MustExist
	MustNotExist
)

// Change is a change of one resource. Exactly one of the first four is set.
type Change struct {
	Layer      *adminv1.Layer
	Experiment *adminv1.Experiment
	Field      *configv1.Field
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
	default:
		return c.Delete
	}
}

func (c *Change) etag() string {
	if c.Etag != "" {
		return c.Etag
	}
	return c.Layer.GetEtag() + c.Experiment.GetEtag() // at most one is there
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
				Layer: t.After.layer, Experiment: t.After.experiment, Field: t.After.field, Exact: true,
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
	var touched []Touch
	for i := range shards {
		a, b := before.tree.shards[i], after.tree.shards[i]
		if a.digest == b.digest {
			continue
		}
		touched = append(touched, compareShards(a.resources, b.resources)...)
	}
	sortTouched(touched)
	return touched
}

func compareShards(a, b []*Resource) (touched []Touch) {
	for len(a)+len(b) > 0 {
		var order int
		switch {
		case len(a) == 0:
			order = 1
		case len(b) == 0:
			order = -1
		default:
			order = compareIDs(a[0].ID, b[0].ID)
		}
		switch {
		case order < 0:
			touched, a = append(touched, Touch{ID: a[0].ID, Before: a[0]}), a[1:]
		case order > 0:
			touched, b = append(touched, Touch{ID: b[0].ID, After: b[0]}), b[1:]
		default:
			if a[0].Digest != b[0].Digest {
				touched = append(touched, Touch{ID: a[0].ID, Before: a[0], After: b[0]})
			}
			a, b = a[1:], b[1:]
		}
	}
	return touched
}

// Delta returns what leads data planes from one state to another, with
// from_revision 0 and everything where before is nil.
func Delta(before, after *State) *configv1.Delta {
	d := &configv1.Delta{ToRevision: after.Revision()}
	if before == nil {
		before = Empty(Version{})
	} else {
		d.FromRevision = before.Revision()
	}
	for _, t := range Compare(before, after) {
		if t.After == nil {
			switch t.ID.Kind {
			case KindLayer:
				d.DeletedLayers = append(d.DeletedLayers, t.ID.Key)
			case KindExperiment:
				d.DeletedExperiments = append(d.DeletedExperiments, t.Before.experiment.GetEid())
			case KindField:
				d.DeletedFields = append(d.DeletedFields, t.ID.Key)
			}
			continue
		}
		if t.Before != nil && (t.Before.config == t.After.config || proto.Equal(t.Before.config, t.After.config)) {
			continue
		}
		switch config := t.After.config.(type) {
		case *configv1.Layer:
			d.Layers = append(d.Layers, config)
		case *configv1.Experiment:
			d.Experiments = append(d.Experiments, config)
		case *configv1.Field:
			d.Fields = append(d.Fields, config)
		}
	}
	return d
}
