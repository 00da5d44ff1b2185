package manifest

import (
	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
)

// DecodeExperiment decodes the text of an experiment. The end of the file's
// name says whether it is JSON or YAML; no file is opened. There is an
// experiment, or there are faults, never both.
func DecodeExperiment(file string, data []byte) (*configv1.Experiment, Faults) {
	return decode(file, data, (*decoder).experiment)
}

func (d *decoder) experiment(v *value) *configv1.Experiment {
	o, ok := d.object(v, nil)
	if !ok {
		return nil
	}
	o.only("eid", "service", "rule", "variants")
	return &configv1.Experiment{
		Eid:      required(o, "eid", (*decoder).integer),
		Service:  required(o, "service", (*decoder).text),
		Rule:     optional(o, "rule", (*decoder).ruleOrNull),
		Variants: required(o, "variants", listOf((*decoder).variant)),
	}
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
