package codegen

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/strata-exp/strata/sdk/go/engine"
	"github.com/strata-exp/strata/sdk/go/engine/jsonscan"
)

// kind is how a parameter is read.
type kind int

const (
	kindAny kind = iota // whatever it is
	kindString
	kindBool
	kindInt
	kindFloat
	kindList
	kindMap    // an object, as a whole
	kindObject // an accessor of its own
)

// service is a service of which code is written.
type service struct {
	name, description string
	root              *parameter // of kindObject
}

// parameter is a parameter, or the parameters of a service as a whole.
type parameter struct {
	keys        []string
	kind        kind
	nullable    bool
	description string
	texts       []string // that it may be; nil for any
	members     []*parameter

	// names are given when all is known.
	names struct {
		accessor string   // of the method
		typ      string   // of a kindObject, and of the values of texts
		texts    []string // of the constants for texts
	}
}

// path is the path of the parameter by the grammar of docs/semantics.md.
func (p *parameter) path() string { return engine.JoinPath(p.keys) }

// maxParameters is how many parameters of a service are written, objects among
// them. Schemas that lead to one another make more than anybody could read.
const maxParameters = 10_000

// builder finds out what the parameters of a service are.
type builder struct {
	service    string
	parameters int
	faults     Faults
}

// next counts a parameter. It returns false for one that is too many, and all
// after it.
func (b *builder) next(keys []string) bool {
	b.parameters++
	switch {
	case len(keys) > engine.MaxParamsDepth:
		b.fault(keys, "is at level %d, and parameters have at most %d", len(keys), engine.MaxParamsDepth)
		b.parameters = maxParameters + 1
	case b.parameters == maxParameters+1:
		b.fault(keys, "comes after %d other parameters, and more are not written: "+
			"where schemas lead to one another, leave out properties, so that what is there is read as a whole", maxParameters)
	}
	return b.parameters <= maxParameters
}

func (b *builder) fault(keys []string, format string, args ...any) {
	b.faults = append(b.faults, Fault{b.service, engine.JoinPath(keys), fmt.Sprintf(format, args...)})
}

func (b *builder) root(s Service) *parameter {
	found := &observed{}
	for _, v := range byID(s.Variants) {
		scanner := jsonscan.New(v.Params)
		found.observe(&scanner, &v)
		if !scanner.End() {
			b.fault(nil, "experiment %d, variant %d: its parameters are no JSON: %v", v.EID, v.VID, scanner.Err())
			return nil
		}
	}
	root := &parameter{kind: kindObject}
	b.members(root, found, readSchema(s.Schema), nil)
	return root
}

// members adds what an object has.
func (b *builder) members(p *parameter, found *observed, said *shape, above []object) {
	keys := said.keys()
	if found != nil {
		keys = append(keys, slices.Collect(maps.Keys(found.members))...)
	}
	slices.Sort(keys)
	for _, key := range slices.Compact(keys) {
		below := slices.Concat(p.keys, []string{key})
		if key == "" && len(p.keys) == 0 {
			b.fault(below, "a parameter whose key is empty has no path")
			continue
		}
		if !b.next(below) {
			return
		}
		var there *observed
		if found != nil {
			there = found.members[key]
		}
		p.members = append(p.members, b.parameter(below, there, said.property(key), above))
	}
}

func (b *builder) parameter(keys []string, found *observed, said *shape, above []object) *parameter {
	p := &parameter{keys: keys, description: said.text("description")}
	types := said.types()
	p.nullable = found.has(seenNull) && len(types) == 0 || slices.Contains(types, "null")
	types = slices.DeleteFunc(slices.Clone(types), func(t string) bool { return t == "null" })
	switch {
	case len(types) == 1:
		p.kind = kinds[types[0]]
	case len(types) == 2 && slices.Contains(types, "integer") && slices.Contains(types, "number"):
		p.kind = kindFloat
	case len(types) > 1 || p.nullable && len(said.types()) > 0:
		p.kind = kindAny
	case len(said.keys()) > 0 && !found.whole():
		p.kind = kindObject
	default:
		p.kind = b.infer(keys, found)
	}
	if p.kind == kindString {
		p.texts = said.texts()
	}
	if p.kind == kindObject {
		b.object(p, found, said, above)
	}
	if p.kind == kindAny {
		p.nullable = false // as it is anything
	}
	return p
}

// object decides whether an object has an accessor of its own.
func (b *builder) object(p *parameter, found *observed, said *shape, above []object) {
	endless := !found.has(seenObject) && said != nil && slices.ContainsFunc(above, func(other object) bool { return said.has[identity(other)] })
	if said.free() || endless {
		p.kind = kindMap
		return
	}
	if said != nil {
		above = slices.Concat(above, said.all)
	}
	b.members(p, found, said, above)
	if len(p.members) == 0 {
		p.kind = kindMap
	}
}

// kinds are by the types of JSON Schema.
var kinds = map[string]kind{
	"string": kindString, "boolean": kindBool, "integer": kindInt, "number": kindFloat, "array": kindList, "object": kindObject,
}

// whole reports whether some variant has a value that is neither an object nor
// null.
func (o *observed) whole() bool {
	return o.has(seenBool) || o.has(seenInt) || o.has(seenFloat) || o.has(seenString) || o.has(seenList)
}

// infer returns the kind of values that no schema describes.
func (b *builder) infer(keys []string, found *observed) kind {
	if found == nil {
		return kindAny
	}
	seenAs := map[kind][]seen{}
	for s, k := range map[seen]kind{
		seenBool: kindBool, seenInt: kindFloat, seenFloat: kindFloat, seenString: kindString, seenList: kindList, seenObject: kindObject,
	} {
		if found.has(s) {
			seenAs[k] = append(seenAs[k], s)
		}
	}
	switch len(seenAs) {
	case 0:
		return kindAny
	case 1:
		for k := range seenAs {
			if k == kindFloat && !found.has(seenFloat) {
				return kindInt
			}
			return k
		}
	}
	var parts []string
	for s := range seenKinds {
		if v := found.by[s]; v != nil && s != seenNull {
			parts = append(parts, fmt.Sprintf("%s in experiment %d, variant %d", words[s], v.EID, v.VID))
		}
	}
	b.fault(keys, "is %s: make them one type, or declare it in the schema of the service", strings.Join(parts, "; "))
	return kindAny
}
