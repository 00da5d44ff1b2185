package manifest

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/strata-exp/strata/internal/schema"
	"github.com/strata-exp/strata/sdk/go/engine"
)

// Service is what is declared of a service.
type Service struct {
	// Name is the name, as experiments have it: 1 to 256 bytes.
	Name string
	// SchemaJSON is the JSON Schema of its parameters, as text in the engine's
	// normal form.
	SchemaJSON string
}

func (d *decoder) service(v *value, at *path) *file {
	o, ok := d.object(v, at)
	if !ok {
		return nil
	}
	o.onlyOr(serviceNotes, "service", "schema")
	service := &Service{
		Name:       required(o, "service", (*decoder).serviceName),
		SchemaJSON: required(o, "schema", (*decoder).schema),
	}
	return &file{at: at, service: service, notes: o.notes(serviceNotes)}
}

func (d *decoder) serviceName(v *value, at *path) string {
	name := text(engine.MaxNameBytes)(d, v, at)
	if name == "" {
		d.fault(int(v.line), at, "is empty, want 1 to %d bytes", engine.MaxNameBytes)
	}
	return name
}

// schema decodes a schema, and checks that it is one.
func (d *decoder) schema(v *value, at *path) string {
	before := len(d.faults) + d.hidden
	text := d.params(v, at)
	if len(d.faults)+d.hidden > before || text == "" {
		return ""
	}
	_, err := schema.Compile(text)
	if faults, ok := errors.AsType[schema.Faults](err); ok {
		for _, f := range faults {
			where, line := find(v, f.Path)
			d.faultAt(cmp.Or(line, int(v.line)), join(at.String(), where), f.Problem)
		}
	}
	return text
}

// faultAt is fault for a path that is text already.
func (d *decoder) faultAt(line int, path, problem string) {
	if d.full() {
		d.hidden++
		return
	}
	d.faults = append(d.faults, Fault{File: d.file, Line: line, Path: path, Problem: problem})
}

// CheckSchemas holds the parameters of all variants against the schemas of their
// services. Data planes do not, as they know no schemas. The set must compile.
//
// The error is Faults. It names services that are declared twice, too.
func (s *Set) CheckSchemas() error {
	var faults Faults
	compiled := map[string]*schema.Schema{}
	first := map[string]*file{}
	for _, f := range s.services {
		name := f.service.Name
		if other, twice := first[name]; twice {
			faults = append(faults, at(f, "service", fmt.Sprintf("%s is declared in %s as well", quote(name), cmp.Or(other.name, "the same file"))))
			continue
		}
		first[name] = f
		c, err := schema.Compile(f.service.SchemaJSON)
		if err != nil {
			faults = append(faults, at(f, "schema", err.Error()))
			continue
		}
		compiled[name] = c
	}
	roots := map[*document]*value{}
	for _, f := range s.experiments {
		c := compiled[f.experiment.GetService()]
		if c == nil {
			continue
		}
		for i, v := range f.experiment.GetVariants() {
			for _, violation := range c.Check(v.GetParamsJson()) {
				if len(faults) == maxFaults {
					return append(faults, Fault{Problem: "there are more faults, which are not listed"})
				}
				where := join(fmt.Sprintf("variants[%d].params", i), violation.Path)
				problem := fmt.Sprintf("breaks the schema of service %s in variant %d: %s", f.experiment.GetService(), v.GetVid(), violation.Problem)
				faults = append(faults, located(f, where, problem, roots))
			}
		}
	}
	if len(faults) == 0 {
		return nil
	}
	faults.sort()
	return faults
}

// at is a fault of a place in a file.
func at(f *file, where, problem string) Fault {
	return located(f, where, problem, map[*document]*value{})
}

// located is at with the texts that were read again, for the line.
func located(f *file, where, problem string, roots map[*document]*value) Fault {
	if f.document == nowhere {
		return Fault{Path: where, Problem: whose(f) + problem}
	}
	root, ok := roots[f.document]
	if !ok {
		root = f.value()
		roots[f.document] = root
	}
	where, line := join(f.at.String(), where), 0
	if root != nil {
		where, line = find(root, where)
	}
	return Fault{File: f.name, Line: line, Path: where, Problem: problem}
}

// whose names what stands in no file.
func whose(f *file) string {
	if f.experiment != nil {
		return "experiment " + f.id() + ": "
	}
	return "service " + f.id() + ": "
}
