package view

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	"github.com/strata-exp/strata/sdk/go/engine"
)

// Fault is why a configuration can not be run.
type Fault struct {
	// Key names the entity at fault. It is the zero Key if that is no single one.
	Key Key
	// Problem says what is wrong with it.
	Problem string
}

// Faults is the error of a configuration that can not be run: at least one fault.
type Faults []Fault

func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, fault := range f {
		lines[i] = fault.Problem
	}
	return strings.Join(lines, "\n")
}

func kindName(kind uint8) string {
	switch configv1.EntityKind(kind) {
	case configv1.EntityKind_ENTITY_KIND_LAYER:
		return "layer"
	case configv1.EntityKind_ENTITY_KIND_EXPERIMENT:
		return "experiment"
	case configv1.EntityKind_ENTITY_KIND_FIELD:
		return "field"
	default:
		return "entity of kind " + strconv.Itoa(int(kind))
	}
}

// Compile makes a Ruleset of a configuration from one that runs, in time that
// depends on what differs between the two. running and its Ruleset are nil where
// nothing runs. Entities of unknown kinds are passed over.
//
// The error is Faults, and lists everything that is wrong.
func Compile(running *View, ruleset *engine.Ruleset, next *View) (*engine.Ruleset, error) {
	change := engine.Change{Revision: next.Position().Revision}
	var faults Faults
	for _, d := range Compare(running, next) {
		if d.After == nil {
			remove(&change, d.Key)
		} else if err := put(&change, d.After); err != nil {
			faults = append(faults, Fault{d.Key, kindName(d.Key.Kind) + " " + d.Key.Name + ": " + err.Error()})
		}
	}
	if len(faults) > 0 {
		return nil, faults
	}
	compiled, err := apply(ruleset, change)
	if err != nil {
		return nil, faultsOf(err)
	}
	return compiled, nil
}

func apply(ruleset *engine.Ruleset, change engine.Change) (*engine.Ruleset, error) {
	if ruleset != nil {
		return ruleset.Apply(change)
	}
	return engine.Compile(nil, &configv1.Snapshot{
		Revision: change.Revision, Layers: change.Layers, Experiments: change.Experiments, Fields: change.Fields,
	})
}

func remove(change *engine.Change, key Key) {
	switch configv1.EntityKind(key.Kind) {
	case configv1.EntityKind_ENTITY_KIND_LAYER:
		change.DeletedLayers = append(change.DeletedLayers, key.Name)
	case configv1.EntityKind_ENTITY_KIND_EXPERIMENT:
		if eid, err := strconv.ParseInt(key.Name, 10, 32); err == nil { // else it was never put
			change.DeletedExperiments = append(change.DeletedExperiments, int32(eid))
		}
	case configv1.EntityKind_ENTITY_KIND_FIELD:
		change.DeletedFields = append(change.DeletedFields, key.Name)
	}
}

func put(change *engine.Change, e *Entity) error {
	switch configv1.EntityKind(e.key.Kind) {
	case configv1.EntityKind_ENTITY_KIND_LAYER:
		l := new(configv1.Layer)
		if err := decode(e, l, func() string { return l.GetLayerId() }); err != nil {
			return err
		}
		change.Layers = append(change.Layers, l)
	case configv1.EntityKind_ENTITY_KIND_EXPERIMENT:
		x := new(configv1.Experiment)
		if err := decode(e, x, func() string { return strconv.Itoa(int(x.GetEid())) }); err != nil {
			return err
		}
		change.Experiments = append(change.Experiments, x)
	case configv1.EntityKind_ENTITY_KIND_FIELD:
		f := new(configv1.Field)
		if err := decode(e, f, f.GetName); err != nil {
			return err
		}
		change.Fields = append(change.Fields, f)
	}
	return nil
}

func decode(e *Entity, into proto.Message, name func() string) error {
	if err := proto.Unmarshal(e.payload, into); err != nil {
		return errors.New("its payload is no such message")
	}
	if got := name(); got != e.key.Name {
		return fmt.Errorf("its payload is that of %q", got)
	}
	return nil
}

func faultsOf(err error) Faults {
	found, ok := errors.AsType[engine.Faults](err)
	if !ok {
		return Faults{{Problem: err.Error()}}
	}
	faults := make(Faults, len(found))
	for i, f := range found {
		faults[i] = Fault{keyOfFault(f), f.String()}
	}
	return faults
}

func keyOfFault(f engine.Fault) Key {
	key := Key{Name: f.ID}
	switch f.Kind {
	case engine.KindLayer:
		key.Kind = uint8(configv1.EntityKind_ENTITY_KIND_LAYER)
	case engine.KindExperiment:
		key.Kind = uint8(configv1.EntityKind_ENTITY_KIND_EXPERIMENT)
	case engine.KindField:
		key.Kind = uint8(configv1.EntityKind_ENTITY_KIND_FIELD)
	}
	return key
}
