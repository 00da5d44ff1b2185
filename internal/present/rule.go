package present

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	"github.com/strata-exp/strata/internal/explain"
	"github.com/strata-exp/strata/sdk/go/engine"
)

// mostNodes is how many nodes of a rule a text has.
const mostNodes = 40

// writeRule writes a rule as a tree, one node in a line.
func writeRule(b *bytes.Buffer, rule *configv1.Rule, indent int) {
	left := mostNodes
	writeNode(b, rule, indent, &left)
	if left < 0 {
		fmt.Fprintf(b, "%*s… and %d more\n", indent, "", -left)
	}
}

func writeNode(b *bytes.Buffer, r *configv1.Rule, indent int, left *int) {
	if *left--; *left >= 0 {
		line := operator(r.GetOp())
		if r.GetField() != "" {
			line = condition(r)
		}
		fmt.Fprintf(b, "%*s%s\n", indent, "", clip(explain.Printable(line), max(lineWidth-indent, leastWidth)))
	}
	for _, child := range r.GetChildren() {
		writeNode(b, child, indent+2, left)
	}
}

func operator(op configv1.Operator) string {
	return strings.ToLower(strings.TrimPrefix(op.String(), "OPERATOR_"))
}

func condition(r *configv1.Rule) string {
	values := make([]string, len(r.GetValues()))
	for i, v := range r.GetValues() {
		values[i] = operand(v)
	}
	text := strings.Join(values, ", ")
	if op := r.GetOp(); op == configv1.Operator_OPERATOR_IN || op == configv1.Operator_OPERATOR_NOT_IN {
		text = "[" + text + "]"
	}
	return r.GetField() + " " + operator(r.GetOp()) + " " + text
}

func operand(v *configv1.Value) string {
	switch kind := v.GetKind().(type) {
	case *configv1.Value_StringValue:
		return string(engine.StringValue(kind.StringValue).AppendJSON(nil))
	case *configv1.Value_BoolValue:
		return strconv.FormatBool(kind.BoolValue)
	default:
		return string(engine.NumberValue(v.GetNumberValue()).AppendJSON(nil))
	}
}
