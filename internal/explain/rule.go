package explain

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/structpb"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
)

// writeRule writes a rule as a tree: what each node came to, the node, indented
// by its depth, and for conditions what the context has.
func writeRule(b *bytes.Buffer, rule *servingv1.RuleExplanation) {
	writeTable(b, func(t io.Writer) { writeNode(t, "    rule    ", rule, 0) })
}

func writeNode(t io.Writer, label string, n *servingv1.RuleExplanation, depth int) {
	// What a condition and what its value may take of a line, together with the
	// label, the truth and the blanks between.
	const forCondition, forSeen, least = 35, 22, 20
	truth := strings.TrimPrefix(n.GetTruth().String(), "TRUTH_")
	indent := strings.Repeat("  ", depth)
	what, has := operator(n), ""
	if n.GetField() != "" {
		what, has = condition(n, max(forCondition-len(indent), least)), seen(n, forSeen)
	}
	// UNKNOWN is the longest; padding to it keeps the columns of all layers alike.
	fmt.Fprintf(t, "%s%-7s  %s%s\t%s\n", label, truth, indent, what, has)
	for _, child := range n.GetChildren() {
		writeNode(t, strings.Repeat(" ", len(label)), child, depth+1)
	}
}

func operator(n *servingv1.RuleExplanation) string {
	return strings.ToLower(strings.TrimPrefix(n.GetOp().String(), "OPERATOR_"))
}

// condition returns a condition as in: country in ["US", "CA"]. It has at most
// this many runes; a list says how many of its values are left out for that.
func condition(n *servingv1.RuleExplanation, most int) string {
	head := Printable(n.GetField()) + " " + operator(n) + " "
	values := make([]string, len(n.GetValues()))
	for i, v := range n.GetValues() {
		values[i] = Printable(string(appendConditionValue(nil, v)))
	}
	if n.GetOp() != configv1.Operator_OPERATOR_IN && n.GetOp() != configv1.Operator_OPERATOR_NOT_IN {
		return clip(head+strings.Join(values, ", "), most)
	}
	if whole := head + "[" + strings.Join(values, ", ") + "]"; utf8.RuneCountInString(whole) <= most {
		return whole
	}
	shown := head + "["
	for i, value := range values {
		rest := fmt.Sprintf("… %d more]", len(values)-i)
		if utf8.RuneCountInString(shown+value+", "+rest) > most {
			return clip(shown+rest, most)
		}
		shown += value + ", "
	}
	return shown // never: all values together are too long
}

// seen says what the context has for a condition, and why that is UNKNOWN where
// it is, in at most this many runes.
func seen(n *servingv1.RuleExplanation, most int) string {
	if n.GetSeen() == nil {
		return "is absent"
	}
	why := ""
	_, null := n.GetSeen().GetKind().(*structpb.Value_NullValue)
	if n.GetTruth() == servingv1.Truth_TRUTH_UNKNOWN && !null {
		why = ", no " + strings.ToLower(strings.TrimPrefix(n.GetType().String(), "FIELD_TYPE_"))
	}
	return "is " + clip(Printable(string(appendValue(nil, n.GetSeen()))), most-len("is ")-len(why)) + why
}
