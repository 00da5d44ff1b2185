package manifest

import (
	"math"
	"strconv"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	"github.com/strata-exp/strata/sdk/go/engine"
	"github.com/strata-exp/strata/sdk/go/engine/jsonscan"
)

// What is here makes values of messages: the reverse of decoding them. A message
// that is no good becomes a value that decoding finds at fault.

func newText(key, text string) value { return value{key: key, kind: jsonscan.String, text: text} }

func newInteger(key string, n int32) value {
	return value{key: key, kind: jsonscan.Number, text: strconv.Itoa(int(n))}
}

func newFlag(key string, b bool) value {
	return value{key: key, kind: jsonscan.Bool, text: strconv.FormatBool(b)}
}

func newNull(key string) value { return value{key: key, kind: jsonscan.Null} }

func newObject(key string, members ...value) value {
	return value{key: key, kind: jsonscan.Object, items: members}
}

// newList makes a list of what item makes of each of from.
func newList[M any](key string, from []M, item func(M) value) value {
	list := value{key: key, kind: jsonscan.Array, items: make([]value, len(from))}
	for i, m := range from {
		list.items[i] = item(m)
	}
	return list
}

// inline says that a value goes on one line if it is short.
func inline(v value) value {
	v.inline = true
	return v
}

func (d *decoder) bundleValue(s *Set) value {
	experiments := value{key: keyExperiments, kind: jsonscan.Array}
	for i, f := range s.experiments {
		at := (*path)(nil).to(keyExperiments).at(i)
		experiments.items = append(experiments.items, d.experimentValue(f, at))
	}
	bundle := newObject("", newList(keyLayers, s.layers, layerValue), experiments)
	if fields := s.Snapshot.GetFields(); len(fields) > 0 {
		bundle.items = append(bundle.items, fieldsValue(keyFields, fields))
	}
	if len(s.services) > 0 {
		services := value{key: keyServices, kind: jsonscan.Array}
		for i, f := range s.services {
			services.items = append(services.items, d.serviceValue(f, (*path)(nil).to(keyServices).at(i)))
		}
		bundle.items = append(bundle.items, services)
	}
	return bundle
}

func (d *decoder) fileValue(kind engine.Kind, f *file) value {
	switch kind {
	case engine.KindLayer:
		return layerValue(f)
	case engine.KindExperiment:
		return d.experimentValue(f, nil)
	case kindService:
		return d.serviceValue(f, nil)
	default:
		return fieldsValue("", f.fields)
	}
}

func layerValue(f *file) value {
	l := f.layer
	if l == nil {
		return newNull("")
	}
	members := append([]value{newText("layer_id", l.GetLayerId())}, f.notes.values()...)
	if l.GetVersion() != "" {
		members = append(members, newText("version", l.GetVersion()))
	}
	members = append(members, newInteger("priority", l.GetPriority()), newText("hash_key", l.GetHashKey()), newText("salt", l.GetSalt()))
	if !l.GetEnabled() {
		members = append(members, newFlag("enabled", false))
	}
	if l.GetService() != "" {
		members = append(members, newText("service", l.GetService()))
	}
	return newObject("", append(members, newList("ranges", l.GetRanges(), rangeValue))...)
}

func rangeValue(r *configv1.Range) value {
	if r == nil {
		return newNull("")
	}
	return inline(newObject("", newInteger("start", r.GetStart()), newInteger("end", r.GetEnd()), newInteger("vid", r.GetVid())))
}

func (d *decoder) experimentValue(f *file, at *path) value {
	e := f.experiment
	if e == nil {
		return newNull("")
	}
	members := append([]value{newInteger("eid", e.GetEid())}, f.notes.values()...)
	members = append(members, newText("service", e.GetService()))
	if e.GetRule() != nil {
		members = append(members, ruleValue("rule", e.GetRule()))
	}
	variants := value{key: "variants", kind: jsonscan.Array}
	for i, v := range e.GetVariants() {
		if v == nil {
			variants.items = append(variants.items, newNull(""))
			continue
		}
		params := d.objectValue("params", v.GetParamsJson(), at.to("variants").at(i).to("params"))
		variants.items = append(variants.items, newObject("", newInteger("vid", v.GetVid()), params))
	}
	return newObject("", append(members, variants)...)
}

func (d *decoder) serviceValue(f *file, at *path) value {
	if f.service == nil {
		return newNull("")
	}
	members := append([]value{newText("service", f.service.Name)}, f.notes.values()...)
	return newObject("", append(members, d.objectValue("schema", f.service.SchemaJSON, at.to("schema")))...)
}

// objectValue makes a member of the JSON text of an object.
func (d *decoder) objectValue(key, text string, at *path) value {
	r := jsonReader{scanner: jsonscan.New(text), text: text}
	params := r.value()
	if !r.scanner.End() {
		d.fault(0, at, "%v", r.scanner.Err())
		return value{key: key}
	}
	params.key = key
	params.layOut()
	return params
}

// layOut lets lists of scalars be on one line each, and forgets the lines that
// values had.
func (v *value) layOut() {
	v.line = 0
	v.inline = v.kind == jsonscan.Array
	for i := range v.items {
		item := &v.items[i]
		item.layOut()
		if item.kind == jsonscan.Object || item.kind == jsonscan.Array {
			v.inline = false
		}
	}
}

func ruleValue(key string, r *configv1.Rule) value {
	if r == nil {
		return newNull(key)
	}
	child := func(r *configv1.Rule) value { return ruleValue("", r) }
	children := newList("children", r.GetChildren(), child)
	switch op := r.GetOp(); {
	case op == configv1.Operator_OPERATOR_AND:
		return newObject(key, newText("type", typeAnd), children)
	case op == configv1.Operator_OPERATOR_OR:
		return newObject(key, newText("type", typeOr), children)
	case op == configv1.Operator_OPERATOR_NOT && len(children.items) == 1:
		children.items[0].key = "child"
		return newObject(key, newText("type", typeNot), children.items[0])
	case op == configv1.Operator_OPERATOR_NOT:
		return newObject(key, newText("type", typeNot), children)
	default:
		return inline(newObject(key, newText("type", typeField), newText("field", r.GetField()),
			newText("op", textOf(operators, op)), inline(newList("values", r.GetValues(), operandValue))))
	}
}

func operandValue(v *configv1.Value) value {
	switch kind := v.GetKind().(type) {
	case *configv1.Value_StringValue:
		return newText("", kind.StringValue)
	case *configv1.Value_BoolValue:
		return newFlag("", kind.BoolValue)
	case *configv1.Value_NumberValue:
		return value{kind: jsonscan.Number, text: numberText(kind.NumberValue)}
	default:
		return newNull("")
	}
}

// numberText is a number as YAML has it: JSON has no words for some.
func numberText(f float64) string {
	switch {
	case math.IsNaN(f):
		return ".nan"
	case math.IsInf(f, 1):
		return ".inf"
	case math.IsInf(f, -1):
		return "-.inf"
	default:
		return string(engine.NumberValue(f).AppendJSON(nil))
	}
}

func fieldsValue(key string, fields []*configv1.Field) value {
	members := make([]value, len(fields))
	for i, f := range fields {
		members[i] = newText(f.GetName(), textOf(fieldTypes, f.GetType()))
	}
	return newObject(key, members...)
}
