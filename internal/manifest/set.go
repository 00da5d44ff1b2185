package manifest

import (
	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
)

// Set is a configuration as its files say it, with the notes in them. It never
// changes, and neither must its messages and notes, which are shared with other
// Sets.
type Set struct {
	// Snapshot holds the messages, in the order of the files' names or, of a
	// bundle, of its text. Its revision is 0.
	Snapshot *configv1.Snapshot
	// Services are the declared services, in the same order.
	Services []*Service

	layers, experiments []*file // by index in Snapshot
	fields              *file   // nil if there is none
	services            []*file // by index in Services
}

func newSet(layers, experiments []*file, fields *file, services []*file) *Set {
	s := &Set{Snapshot: &configv1.Snapshot{}, layers: layers, experiments: experiments, fields: fields, services: services}
	for _, f := range services {
		s.Services = append(s.Services, f.service)
	}
	for _, f := range layers {
		s.Snapshot.Layers = append(s.Snapshot.Layers, f.layer)
	}
	for _, f := range experiments {
		s.Snapshot.Experiments = append(s.Snapshot.Experiments, f.experiment)
	}
	if fields != nil {
		s.Snapshot.Fields = fields.fields
	}
	return s
}

// nowhere is the document of what stands in no file.
var nowhere = &document{}

// NewSet returns a Set that stands in no file: to be written to some. The notes
// are those of the layers and experiments of the snapshot, in its order; where
// these lists are shorter, the others have none. The Set shares the messages of
// the snapshot, and its notes.
func NewSet(snapshot *configv1.Snapshot, layers, experiments []Notes) *Set {
	s := &Set{Snapshot: &configv1.Snapshot{
		Layers: snapshot.GetLayers(), Experiments: snapshot.GetExperiments(), Fields: snapshot.GetFields(),
	}}
	for i, l := range snapshot.GetLayers() {
		s.layers = append(s.layers, &file{document: nowhere, layer: l, notes: noteAt(layers, i)})
	}
	for i, e := range snapshot.GetExperiments() {
		s.experiments = append(s.experiments, &file{document: nowhere, experiment: e, notes: noteAt(experiments, i)})
	}
	return s
}

// WithServices returns a Set that has these services instead of its own, with
// notes as for NewSet. They stand in no file.
func (s *Set) WithServices(services []*Service, notes []Notes) *Set {
	with := *s
	with.Services, with.services = services, nil
	for i, service := range services {
		with.services = append(with.services, &file{document: nowhere, service: service, notes: noteAt(notes, i)})
	}
	return &with
}

func noteAt(notes []Notes, i int) Notes {
	if i < len(notes) {
		return notes[i]
	}
	return Notes{}
}

// LayerFile returns the file of Snapshot.Layers[index], "" if it stands in none.
func (s *Set) LayerFile(index int) string { return s.layers[index].name }

// ExperimentFile returns the file of Snapshot.Experiments[index], "" if it
// stands in none.
func (s *Set) ExperimentFile(index int) string { return s.experiments[index].name }

// FieldsFile returns the file of declared fields, "" if there is none.
func (s *Set) FieldsFile() string {
	if s.fields == nil {
		return ""
	}
	return s.fields.name
}

// ServiceFile returns the file of Services[index], "" if it stands in none.
func (s *Set) ServiceFile(index int) string { return s.services[index].name }

// LayerNotes returns the notes of Snapshot.Layers[index].
func (s *Set) LayerNotes(index int) Notes { return s.layers[index].notes }

// ExperimentNotes returns the notes of Snapshot.Experiments[index].
func (s *Set) ExperimentNotes(index int) Notes { return s.experiments[index].notes }

// ServiceNotes returns the notes of Services[index].
func (s *Set) ServiceNotes(index int) Notes { return s.services[index].notes }
