package plan

import (
	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	"github.com/strata-exp/strata/sdk/go/engine"
)

// operators are the names of conditions in files.
var operators = map[configv1.Operator]string{
	configv1.Operator_OPERATOR_EQ:       "eq",
	configv1.Operator_OPERATOR_NEQ:      "neq",
	configv1.Operator_OPERATOR_GT:       "gt",
	configv1.Operator_OPERATOR_GTE:      "gte",
	configv1.Operator_OPERATOR_LT:       "lt",
	configv1.Operator_OPERATOR_LTE:      "lte",
	configv1.Operator_OPERATOR_IN:       "in",
	configv1.Operator_OPERATOR_NOT_IN:   "not_in",
	configv1.Operator_OPERATOR_LIKE:     "like",
	configv1.Operator_OPERATOR_NOT_LIKE: "not_like",
}

// fieldTypes are the names of types in files.
var fieldTypes = map[configv1.FieldType]string{
	configv1.FieldType_FIELD_TYPE_STRING: "string",
	configv1.FieldType_FIELD_TYPE_INT:    "int",
	configv1.FieldType_FIELD_TYPE_FLOAT:  "float",
	configv1.FieldType_FIELD_TYPE_BOOL:   "bool",
	configv1.FieldType_FIELD_TYPE_SEMVER: "semver",
}

// rule returns a rule in the words of the file format.
func rule(r *configv1.Rule) string {
	if r == nil {
		return ""
	}
	return string(appendRule(nil, r))
}

func appendRule(dst []byte, r *configv1.Rule) []byte {
	switch r.GetOp() {
	case configv1.Operator_OPERATOR_AND:
		dst = appendList(append(dst, `{"type":"and","children":`...), r.GetChildren(), appendRule)
	case configv1.Operator_OPERATOR_OR:
		dst = appendList(append(dst, `{"type":"or","children":`...), r.GetChildren(), appendRule)
	case configv1.Operator_OPERATOR_NOT:
		dst = append(dst, `{"type":"not","child":`...)
		for _, child := range r.GetChildren() { // exactly one
			dst = appendRule(dst, child)
		}
	default:
		dst = appendText(append(dst, `{"type":"field","field":`...), r.GetField())
		dst = appendText(append(dst, `,"op":`...), operators[r.GetOp()])
		dst = appendList(append(dst, `,"values":`...), r.GetValues(), appendOperand)
	}
	return append(dst, '}')
}

func appendOperand(dst []byte, v *configv1.Value) []byte {
	switch kind := v.GetKind().(type) {
	case *configv1.Value_StringValue:
		return appendText(dst, kind.StringValue)
	case *configv1.Value_NumberValue:
		return engine.NumberValue(kind.NumberValue).AppendJSON(dst)
	default:
		return engine.BoolValue(v.GetBoolValue()).AppendJSON(dst)
	}
}

// fieldsOf adds the context fields that a rule, nil for none, compares.
func fieldsOf(r *configv1.Rule, names map[string]bool) {
	if r.GetField() != "" {
		names[r.GetField()] = true
	}
	for _, child := range r.GetChildren() {
		fieldsOf(child, names)
	}
}
