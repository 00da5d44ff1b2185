package engine

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Kind is a kind of resource in a configuration.
type Kind string

// The kinds of resources.
const (
	KindLayer      Kind = "layer"
	KindExperiment Kind = "experiment"
	KindField      Kind = "field"
)

// Reason is a kind of fault.
type Reason uint8

// The kinds of faults.
const (
	InvalidValue   Reason = iota // a value is missing, out of range or too long
	RangesOverlap                // two ranges of a layer have a slot
	InTwoLayers                  // variants of an experiment stand in two layers
	UnknownVariant               // a range names a vid that no experiment has
	IDTaken                      // an id stands twice
	WrongService                 // a variant stands in a layer of another service
	InvalidRule                  // a rule is malformed
	InvalidParams                // parameters are malformed
	ParamsTooLarge               // parameters are longer than MaxParamsBytes
)

// Fault is one reason why a configuration is refused.
type Fault struct {
	// Reason says what kind of fault it is, for programs.
	Reason Reason
	// Kind and ID name the resource at fault; ID is empty if it has none.
	Kind Kind
	ID   string
	// Index is the resource's place in the list that it was given in.
	Index int
	// Path leads from the resource to the value at fault, such as
	// "ranges[1].end". It is empty where the resource as a whole is at fault.
	Path string
	// Problem says what is wrong there, and what would be right.
	Problem string
}

func (f Fault) String() string {
	var b strings.Builder
	b.WriteString(string(f.Kind))
	b.WriteByte(' ')
	if f.ID != "" {
		b.WriteString(f.ID)
	} else {
		fmt.Fprintf(&b, "at index %d", f.Index)
	}
	if f.Path != "" {
		b.WriteString(": ")
		b.WriteString(f.Path)
	}
	b.WriteString(": ")
	b.WriteString(f.Problem)
	return b.String()
}

// Faults is the error of a refused configuration: every fault found, at least
// one, but of more than a thousand only the first.
type Faults []Fault

func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, fault := range f {
		lines[i] = fault.String()
	}
	return strings.Join(lines, "\n")
}

// report collects the faults of one resource.
type report struct {
	faults *Faults
	reason Reason
	kind   Kind
	id     string
	index  int
}

// maxFaults is how many faults are listed. A hostile file has room for millions,
// and nobody reads the thousandth.
const maxFaults = 1000

// as returns a report of faults of another kind.
func (r report) as(reason Reason) report {
	r.reason = reason
	return r
}

func (r report) fault(path, problem string, args ...any) {
	switch n := len(*r.faults); {
	case n > maxFaults:
		return
	case n == maxFaults:
		path, problem, args = "", "has a fault that is not listed, and so may others: only the first %d are", []any{maxFaults}
	}
	*r.faults = append(*r.faults, Fault{
		Reason: r.reason, Kind: r.kind, ID: r.id, Index: r.index, Path: path, Problem: fmt.Sprintf(problem, args...),
	})
}

func (r report) name(path, name string) {
	switch {
	case name == "":
		r.fault(path, "is missing")
	case len(name) > MaxNameBytes:
		r.fault(path, "is %d bytes long, at most %d are allowed", len(name), MaxNameBytes)
	case !utf8.ValidString(name):
		r.fault(path, "is not valid UTF-8")
	}
}
