package codegen

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/strata-exp/strata/internal/schema"
)

// Language is a language that code can be written in.
type Language string

// The languages.
const (
	Go         Language = "go"
	TypeScript Language = "ts"
	Python     Language = "python"
)

// Languages are all of them.
var Languages = []Language{Go, TypeScript, Python}

// Service is what is known about a service.
type Service struct {
	// Name is the name, 1 to 256 bytes.
	Name string
	// Schema is the text of its JSON Schema, empty for none. Description is what
	// is said about the service, if anything.
	Schema, Description string
	// Variants are those of all its experiments, in any order.
	Variants []Variant
}

// Variant is a variant, and the experiment that it belongs to.
type Variant struct {
	EID, VID int32
	// Params is the text of a JSON object.
	Params string
}

// Options say what to write.
type Options struct {
	Language Language
	// Source is where the services come from, for the first line.
	Source string
	// Package is the name of Go's package; other languages have none.
	Package string
}

// Fault is one reason why no code can be written.
type Fault struct {
	// Service is the service at fault.
	Service string
	// Path is the path of the parameter, by the grammar of docs/semantics.md; empty
	// for the service as a whole.
	Path string
	// Problem says what is wrong, and which experiments and variants have it.
	Problem string
}

func (f Fault) String() string {
	if f.Path == "" {
		return fmt.Sprintf("service %s: %s", f.Service, f.Problem)
	}
	return fmt.Sprintf("service %s: %s: %s", f.Service, f.Path, f.Problem)
}

// Faults is the error of services for which no code can be written: at least one
// fault, by service and path.
type Faults []Fault

func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, fault := range f {
		lines[i] = fault.String()
	}
	return strings.Join(lines, "\n")
}

// Generate returns the source code of a file with an accessor for each service.
// The error is Faults.
func Generate(services []Service, o Options) ([]byte, error) {
	services = slices.Clone(services)
	slices.SortFunc(services, func(a, b Service) int { return cmp.Compare(a.Name, b.Name) })
	var faults Faults
	var all []*service
	for _, s := range services {
		b := &builder{service: s.Name}
		b.check(s)
		root := b.root(s)
		if len(b.faults) > 0 {
			faults = append(faults, b.faults...)
			continue
		}
		all = append(all, &service{name: s.Name, description: s.Description, root: root})
	}
	names := namings[o.Language]
	faults = append(faults, names.name(all)...)
	if len(faults) > 0 {
		slices.SortStableFunc(faults, func(a, b Fault) int {
			return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Path, b.Path))
		})
		return nil, faults
	}
	switch o.Language {
	case TypeScript:
		return writeTypeScript(all, o), nil
	case Python:
		return writePython(all, o), nil
	default:
		return writeGo(all, o)
	}
}

// check holds the variants against the schema.
func (b *builder) check(s Service) {
	if s.Schema == "" {
		return
	}
	compiled, err := schema.Compile(s.Schema)
	if err != nil {
		b.fault(nil, "its schema is at fault: %v", err)
		return
	}
	for _, v := range byID(s.Variants) {
		for _, violation := range compiled.Check(v.Params) {
			where := fmt.Sprintf("experiment %d, variant %d", v.EID, v.VID)
			if violation.Path != "" {
				where += ", " + violation.Path
			}
			b.fault(nil, "%s breaks its schema: %s", where, violation.Problem)
		}
	}
}

func byID(variants []Variant) []Variant {
	variants = slices.Clone(variants)
	slices.SortStableFunc(variants, func(a, b Variant) int { return cmp.Or(cmp.Compare(a.EID, b.EID), cmp.Compare(a.VID, b.VID)) })
	return variants
}
