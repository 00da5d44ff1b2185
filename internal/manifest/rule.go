package manifest

import (
	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	"github.com/strata-exp/strata/sdk/go/engine"
	"github.com/strata-exp/strata/sdk/go/engine/jsonscan"
)

// The types of rule nodes.
const (
	typeAnd   = "and"
	typeOr    = "or"
	typeNot   = "not"
	typeField = "field"
)

// operators are the operators of conditions, in the order in which faults name
// them.
var operators = []name[configv1.Operator]{
	{"eq", configv1.Operator_OPERATOR_EQ},
	{"neq", configv1.Operator_OPERATOR_NEQ},
	{"gt", configv1.Operator_OPERATOR_GT},
	{"gte", configv1.Operator_OPERATOR_GTE},
	{"lt", configv1.Operator_OPERATOR_LT},
	{"lte", configv1.Operator_OPERATOR_LTE},
	{"in", configv1.Operator_OPERATOR_IN},
	{"not_in", configv1.Operator_OPERATOR_NOT_IN},
	{"like", configv1.Operator_OPERATOR_LIKE},
	{"not_like", configv1.Operator_OPERATOR_NOT_LIKE},
}

func (d *decoder) ruleOrNull(v *value, at *path) *configv1.Rule {
	if v.kind == jsonscan.Null {
		return nil
	}
	return d.rule(v, at, 1)
}

func (d *decoder) rule(v *value, at *path, depth int) *configv1.Rule {
	if depth > engine.MaxRuleDepth {
		d.fault(int(v.line), at, "is nested deeper than %d levels", engine.MaxRuleDepth)
		return nil
	}
	o, ok := d.object(v, at)
	if !ok {
		return nil
	}
	child := func(d *decoder, v *value, at *path) *configv1.Rule { return d.rule(v, at, depth+1) }
	switch kind := required(o, "type", (*decoder).text); kind {
	case typeAnd, typeOr:
		o.only("type", "children")
		op := configv1.Operator_OPERATOR_AND
		if kind == typeOr {
			op = configv1.Operator_OPERATOR_OR
		}
		return &configv1.Rule{Op: op, Children: required(o, "children", listOf(child))}
	case typeNot:
		o.only("type", "child", "children")
		return &configv1.Rule{Op: configv1.Operator_OPERATOR_NOT, Children: negated(o, child)}
	case typeField:
		o.only("type", "field", "op", "values")
		return &configv1.Rule{
			Op:     required(o, "op", (*decoder).operator),
			Field:  required(o, "field", (*decoder).text),
			Values: required(o, "values", listOf((*decoder).operand)),
		}
	default:
		if member, ok := o.members["type"]; ok && member.kind == jsonscan.String {
			o.fault("type", "want "+orList([]string{typeAnd, typeOr, typeNot, typeField})+", got "+quote(kind))
		}
		o.only("type", "child", "children", "field", "op", "values")
		return nil
	}
}

// negated decodes what a not is over: its child, or its only one of children.
func negated(o *object, child func(*decoder, *value, *path) *configv1.Rule) []*configv1.Rule {
	many, ok := o.members["children"]
	if !ok {
		return []*configv1.Rule{required(o, "child", child)}
	}
	children := optional(o, "children", listOf(child))
	if _, both := o.members["child"]; both {
		o.fault("children", "stands beside child; want one of the two")
		optional(o, "child", child)
	} else if many.kind == jsonscan.Array && len(children) != 1 {
		o.fault("children", "want exactly one child of not")
	}
	return children
}

func (d *decoder) operator(v *value, at *path) configv1.Operator {
	return named(d, v, at, operators)
}

// operand decodes one of the values that a condition compares with.
func (d *decoder) operand(v *value, at *path) *configv1.Value {
	switch v.kind {
	case jsonscan.String:
		return &configv1.Value{Kind: &configv1.Value_StringValue{StringValue: d.text(v, at)}}
	case jsonscan.Number:
		return &configv1.Value{Kind: &configv1.Value_NumberValue{NumberValue: d.number(v, at)}}
	case jsonscan.Bool:
		return &configv1.Value{Kind: &configv1.Value_BoolValue{BoolValue: d.flag(v, at)}}
	default:
		d.unwanted(v, at, "a string, a number or a boolean")
		return nil
	}
}
