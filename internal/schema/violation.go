package schema

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

const (
	// maxViolations is how many things are told of one variant.
	maxViolations = 100
	// maxAlternatives is how many reasons are told why none of several schemas
	// fits.
	maxAlternatives = 3
	// maxProblemBytes is how long the text of one problem is about.
	maxProblemBytes = 300
)

// violations flattens an error: the causes that have no causes themselves.
func violations(value any, broken *jsonschema.ValidationError) []Violation {
	c := collector{value: value, printer: message.NewPrinter(language.English)}
	c.collect(broken)
	slices.SortStableFunc(c.found, func(a, b Violation) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Problem, b.Problem))
	})
	found := slices.Compact(c.found)
	if more := len(found) - maxViolations; more > 0 {
		found = append(found[:maxViolations], Violation{Problem: "there is more that is wrong, which is not told"})
	}
	return found
}

type collector struct {
	value   any
	printer *message.Printer
	found   []Violation
}

func (c *collector) collect(e *jsonschema.ValidationError) {
	switch e.ErrorKind.(type) {
	case *kind.FalseSchema:
		c.add(e, "is not allowed")
		return
	case *kind.AnyOf, *kind.OneOf:
		if len(e.Causes) > 0 {
			c.add(e, "fits none of several schemas: "+c.alternatives(e))
			return
		}
	default:
		if len(e.Causes) > 0 {
			for _, cause := range e.Causes {
				c.collect(cause)
			}
			return
		}
	}
	c.add(e, e.ErrorKind.LocalizedString(c.printer))
}

func (c *collector) add(e *jsonschema.ValidationError, problem string) {
	c.found = append(c.found, Violation{join(c.value, e.InstanceLocation), clip(problem)})
}

// alternatives says why each of several schemas does not fit.
func (c *collector) alternatives(e *jsonschema.ValidationError) string {
	var reasons []string
	for _, cause := range e.Causes {
		for _, v := range violations(c.value, cause) {
			text := v.Problem
			if here := join(c.value, e.InstanceLocation); v.Path != here {
				text = v.Path + ": " + text
			}
			if !slices.Contains(reasons, text) {
				reasons = append(reasons, text)
			}
		}
	}
	if more := len(reasons) - maxAlternatives; more > 0 {
		reasons = append(reasons[:maxAlternatives], "and so on")
	}
	return strings.Join(reasons, "; ")
}

func clip(text string) string {
	if len(text) <= maxProblemBytes {
		return text
	}
	cut := maxProblemBytes
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "..."
}
