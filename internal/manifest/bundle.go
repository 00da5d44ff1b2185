package manifest

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/strata-exp/strata/sdk/go/engine"
	"github.com/strata-exp/strata/sdk/go/engine/jsonscan"
)

// MaxBundleBytes is how large a bundle may be.
const MaxBundleBytes = 64 << 20

// The keys of a bundle.
const (
	keyLayers      = "layers"
	keyExperiments = "experiments"
	keyFields      = "fields"
	keyServices    = "services"
)

// DecodeBundle decodes the text of a bundle: a whole configuration in one
// document, of which each part may be absent. The end of the file's name says
// whether it is JSON or YAML; no file is opened. There is a Set, or there are
// faults, never both. Their paths lead from the root of the bundle, such as
// layers[3].ranges[1].end.
func DecodeBundle(file string, data []byte) (*Set, Faults) {
	return decodeSet(file, data, (*decoder).bundle)
}

// Decode decodes a file of any kind, which its name or its keys decide. A file
// called fields.json, fields.yaml or fields.yml declares fields. Of all others
// one that has a layer_id is a layer, one that has an eid an experiment, and one
// that has a schema a declared service, and one that has layers, experiments,
// fields or services a bundle. The rest is as for [DecodeBundle].
func Decode(file string, data []byte) (*Set, Faults) {
	return decodeSet(file, data, (*decoder).anything)
}

func decodeSet(file string, data []byte, root func(*decoder, *value, *path) *Set) (*Set, Faults) {
	document := &document{name: file, text: string(data)}
	set, faults := decode(file, document.text, MaxBundleBytes, root)
	if faults != nil {
		return nil, faults
	}
	for _, f := range slices.Concat(set.layers, set.experiments, set.services) {
		f.document = document
	}
	if set.fields != nil {
		set.fields.document = document
	}
	return set, nil
}

func (d *decoder) bundle(v *value, at *path) *Set {
	o, ok := d.object(v, at)
	if !ok {
		return nil
	}
	o.only(keyLayers, keyExperiments, keyFields, keyServices)
	layers := optional(o, keyLayers, listOf((*decoder).layer))
	experiments := optional(o, keyExperiments, listOf((*decoder).experiment))
	fields := optional(o, keyFields, (*decoder).fields)
	services := optional(o, keyServices, listOf((*decoder).service))
	if len(d.faults) > 0 {
		return nil
	}
	return newSet(layers, experiments, fields, services)
}

// anything decodes a file whose kind is not known.
func (d *decoder) anything(v *value, at *path) *Set {
	if !d.want(v, at, jsonscan.Object, anObject) {
		return nil
	}
	kind := d.kind(v)
	switch kind {
	case "":
		d.fault(int(v.line), at, "want a layer_id, as a layer has it, an eid, as an experiment has it, a schema, as a service has it, "+
			"or layers, experiments, fields or services, as a bundle has them; declared fields alone stand in a file called fields.json, fields.yaml or fields.yml")
		return nil
	case kindBundle:
		return d.bundle(v, at)
	}
	if d.size > MaxFileBytes {
		d.tooLarge(MaxFileBytes)
		return nil
	}
	f := decoderOf(kind)(d, v, at)
	switch {
	case len(d.faults) > 0:
		return nil
	case kind == engine.KindLayer:
		return newSet([]*file{f}, nil, nil, nil)
	case kind == engine.KindExperiment:
		return newSet(nil, []*file{f}, nil, nil)
	case kind == kindService:
		return newSet(nil, nil, nil, []*file{f})
	default:
		return newSet(nil, nil, f, nil)
	}
}

// Kinds of what the engine does not know.
const (
	kindBundle  engine.Kind = "bundle"
	kindService engine.Kind = "service"
)

// isFields reports whether a file of this name, without its folder, declares
// fields.
func isFields(name string) bool {
	extension, ok := strings.CutPrefix(name, keyFields)
	return ok && slices.Contains(extensions, extension)
}

// kind returns the kind of a file by its name or its keys, "" if neither says.
func (d *decoder) kind(v *value) engine.Kind {
	if isFields(filepath.Base(d.file)) {
		return engine.KindField
	}
	kinds := []struct {
		key  string
		kind engine.Kind
	}{
		{"layer_id", engine.KindLayer},
		{"eid", engine.KindExperiment},
		{"schema", kindService},
		{keyLayers, kindBundle},
		{keyExperiments, kindBundle},
		{keyFields, kindBundle},
		{keyServices, kindBundle},
	}
	for _, k := range kinds {
		if slices.ContainsFunc(v.items, func(member value) bool { return member.key == k.key }) {
			return k.kind
		}
	}
	// A slip in that key is one fault among others, and not the end.
	for _, k := range kinds {
		for i := range v.items {
			if _, ok := nearest(v.items[i].key, []string{k.key}); ok {
				return k.kind
			}
		}
	}
	return ""
}
