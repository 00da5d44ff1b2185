package schema

import (
	"maps"
	"slices"
)

// part returns what a document demands of a variant: the same without what it
// demands to be there. Where it depends on what is not there, as under a not, only
// that is demanded which no object that the variant may be a part of could lack.
func (s *survey) part(root map[string]any) map[string]any {
	part, _ := s.rewrite(root, "").(map[string]any) // as root is one
	return part
}

func (s *survey) rewrite(value any, pointer string) any {
	schema, ok := value.(map[string]any)
	if !ok {
		return value // true or false
	}
	out := map[string]any{}
	for _, keyword := range slices.Sorted(maps.Keys(schema)) {
		out[keyword] = s.keyword(keyword, schema[keyword], pointer+"/"+escape(keyword))
	}
	without(out, wholeKeywords...)
	if s.sites[pointer].loose {
		without(out, "unevaluatedProperties", "unevaluatedItems")
	}
	var also []any
	if s.partial(pointer, "not") {
		out["not"] = s.certain(schema["not"])
	}
	if s.partial(pointer, "contains") {
		without(out, "contains", "minContains", "maxContains")
	}
	if alternatives, ok := out["oneOf"].([]any); ok && s.anyPartial(pointer+"/oneOf", len(alternatives)) {
		also = append(also, map[string]any{"anyOf": alternatives})
		without(out, "oneOf")
	}
	if s.partial(pointer, "if") {
		also = append(also,
			map[string]any{"if": s.certain(schema["if"]), "then": orTrue(out, "then")},
			map[string]any{"if": out["if"], "else": orTrue(out, "else")})
		without(out, "if", "then", "else")
	}
	if len(also) > 0 {
		all, _ := out["allOf"].([]any)
		out["allOf"] = slices.Concat(all, also)
	}
	return out
}

func without(schema map[string]any, keywords ...string) {
	for _, keyword := range keywords {
		delete(schema, keyword)
	}
}

// certain returns a schema that holds for a part of an object only if the given
// one holds for every object that it may be a part of. It is false where that is
// not known.
func (s *survey) certain(value any) any {
	schema, ok := value.(map[string]any)
	if !ok {
		return value
	}
	out := map[string]any{}
	for _, keyword := range slices.Sorted(maps.Keys(schema)) {
		switch child := schema[keyword]; {
		case keyword == "const" && holdsObject(child), keyword == "enum" && slices.ContainsFunc(listOf(child), holdsObject):
			return false
		case slices.Contains(certainKeywords, keyword):
			out[keyword] = child
		case keyword == "allOf", keyword == "anyOf":
			list, _ := child.([]any)
			all := make([]any, len(list))
			for i, item := range list {
				all[i] = s.certain(item)
			}
			out[keyword] = all
		case keyword == "properties":
			properties, _ := child.(map[string]any)
			all, there := map[string]any{}, []any{}
			for _, name := range slices.Sorted(maps.Keys(properties)) {
				all[name] = s.certain(properties[name])
				there = append(there, name)
			}
			out["properties"] = all
			out["allOf"] = append(listOf(out["allOf"]), map[string]any{"type": "object", "required": there})
		default:
			return false
		}
	}
	return out
}

func holdsObject(value any) bool {
	_, ok := value.(map[string]any)
	return ok
}

func listOf(value any) []any {
	list, _ := value.([]any)
	return list
}

// certainKeywords hold for an object if they hold for a part of it, or are not
// about objects at all, or say nothing.
var certainKeywords = []string{
	"$comment", "const", "default", "description", "enum", "examples", "exclusiveMaximum", "exclusiveMinimum", "format", "maxItems",
	"maxLength", "maximum", "minItems", "minLength", "minProperties", "minimum", "multipleOf", "pattern", "required", "title", "type", "uniqueItems",
}

// keyword rewrites the value of a keyword.
func (s *survey) keyword(keyword string, value any, pointer string) any {
	switch {
	case slices.Contains(schemaKeywords, keyword):
		return s.rewrite(value, pointer)
	case slices.Contains(listKeywords, keyword):
		list, ok := value.([]any)
		if !ok {
			return value
		}
		out := make([]any, len(list))
		for i, item := range list {
			out[i] = s.rewrite(item, pointerAt(pointer, i))
		}
		return out
	case slices.Contains(mapKeywords, keyword):
		members, ok := value.(map[string]any)
		if !ok {
			return value
		}
		out := map[string]any{}
		for name, member := range members {
			out[name] = s.rewrite(member, pointer+"/"+escape(name))
		}
		return out
	default:
		return value
	}
}

// partial reports whether the schema of a keyword is about parameters as a whole,
// in part at least.
func (s *survey) partial(pointer, keyword string) bool {
	at := s.sites[pointer+"/"+keyword]
	return at != nil && at.part
}

func (s *survey) anyPartial(pointer string, n int) bool {
	for i := range n {
		if at := s.sites[pointerAt(pointer, i)]; at != nil && at.part {
			return true
		}
	}
	return false
}

func orTrue(schema map[string]any, keyword string) any {
	if value, ok := schema[keyword]; ok {
		return value
	}
	return true
}
