package manifest

import (
	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	"github.com/strata-exp/strata/sdk/go/engine/jsonscan"
)

// DecodeLayer decodes the text of a layer. The end of the file's name says
// whether it is JSON or YAML; no file is opened. There is a layer, or there are
// faults, never both. Its notes are checked and dropped; [Decode] keeps them.
func DecodeLayer(file string, data []byte) (*configv1.Layer, Faults) {
	f, faults := decode(file, string(data), MaxFileBytes, (*decoder).layer)
	if faults != nil {
		return nil, faults
	}
	return f.layer, nil
}

func (d *decoder) layer(v *value, at *path) *file {
	o, ok := d.object(v, at)
	if !ok {
		return nil
	}
	o.onlyOr(layerNotes, "layer_id", "version", "priority", "hash_key", "salt", "enabled", "ranges", "service")
	layer := &configv1.Layer{
		LayerId:  required(o, "layer_id", (*decoder).text),
		Version:  optional(o, "version", (*decoder).text),
		Priority: required(o, "priority", (*decoder).integer),
		HashKey:  required(o, "hash_key", (*decoder).text),
		Salt:     optional(o, "salt", (*decoder).text),
		Enabled:  true,
		Ranges:   required(o, "ranges", listOf((*decoder).slots)),
		Service:  optional(o, "service", (*decoder).text),
	}
	if _, ok := o.members["enabled"]; ok {
		layer.Enabled = optional(o, "enabled", (*decoder).flag)
	}
	if _, ok := o.members["salt"]; !ok {
		layer.Salt = layer.GetLayerId() + "_" + layer.GetVersion()
		version, ok := o.members["version"]
		if !ok || version.kind == jsonscan.String && version.text == "" {
			o.fault("salt", "is missing, and without a version it can not be {layer_id}_{version}")
		}
	}
	return &file{at: at, layer: layer, notes: o.notes(layerNotes)}
}

// slots decodes one range of a layer.
func (d *decoder) slots(v *value, at *path) *configv1.Range {
	o, ok := d.object(v, at)
	if !ok {
		return nil
	}
	o.only("start", "end", "vid")
	return &configv1.Range{
		Start: required(o, "start", (*decoder).integer),
		End:   required(o, "end", (*decoder).integer),
		Vid:   required(o, "vid", (*decoder).integer),
	}
}
