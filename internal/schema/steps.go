package schema

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

const (
	// maxSteps is how many steps the check of one variant may take: how often a
	// schema is applied to a value. What is known before there is a value does not
	// tell: a schema of trees has no end but that of the tree, and one that leads
	// twice from each level to the next is as short.
	maxSteps = 1_000_000
	// part of a step is a value that is looked at or compared, or a byte that a
	// pattern is held against.
	partsOfStep = 100
)

// node is a value, and what is in it.
type node struct {
	value any
	names []string // of the members of an object, sorted
	below []*node  // the members in this order, or the items of a list
	size  int      // how many values it is, with itself
}

func newNode(value any) *node {
	n := &node{value: value, size: 1}
	add := func(value any) {
		below := newNode(value)
		n.below = append(n.below, below)
		n.size += below.size
	}
	switch v := value.(type) {
	case map[string]any:
		n.names = slices.Sorted(maps.Keys(v))
		for _, name := range n.names {
			add(v[name])
		}
	case []any:
		for _, item := range v {
			add(item)
		}
	}
	return n
}

// steps counts what a check takes, at most: it applies what the check would, as if
// no alternative counted but the last one. It stops where that is too much.
type steps struct {
	left int
	keys []string // that lead to where it is
	// schema and at are where most of it was when it was too much.
	schema *jsonschema.Schema
	at     []string
}

// tooLong returns what is wrong with a value that would take too long to be
// checked, nil for nothing.
func tooLong(schema *jsonschema.Schema, value any) []Violation {
	s := &steps{left: maxSteps}
	if s.apply(schema, newNode(value)) {
		return nil
	}
	_, pointer, _ := strings.Cut(s.schema.Location, "#")
	return []Violation{{
		join(value, s.at),
		clip(fmt.Sprintf("would take more than %d steps to be checked against #%s and all that it leads to", maxSteps, pointer)),
	}}
}

func (s *steps) take(parts int) { s.left -= parts / partsOfStep }

// apply counts the application of a schema, nil for none. It returns false once
// there was too much.
func (s *steps) apply(schema *jsonschema.Schema, n *node) bool {
	if schema == nil {
		return true
	}
	before := s.left
	s.left--
	s.take(len(n.below))
	if schema.Const != nil || schema.UniqueItems {
		s.take(n.size)
	}
	if schema.Enum != nil {
		s.take(n.size * len(schema.Enum.Values))
	}
	if s.left >= 0 && s.same(schema, n) && s.below(schema, n) {
		return true
	}
	if s.schema == nil && before-s.left > maxSteps/2 {
		s.schema, s.at = schema, slices.Clone(s.keys)
	}
	return false
}

func (s *steps) all(schemas []*jsonschema.Schema, n *node) bool {
	return !slices.ContainsFunc(schemas, func(one *jsonschema.Schema) bool { return !s.apply(one, n) })
}

// same counts what a schema applies to the same value.
func (s *steps) same(schema *jsonschema.Schema, n *node) bool {
	if len(schema.DependentSchemas) > 0 {
		for _, name := range n.names {
			if !s.apply(schema.DependentSchemas[name], n) {
				return false
			}
		}
	}
	return s.apply(schema.Ref, n) && s.apply(schema.Not, n) && s.all(schema.AllOf, n) && s.all(schema.AnyOf, n) && s.all(schema.OneOf, n) &&
		s.condition(schema, n)
}

// condition counts an if, and what follows of it alone: of trees that tell their
// kinds apart like this, both together would be far too much.
func (s *steps) condition(schema *jsonschema.Schema, n *node) bool {
	switch {
	case schema.If == nil:
		return true
	case !s.apply(schema.If, n):
		return false
	case schema.If.Validate(n.value) == nil:
		return s.apply(schema.Then, n)
	default:
		return s.apply(schema.Else, n)
	}
}

// below counts what a schema applies to what is in a value.
func (s *steps) below(schema *jsonschema.Schema, n *node) bool {
	switch v := n.value.(type) {
	case map[string]any:
		for i, name := range n.names {
			if !s.within(name, func() bool { return s.member(schema, name, n.below[i]) }) {
				return false
			}
		}
	case []any:
		for i, item := range n.below {
			if !s.within(strconv.Itoa(i), func() bool { return s.item(schema, i, item) }) {
				return false
			}
		}
	case string:
		if schema.Pattern != nil {
			s.take(len(v))
		}
	}
	return s.left >= 0
}

func (s *steps) within(key string, count func() bool) bool {
	s.keys = append(s.keys, key)
	defer func() { s.keys = s.keys[:len(s.keys)-1] }()
	return count()
}

func (s *steps) member(schema *jsonschema.Schema, name string, n *node) bool {
	if schema.PropertyNames != nil && !s.apply(schema.PropertyNames, &node{value: name, size: 1}) {
		return false
	}
	one, described := schema.Properties[name]
	if !s.apply(one, n) {
		return false
	}
	for pattern, one := range schema.PatternProperties {
		s.left--
		s.take(len(name))
		if !pattern.MatchString(name) {
			continue
		}
		described = true
		if !s.apply(one, n) {
			return false
		}
	}
	if described {
		return true
	}
	additional, _ := schema.AdditionalProperties.(*jsonschema.Schema)
	return s.apply(additional, n) && s.apply(schema.UnevaluatedProperties, n)
}

func (s *steps) item(schema *jsonschema.Schema, i int, n *node) bool {
	one := schema.Items2020
	if i < len(schema.PrefixItems) {
		one = schema.PrefixItems[i]
	}
	if one == nil {
		one = schema.UnevaluatedItems
	}
	return s.apply(one, n) && s.apply(schema.Contains, n)
}
