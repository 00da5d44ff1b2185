package manifest

import (
	"slices"
	"strconv"

	"google.golang.org/protobuf/proto"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
)

// id returns the id of a layer, an experiment or a service.
func (f *file) id() string {
	if f.experiment != nil {
		return strconv.Itoa(int(f.experiment.GetEid()))
	}
	if f.service != nil {
		return f.service.Name
	}
	return f.layer.GetLayerId()
}

// same reports whether a file says what another one does.
func (f *file) same(other *file) bool {
	return proto.Equal(f.experiment, other.experiment) && sameService(f.service, other.service) && f.alike(other)
}

// alike is same without parameters and schemas: their text may change on its way through a
// file, and what they say does not.
func (f *file) alike(other *file) bool {
	return proto.Equal(f.layer, other.layer) &&
		proto.Equal(withoutParams(f.experiment), withoutParams(other.experiment)) &&
		slices.EqualFunc(f.fields, other.fields, sameField) &&
		sameService(withoutSchema(f.service), withoutSchema(other.service)) && f.notes.same(other.notes)
}

// alike reports whether a set says what another one does, in the same order and
// but for the text of parameters and schemas.
func (s *Set) alike(other *Set) bool {
	return slices.EqualFunc(s.layers, other.layers, (*file).alike) &&
		slices.EqualFunc(s.experiments, other.experiments, (*file).alike) &&
		slices.EqualFunc(s.Snapshot.GetFields(), other.Snapshot.GetFields(), sameField) &&
		slices.EqualFunc(s.services, other.services, (*file).alike)
}

func sameField(a, b *configv1.Field) bool { return proto.Equal(a, b) }

func sameService(a, b *Service) bool { return a == b || a != nil && b != nil && *a == *b }

func withoutSchema(s *Service) *Service {
	if s == nil {
		return nil
	}
	return &Service{Name: s.Name}
}

func withoutParams(e *configv1.Experiment) *configv1.Experiment {
	e = proto.CloneOf(e)
	for _, v := range e.GetVariants() {
		v.ParamsJson = ""
	}
	return e
}
