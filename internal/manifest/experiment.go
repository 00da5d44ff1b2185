package manifest

import (
	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
)

// DecodeExperiment decodes the text of an experiment. The end of the file's
// name says whether it is JSON or YAML; no file is opened. There is an
// experiment, or there are faults, never both. Its notes are checked and
// dropped; [Decode] keeps them.
func DecodeExperiment(file string, data []byte) (*configv1.Experiment, Faults) {
	f, faults := decode(file, string(data), MaxFileBytes, (*decoder).experiment)
	if faults != nil {
		return nil, faults
	}
	return f.experiment, nil
}

func (d *decoder) experiment(v *value, at *path) *file {
	o, ok := d.object(v, at)
	if !ok {
		return nil
	}
	o.onlyOr(experimentNotes, "eid", "service", "rule", "variants")
	experiment := &configv1.Experiment{
		Eid:      required(o, "eid", (*decoder).integer),
		Service:  required(o, "service", (*decoder).text),
		Rule:     optional(o, "rule", (*decoder).ruleOrNull),
		Variants: required(o, "variants", listOf((*decoder).variant)),
	}
	return &file{at: at, experiment: experiment, notes: o.notes(experimentNotes)}
}

func (d *decoder) variant(v *value, at *path) *configv1.Variant {
	o, ok := d.object(v, at)
	if !ok {
		return nil
	}
	o.only("vid", "params")
	return &configv1.Variant{
		Vid:        required(o, "vid", (*decoder).integer),
		ParamsJson: required(o, "params", (*decoder).params),
	}
}
