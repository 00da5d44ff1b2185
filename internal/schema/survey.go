package schema

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// The keywords that have schemas in them.
var (
	schemaKeywords = []string{
		"additionalProperties", "contains", "contentSchema", "else", "if", "items", "not", "propertyNames", "then",
		"unevaluatedItems", "unevaluatedProperties",
	}
	listKeywords = []string{"allOf", "anyOf", "oneOf", "prefixItems"}
	mapKeywords  = []string{"$defs", "definitions", "dependentSchemas", "patternProperties", "properties"}
)

// wholeKeywords say what has to be there. They are about parameters as a whole.
var wholeKeywords = []string{"dependentRequired", "minProperties", "required"}

// memberKeywords are about the members of an object, too: whether they hold may
// change with members that are not there yet.
var memberKeywords = []string{
	"additionalProperties", "dependentSchemas", "maxProperties", "patternProperties", "properties", "propertyNames", "unevaluatedProperties",
}

// site is a place in a document where a schema stands.
type site struct {
	path    string
	schema  map[string]any
	pointer string
	// below are the schemas that this one applies, to the same value or to a part
	// of it; same are those of them that it applies to the same value.
	below, same []*site
	// part says that this schema, or one that it applies, is about the members of
	// an object: it may hold for a part of the object, and not for the whole, or the
	// other way round.
	part bool
	// loose says that what this schema looks at in a value may change with members
	// that are not there yet: so it is not known what nothing has looked at.
	loose bool
}

// survey knows all schemas of a document.
type survey struct {
	sites   map[string]*site // by JSON Pointer
	anchors map[string]*site
	order   []*site
	faults  Faults
}

// newSurvey walks through a document and notes what must not be in it.
func newSurvey(root map[string]any) *survey {
	s := &survey{sites: map[string]*site{}, anchors: map[string]*site{}}
	s.visit(root, "", "")
	s.resolve()
	if len(s.faults) == 0 {
		s.refuseLoops()
	}
	s.spread(func(at *site) []*site { return at.below }, func(at *site) *bool { return &at.part })
	for _, at := range s.order {
		_, dependent := at.schema["dependentSchemas"]
		at.loose = dependent || s.partial(at.pointer, "if") || s.partial(at.pointer, "contains")
	}
	s.spread(func(at *site) []*site { return at.same }, func(at *site) *bool { return &at.loose })
	return s
}

func (s *survey) fault(path, format string, args ...any) {
	s.faults = append(s.faults, Fault{path, fmt.Sprintf(format, args...)})
}

// visit notes a schema and all below it. It returns nil for what is none, or one
// that is true or false.
func (s *survey) visit(value any, pointer, path string) *site {
	schema, ok := value.(map[string]any)
	if !ok {
		return nil
	}
	at := &site{path: path, schema: schema, pointer: pointer}
	s.sites[pointer] = at
	s.order = append(s.order, at)
	s.keywords(at)
	for _, keyword := range slices.Sorted(maps.Keys(schema)) {
		below, place := pointer+"/"+escape(keyword), dotted(path, keyword)
		switch child := schema[keyword].(type) {
		case []any:
			if slices.Contains(listKeywords, keyword) {
				for i, item := range child {
					at.applies(keyword, s.visit(item, pointerAt(below, i), fmt.Sprintf("%s[%d]", place, i)))
				}
			}
		case map[string]any:
			switch {
			case slices.Contains(schemaKeywords, keyword):
				at.applies(keyword, s.visit(child, below, place))
			case slices.Contains(mapKeywords, keyword):
				for _, name := range slices.Sorted(maps.Keys(child)) {
					at.applies(keyword, s.visit(child[name], below+"/"+escape(name), dotted(place, name)))
				}
			}
		}
	}
	return at
}

// applies notes that a schema applies another one, nil for none.
func (at *site) applies(keyword string, other *site) {
	if other == nil || keyword == "$defs" || keyword == "definitions" {
		return
	}
	at.below = append(at.below, other)
	switch keyword {
	case "allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas", "$ref":
		at.same = append(at.same, other)
	}
}

// keywords checks what of a schema the library would not, or only later.
func (s *survey) keywords(at *site) {
	schema := at.schema
	if draft, ok := schema["$schema"].(string); ok && strings.TrimSuffix(draft, "#") != Draft {
		s.fault(dotted(at.path, "$schema"), "is %q, want %q or nothing", draft, Draft)
	}
	for _, keyword := range []string{"$id", "$schema"} {
		if _, ok := schema[keyword]; ok && at.pointer != "" {
			s.fault(dotted(at.path, keyword), "can stand at the top alone")
		}
	}
	for _, keyword := range []string{"$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$vocabulary"} {
		if _, ok := schema[keyword]; ok {
			s.fault(dotted(at.path, keyword), "is not supported")
		}
	}
	if anchor, ok := schema["$anchor"].(string); ok {
		if s.anchors[anchor] != nil {
			s.fault(dotted(at.path, "$anchor"), "%q stands twice", anchor)
		}
		s.anchors[anchor] = at
	}
	if pattern, ok := schema["pattern"].(string); ok {
		s.pattern(dotted(at.path, "pattern"), pattern)
	}
	if patterns, ok := schema["patternProperties"].(map[string]any); ok {
		for _, pattern := range slices.Sorted(maps.Keys(patterns)) {
			s.pattern(dotted(at.path, "patternProperties"), pattern)
		}
	}
	for _, keyword := range slices.Concat(wholeKeywords, memberKeywords) {
		if _, ok := schema[keyword]; ok {
			at.part = true
		}
	}
}

func (s *survey) pattern(path, pattern string) {
	if _, err := regexp.Compile(pattern); err != nil {
		s.fault(path, "%q is no pattern of RE2: %v", pattern, err)
	}
}

// resolve leads each $ref to its schema.
func (s *survey) resolve() {
	for _, at := range s.order {
		ref, ok := at.schema["$ref"].(string)
		if !ok {
			continue
		}
		path := dotted(at.path, "$ref")
		fragment, ok := strings.CutPrefix(ref, "#")
		if decoded, err := url.PathUnescape(fragment); ok && err == nil {
			fragment = decoded
		}
		var to *site
		switch {
		case !ok:
			s.fault(path, "%q is another document: want #, #/$defs/NAME or #ANCHOR", ref)
			continue
		case fragment == "" || fragment[0] == '/':
			to = s.sites[fragment]
		default:
			to = s.anchors[fragment]
		}
		switch {
		case to == nil:
			s.fault(path, "%q leads to no schema", ref)
		case movable(to.pointer):
			s.fault(path, "%q leads into an if, then, else, not or oneOf: want a schema in $defs", ref)
		default:
			at.applies("$ref", to)
		}
	}
}

// movable reports whether a schema may stand elsewhere, or nowhere, in what is
// left for variants.
func movable(pointer string) bool {
	keyword := true // whether the next token is one
	for token := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		if !keyword { // a name or an index
			keyword = true
			continue
		}
		switch token {
		case "if", "then", "else", "not", "oneOf", "contains":
			return true
		}
		keyword = !slices.Contains(mapKeywords, token) && !slices.Contains(listKeywords, token)
	}
	return false
}

// maxWork is how many schemas may be applied to one value.
const maxWork = 10_000

// refuseLoops faults schemas that apply themselves to the same value, or too many
// others.
func (s *survey) refuseLoops() {
	const under = -1
	work := map[*site]int{}
	var walk func(at *site) int
	walk = func(at *site) int {
		work[at] = under
		sum := 1
		for _, next := range at.same {
			n, seen := work[next]
			if !seen {
				n = walk(next)
			}
			if n == under {
				s.fault(at.path, "leads back to itself for the same value, without an end")
				n = 0
			}
			sum = min(sum+n, maxWork+1)
		}
		work[at] = sum
		return sum
	}
	for _, at := range s.order {
		if _, seen := work[at]; !seen {
			walk(at)
		}
	}
	if len(s.faults) == 0 && slices.Max(slices.Collect(maps.Values(work))) > maxWork {
		s.fault("", "applies more than %d schemas to one value", maxWork)
	}
}

// spread marks all schemas that apply one that is marked.
func (s *survey) spread(applied func(*site) []*site, mark func(*site) *bool) {
	above := map[*site][]*site{}
	var found []*site
	for _, at := range s.order {
		for _, other := range applied(at) {
			above[other] = append(above[other], at)
		}
		if *mark(at) {
			found = append(found, at)
		}
	}
	for len(found) > 0 {
		last := found[len(found)-1]
		found = found[:len(found)-1]
		for _, at := range above[last] {
			if !*mark(at) {
				*mark(at) = true
				found = append(found, at)
			}
		}
	}
}

func dotted(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

var pointerEscape = strings.NewReplacer("~", "~0", "/", "~1")

func pointerAt(pointer string, i int) string { return pointer + "/" + strconv.Itoa(i) }

func escape(key string) string { return pointerEscape.Replace(key) }
