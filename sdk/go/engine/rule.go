package engine

import (
	"cmp"
	"slices"
	"strings"
)

// Truth is a value of Kleene's three-valued logic. Its numbers are those of
// strata.serving.v1.Truth.
type Truth int8

// The truth values. Unknown is what a condition comes to where its field is
// absent, null, or of another type.
const (
	False   Truth = 1
	Unknown Truth = 2
	True    Truth = 3
)

func (t Truth) String() string {
	return [...]string{"", "FALSE", "UNKNOWN", "TRUE"}[t]
}

func truthOf(b bool) Truth {
	if b {
		return True
	}
	return False
}

// Operator is one of the 13 operators of a rule. Its numbers are those of
// strata.config.v1.Operator.
type Operator int32

// The operators.
const (
	And Operator = iota + 1
	Or
	Not
	Eq
	Neq
	Gt
	Gte
	Lt
	Lte
	In
	NotIn
	Like
	NotLike
)

func (o Operator) String() string {
	return [...]string{
		"", "and", "or", "not", "eq", "neq", "gt", "gte", "lt", "lte", "in", "not_in", "like", "not_like",
	}[o]
}

// FieldType is the type of a context field. Its numbers are those of
// strata.config.v1.FieldType.
type FieldType int32

// The types of fields.
const (
	StringField FieldType = iota + 1
	IntField
	FloatField
	BoolField
	SemverField
)

func (t FieldType) String() string {
	return [...]string{"", "string", "int", "float", "bool", "semver"}[t]
}

// rule is a rule tree, flat: each node is followed by its subtree, so that an
// evaluation walks memory forwards.
type rule []ruleNode

// ruleNode is an and, or or not over the nodes between it and end, or a
// condition.
type ruleNode struct {
	op    Operator
	end   int32 // index of the first node after this one's subtree
	field symbol
	typ   FieldType
	// One of these two is what eq, neq and the orders compare with.
	text    string
	number  float64
	operand *operand
}

// operand is the part of a condition that only some conditions or explanations
// need.
type operand struct {
	name    string  // of the field
	values  []Value // as written
	texts   map[string]struct{}
	numbers map[float64]struct{}
	semvers []semver // sorted
	pattern pattern
}

// eval evaluates the subtree at index at. Without truths it stops as soon as
// the answer is certain; with truths it visits every node and records what each
// came to. Nothing else differs, so an explanation can not contradict an
// evaluation.
func (r rule) eval(at int32, in *inputs, truths []Truth) Truth {
	node := &r[at]
	var truth Truth
	switch node.op {
	case And:
		truth = r.combine(node, at, in, truths, False, True)
	case Or:
		truth = r.combine(node, at, in, truths, True, False)
	case Not:
		// True and False are equally far from Unknown.
		truth = 2*Unknown - r.eval(at+1, in, truths)
	default:
		truth = node.test(in.value(node.field))
	}
	if truths != nil {
		truths[at] = truth
	}
	return truth
}

// combine evaluates the children of an and, which False decides, or of an or,
// which True decides.
func (r rule) combine(node *ruleNode, at int32, in *inputs, truths []Truth, decisive, otherwise Truth) Truth {
	truth := otherwise
	for child := at + 1; child < node.end; child = r[child].end {
		switch r.eval(child, in, truths) {
		case decisive:
			if truths == nil {
				return decisive
			}
			truth = decisive
		case Unknown:
			if truth != decisive {
				truth = Unknown
			}
		}
	}
	return truth
}

// test evaluates a condition on a value, nil where the context has none.
func (n *ruleNode) test(v *Value) Truth {
	if v == nil {
		return Unknown
	}
	switch n.typ {
	case StringField:
		if v.kind != String {
			return Unknown
		}
		return n.testString(v.text)
	case IntField:
		if v.kind != Number || !isSafeInteger(v.number) {
			return Unknown
		}
		return n.testNumber(v.number)
	case FloatField:
		if v.kind != Number || !isFinite(v.number) {
			return Unknown
		}
		return n.testNumber(v.number)
	case BoolField:
		if v.kind != Bool {
			return Unknown
		}
		return n.testNumber(v.number)
	case SemverField:
		if v.kind != String {
			return Unknown
		}
		version, ok := parseSemver(v.text)
		if !ok {
			return Unknown
		}
		return n.testSemver(version)
	default:
		return Unknown
	}
}

func (n *ruleNode) testString(text string) Truth {
	switch n.op {
	case Eq:
		return truthOf(text == n.text)
	case Neq:
		return truthOf(text != n.text)
	case In, NotIn:
		_, found := n.operand.texts[text]
		return truthOf(found == (n.op == In))
	case Like, NotLike:
		return truthOf(n.operand.pattern.match(text) == (n.op == Like))
	default:
		// UTF-8 byte order is the order of code points.
		return truthOf(n.op.holds(strings.Compare(text, n.text)))
	}
}

func (n *ruleNode) testNumber(number float64) Truth {
	switch n.op {
	case Eq:
		return truthOf(number == n.number)
	case Neq:
		return truthOf(number != n.number)
	case In, NotIn:
		_, found := n.operand.numbers[number]
		return truthOf(found == (n.op == In))
	default:
		return truthOf(n.op.holds(cmp.Compare(number, n.number)))
	}
}

func (n *ruleNode) testSemver(version semver) Truth {
	if n.op == In || n.op == NotIn {
		_, found := slices.BinarySearchFunc(n.operand.semvers, version, semver.compare)
		return truthOf(found == (n.op == In))
	}
	return truthOf(n.op.holds(version.compare(n.operand.semvers[0])))
}

// holds reports whether an order operator holds for a comparison's outcome.
func (o Operator) holds(order int) bool {
	switch o {
	case Eq:
		return order == 0
	case Neq:
		return order != 0
	case Gt:
		return order > 0
	case Gte:
		return order >= 0
	case Lt:
		return order < 0
	case Lte:
		return order <= 0
	default:
		return false
	}
}
