package manifest

import (
	"strings"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
)

// fieldTypes are the types of fields, in the order in which faults name them.
var fieldTypes = []name[configv1.FieldType]{
	{"string", configv1.FieldType_FIELD_TYPE_STRING},
	{"int", configv1.FieldType_FIELD_TYPE_INT},
	{"float", configv1.FieldType_FIELD_TYPE_FLOAT},
	{"bool", configv1.FieldType_FIELD_TYPE_BOOL},
	{"semver", configv1.FieldType_FIELD_TYPE_SEMVER},
}

// DecodeFields decodes the text of declared fields, a map of name to type, in
// the order of the text. The end of the file's name says whether it is JSON or
// YAML; no file is opened. Where there are faults, there are no fields.
func DecodeFields(file string, data []byte) ([]*configv1.Field, Faults) {
	f, faults := decode(file, string(data), MaxFileBytes, (*decoder).fields)
	if faults != nil {
		return nil, faults
	}
	return f.fields, nil
}

func (d *decoder) fields(v *value, at *path) *file {
	o, ok := d.object(v, at)
	if !ok {
		return nil
	}
	fields := make([]*configv1.Field, len(v.items))
	for i := range v.items {
		member := &v.items[i]
		fields[i] = &configv1.Field{
			Name: strings.Clone(member.key),
			Type: named(d, member, o.at.to(member.key), fieldTypes),
		}
	}
	return &file{at: at, fields: fields}
}
