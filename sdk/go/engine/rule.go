package engine

import (
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

// ruleNode is a node of a rule tree as it was written. Explanations walk the
// tree; evaluations run the program that is made of it.
type ruleNode struct {
	op        Operator
	children  []*ruleNode
	condition *condition // nil for and, or, not
}

// truth evaluates one node by running the programs made of it: the same way in
// which a whole rule is evaluated, so an explanation can not contradict an
// evaluation.
func (n *ruleNode) truth(in *inputs) Truth {
	switch {
	case newProgram(n, True).run(in):
		return True
	case newProgram(n, False).run(in):
		return False
	default:
		return Unknown
	}
}

// program decides whether a rule is TRUE (or FALSE, if it was made for that),
// as a list of tests each of which says where to go on. Three-valued logic
// needs no third value here, because negations are pushed down to the
// conditions: an and is TRUE if all children are TRUE and FALSE if any child is
// FALSE, and the other way round for an or, whatever is UNKNOWN.
type program []test

// test is a step of a program.
type test struct {
	condition *condition
	wanted    Truth
	// Where to go on if the condition comes to what is wanted, and if not.
	yes, no int32
}

// The ends of a program.
const (
	accept int32 = -1
	refuse int32 = -2
)

func newProgram(root *ruleNode, wanted Truth) program {
	var p program
	p.emit(root, wanted, accept, refuse)
	// Steps were made from the last to the first, as each must know the next.
	slices.Reverse(p)
	last := int32(len(p) - 1)
	for i := range p {
		if p[i].yes >= 0 {
			p[i].yes = last - p[i].yes
		}
		if p[i].no >= 0 {
			p[i].no = last - p[i].no
		}
	}
	return p
}

// emit adds the steps that decide whether a node comes to what is wanted, and
// returns the first of them.
func (p *program) emit(n *ruleNode, wanted Truth, yes, no int32) int32 {
	switch n.op {
	case And, Or:
		all := (n.op == And) == (wanted == True)
		next := no
		if all {
			next = yes
		}
		for _, child := range slices.Backward(n.children) {
			if all {
				next = p.emit(child, wanted, next, no)
			} else {
				next = p.emit(child, wanted, yes, next)
			}
		}
		return next
	case Not:
		return p.emit(n.children[0], opposite(wanted), yes, no)
	default:
		*p = append(*p, test{condition: n.condition, wanted: wanted, yes: yes, no: no})
		return int32(len(*p) - 1)
	}
}

func opposite(t Truth) Truth { return False + True - t }

// run reports whether the rule comes to what the program was made for. It takes
// at most one test for each condition of the rule.
func (p program) run(in *inputs) bool {
	at := int32(0)
	for at >= 0 {
		t := &p[at]
		if t.condition.test(in) == t.wanted {
			at = t.yes
		} else {
			at = t.no
		}
	}
	return at == accept
}

// condition compares a context field with values.
type condition struct {
	field symbol
	typ   FieldType
	op    Operator
	order order // for the operators that one comparison decides
	// One of these is what those operators compare with.
	number float64
	text   string

	texts   map[string]struct{}
	numbers map[float64]struct{}
	semvers []semver // sorted
	pattern pattern

	name   string  // of the field
	values []Value // as written
}

// order is the set of outcomes of a comparison for which an operator holds.
type order uint8

const (
	less order = 1 << iota
	equal
	greater
)

func orderOf(op Operator) order {
	switch op {
	case Eq:
		return equal
	case Neq:
		return less | greater
	case Gt:
		return greater
	case Gte:
		return greater | equal
	case Lt:
		return less
	case Lte:
		return less | equal
	default:
		return 0
	}
}

// has reports whether the outcome of a comparison, negative, 0 or positive, is
// in the set.
func (o order) has(outcome int) Truth {
	switch {
	case outcome < 0:
		return truthOf(o&less != 0)
	case outcome > 0:
		return truthOf(o&greater != 0)
	default:
		return truthOf(o&equal != 0)
	}
}

// test evaluates the condition.
func (c *condition) test(in *inputs) Truth {
	v := in.value(c.field)
	if v == nil {
		return Unknown
	}
	switch c.typ {
	case StringField:
		if v.kind == String {
			return c.testString(v.text)
		}
	case IntField:
		if v.kind == Number && isSafeInteger(v.number) {
			return c.testNumber(v.number)
		}
	case FloatField:
		if v.kind == Number && isFinite(v.number) {
			return c.testNumber(v.number)
		}
	case BoolField:
		if v.kind == Bool {
			return c.testNumber(v.number)
		}
	case SemverField:
		if v.kind == String {
			return c.testSemver(v.text)
		}
	}
	return Unknown
}

func (c *condition) testNumber(number float64) Truth {
	if c.order == 0 {
		_, found := c.numbers[number]
		return truthOf(found == (c.op == In))
	}
	outcome := greater
	if number < c.number {
		outcome = less
	} else if number == c.number {
		outcome = equal
	}
	return truthOf(c.order&outcome != 0)
}

func (c *condition) testString(text string) Truth {
	switch c.op {
	case Eq:
		return truthOf(text == c.text)
	case Neq:
		return truthOf(text != c.text)
	case In, NotIn:
		_, found := c.texts[text]
		return truthOf(found == (c.op == In))
	case Like, NotLike:
		return truthOf(c.pattern.match(text) == (c.op == Like))
	default:
		// UTF-8 byte order is the order of code points.
		return c.order.has(strings.Compare(text, c.text))
	}
}

func (c *condition) testSemver(text string) Truth {
	version, ok := parseSemver(text)
	if !ok {
		return Unknown
	}
	if c.order == 0 {
		_, found := slices.BinarySearchFunc(c.semvers, version, semver.compare)
		return truthOf(found == (c.op == In))
	}
	return c.order.has(version.compare(c.semvers[0]))
}

// index prepares the values for the way in which they are compared.
func (c *condition) index() {
	c.values = slices.Clip(c.values)
	slices.SortFunc(c.semvers, semver.compare)
	switch {
	case c.op == Like || c.op == NotLike:
		c.pattern = newPattern(c.text)
	case c.op != In && c.op != NotIn || c.typ == SemverField:
	case c.typ == StringField:
		c.texts = make(map[string]struct{}, len(c.values))
		for _, v := range c.values {
			c.texts[v.text] = struct{}{}
		}
	default:
		c.numbers = make(map[float64]struct{}, len(c.values))
		for _, v := range c.values {
			c.numbers[v.number] = struct{}{}
		}
	}
}
