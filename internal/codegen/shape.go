package codegen

import (
	"encoding/json"
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strings"
)

// object is a schema, or any object in one.
type object = map[string]any

// shape is what a schema says of a value: several schemas that all apply to it.
type shape struct {
	document *document
	all      []object
	has      map[uintptr]bool // the identities of all
}

// document is a whole schema.
type document struct {
	root    object
	anchors map[string]object
}

// readSchema reads the text of a schema, which is valid. Without text there is no
// shape, nil.
func readSchema(text string) *shape {
	if text == "" {
		return nil
	}
	d := &document{anchors: map[string]object{}}
	if json.Unmarshal([]byte(text), &d.root) != nil {
		return nil
	}
	d.collect(d.root)
	return d.shape(d.root)
}

func (d *document) collect(value any) {
	switch v := value.(type) {
	case object:
		if anchor, ok := v["$anchor"].(string); ok {
			d.anchors[anchor] = v
		}
		for _, key := range slices.Sorted(maps.Keys(v)) {
			d.collect(v[key])
		}
	case []any:
		for _, item := range v {
			d.collect(item)
		}
	}
}

// shape returns what some schemas say, with those that they refer to. It is nil
// where they say nothing.
func (d *document) shape(schemas ...any) *shape {
	s := &shape{document: d, has: map[uintptr]bool{}}
	for _, schema := range schemas {
		s.add(schema)
	}
	if len(s.all) == 0 {
		return nil
	}
	return s
}

func (s *shape) add(value any) {
	schema, ok := value.(object)
	if !ok || s.has[identity(schema)] {
		return // what applies twice says no more, and would lead to twice as much below
	}
	s.has[identity(schema)] = true
	s.all = append(s.all, schema)
	if ref, ok := schema["$ref"].(string); ok {
		s.add(s.document.resolve(ref))
	}
	if list, ok := schema["allOf"].([]any); ok {
		for _, item := range list {
			s.add(item)
		}
	}
}

func (d *document) resolve(ref string) any {
	fragment, err := url.PathUnescape(strings.TrimPrefix(ref, "#"))
	if err != nil {
		return nil
	}
	if fragment != "" && fragment[0] != '/' {
		return d.anchors[fragment]
	}
	var at any = d.root
	for token := range strings.SplitSeq(fragment, "/") {
		if token == "" {
			continue
		}
		members, ok := at.(object)
		if !ok {
			return nil // into a list: no name that could be described
		}
		at = members[strings.NewReplacer("~1", "/", "~0", "~").Replace(token)]
	}
	return at
}

// identity tells an object from all others of its document, equal ones too.
func identity(o object) uintptr { return reflect.ValueOf(o).Pointer() }

// text returns the first text of a keyword.
func (s *shape) text(keyword string) string {
	if s == nil {
		return ""
	}
	for _, schema := range s.all {
		if text, ok := schema[keyword].(string); ok && text != "" {
			return text
		}
	}
	return ""
}

// types returns the names of the types that a value may have, sorted; none where
// nothing is said.
func (s *shape) types() []string {
	if s == nil {
		return nil
	}
	var types []string
	for _, schema := range s.all {
		own := s.typesOf(schema)
		switch {
		case own == nil:
		case types == nil:
			types = own
		default:
			types = meet(types, own)
		}
	}
	return types
}

// meet returns the types that both lists let through.
func meet(a, b []string) []string {
	var both []string
	for _, t := range a {
		switch {
		case slices.Contains(b, t), t == "integer" && slices.Contains(b, "number"):
			both = append(both, t)
		case t == "number" && slices.Contains(b, "integer"):
			both = append(both, "integer")
		}
	}
	return both
}

func (s *shape) typesOf(schema object) []string {
	if types := names(schema["type"]); types != nil {
		return types
	}
	if value, ok := schema["const"]; ok {
		return []string{typeOf(value)}
	}
	if values, ok := schema["enum"].([]any); ok {
		return typesOfValues(values)
	}
	for _, keyword := range []string{"anyOf", "oneOf"} {
		if list, ok := schema[keyword].([]any); ok {
			return s.union(list)
		}
	}
	return nil
}

// union returns the types of several alternatives; none where one says nothing.
func (s *shape) union(list []any) []string {
	var all []string
	for _, item := range list {
		types := s.document.shape(item).types()
		if len(types) == 0 {
			return nil
		}
		all = append(all, types...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func names(value any) []string {
	switch v := value.(type) {
	case string:
		return []string{v}
	case []any:
		all := make([]string, 0, len(v))
		for _, item := range v {
			if name, ok := item.(string); ok {
				all = append(all, name)
			}
		}
		slices.Sort(all)
		return all
	default:
		return nil
	}
}

func typesOfValues(values []any) []string {
	all := make([]string, len(values))
	for i, value := range values {
		all[i] = typeOf(value)
	}
	slices.Sort(all)
	all = slices.Compact(all)
	if slices.Contains(all, "number") {
		all = slices.DeleteFunc(all, func(t string) bool { return t == "integer" })
	}
	return all
}

func typeOf(value any) string {
	switch v := value.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case string:
		return "string"
	case float64:
		if v == float64(int64(v)) {
			return "integer"
		}
		return "number"
	case []any:
		return "array"
	default:
		return "object"
	}
}

// texts returns the strings that a value may be, nil for any.
func (s *shape) texts() []string {
	if s == nil {
		return nil
	}
	for _, schema := range s.all {
		values, ok := schema["enum"].([]any)
		if value, single := schema["const"]; single {
			values, ok = []any{value}, true
		}
		if !ok {
			continue
		}
		var texts []string
		for _, value := range values {
			switch v := value.(type) {
			case string:
				if !slices.Contains(texts, v) {
					texts = append(texts, v)
				}
			case nil:
			default:
				return nil
			}
		}
		return texts
	}
	return nil
}

// keys returns the keys of the properties that are described.
func (s *shape) keys() []string {
	if s == nil {
		return nil
	}
	found := map[string]bool{}
	for _, schema := range s.all {
		properties, _ := schema["properties"].(object)
		for key, value := range properties {
			if value != false { // which is one that must not be there
				found[key] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// free reports whether the keys of an object are not known beforehand: those that
// it may have are described by what they have in common.
func (s *shape) free() bool {
	if s == nil || len(s.keys()) > 0 {
		return false
	}
	return slices.ContainsFunc(s.all, func(schema object) bool {
		_, described := schema["additionalProperties"].(object)
		_, patterns := schema["patternProperties"].(object)
		return described || patterns
	})
}

// property returns what is said of a property, nil for nothing.
func (s *shape) property(key string) *shape {
	if s == nil {
		return nil
	}
	var all []any
	for _, schema := range s.all {
		if properties, ok := schema["properties"].(object); ok {
			if value, ok := properties[key]; ok {
				all = append(all, value)
			}
		}
	}
	return s.document.shape(all...)
}
