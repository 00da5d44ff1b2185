package manifest

import (
	"unicode/utf8"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	"github.com/strata-exp/strata/sdk/go/engine"
	"github.com/strata-exp/strata/sdk/go/engine/jsonscan"
)

// EncodeLayer returns a layer as the text of a file, with those of its notes
// that are not empty. The text is for people to read and to compare: the same
// layer has the same text, and a small change of one is a small change of the
// other.
//
// Decoding the text gives an equal layer. What no file can say, such as a salt
// that is not UTF-8, is an error: Faults, without file and line. Whether the
// layer means anything is not asked.
func EncodeLayer(layer *configv1.Layer, notes Notes, format Format) ([]byte, error) {
	return (&file{layer: layer, notes: notes}).encode(engine.KindLayer, format)
}

// EncodeExperiment returns an experiment as the text of a file. The rest is as
// for [EncodeLayer], but that decoding gives the parameters in the engine's
// normal form, which they need not have had.
func EncodeExperiment(experiment *configv1.Experiment, notes Notes, format Format) ([]byte, error) {
	return (&file{experiment: experiment, notes: notes}).encode(engine.KindExperiment, format)
}

// EncodeFields returns declared fields as the text of a file, in their order.
// The rest is as for [EncodeLayer].
func EncodeFields(fields []*configv1.Field, format Format) ([]byte, error) {
	return (&file{fields: fields}).encode(engine.KindField, format)
}

// EncodeService returns a declared service as the text of a file. The rest is as
// for [EncodeExperiment], with the schema in place of parameters.
func EncodeService(service *Service, notes Notes, format Format) ([]byte, error) {
	return (&file{service: service, notes: notes}).encode(kindService, format)
}

// EncodeBundle returns a whole configuration as the text of a bundle, in the
// order of the set. The rest is as for [EncodeLayer] and [EncodeExperiment].
func EncodeBundle(set *Set, format Format) ([]byte, error) {
	return encode(format, MaxBundleBytes, (*decoder).bundle, set.alike,
		func(d *decoder) value { return d.bundleValue(set) })
}

func (f *file) encode(kind engine.Kind, format Format) ([]byte, error) {
	return encode(format, MaxFileBytes, decoderOf(kind), f.alike,
		func(d *decoder) value { return d.fileValue(kind, f) })
}

// encode writes the value that build makes, unless decoding that does not give
// what it was made of.
func encode[M any](
	format Format, limit int, root func(*decoder, *value, *path) M, alike func(M) bool, build func(*decoder) value,
) ([]byte, error) {
	d := &decoder{}
	v := build(d)
	d.valid(&v, nil)
	if len(d.faults) == 0 {
		if message := root(d, &v, nil); len(d.faults) == 0 && !alike(message) {
			d.fault(0, nil, "has parts for which a file has no words")
		}
	}
	if len(d.faults) == 0 {
		if text, ok := write(&v, format, limit); ok {
			return text, nil
		}
		d.fault(0, nil, "would be larger than %d MiB", limit>>20)
	}
	return nil, d.found()
}

// valid faults strings that no file can have.
func (d *decoder) valid(v *value, at *path) {
	if v.kind == jsonscan.String && !utf8.ValidString(v.text) {
		d.fault(0, at, "is not valid UTF-8")
	}
	for i := range v.items {
		item := &v.items[i]
		below := at.at(i)
		if v.kind == jsonscan.Object {
			below = at.to(item.key)
		}
		if !utf8.ValidString(item.key) {
			d.fault(0, below, "is not valid UTF-8")
		}
		d.valid(item, below)
	}
}
