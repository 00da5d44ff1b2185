package schema

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/strata-exp/strata/sdk/go/engine"
)

// MaxBytes is how long the text of a schema may be, in normal form.
const MaxBytes = 256 << 10

// Draft is the one draft of JSON Schema that is read.
const Draft = "https://json-schema.org/draft/2020-12/schema"

// Schema is a schema that can be checked against. It is safe for concurrent use.
type Schema struct{ part *jsonschema.Schema }

// Fault is one thing that is wrong with a schema.
type Fault struct {
	// Path leads from the schema to the place, such as
	// "properties.model.type". It is empty where the schema as a whole is at
	// fault.
	Path string
	// Problem says what is wrong there.
	Problem string
}

// Faults is the error of a text that is no schema: at least one fault.
type Faults []Fault

func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, fault := range f {
		lines[i] = fault.Problem
		if fault.Path != "" {
			lines[i] = fault.Path + ": " + fault.Problem
		}
	}
	return strings.Join(lines, "\n")
}

// Normal returns the text of a schema in normal form, the one of parameters. The
// error is Faults.
func Normal(text string) (string, error) {
	normal, ok := engine.NormalParams(text)
	switch {
	case !ok:
		return "", Faults{{Problem: fmt.Sprintf("want a JSON object of at most %d levels, no key of which is longer than %d bytes or stands twice, "+
			"and whose integers are within 2^53 - 1", engine.MaxParamsDepth, engine.MaxKeyBytes)}}
	case len(normal) > MaxBytes:
		return "", Faults{{Problem: fmt.Sprintf("is %d bytes long, at most %d are allowed", len(normal), MaxBytes)}}
	}
	return normal, nil
}

// Compile reads the text of a schema. The error is Faults.
func Compile(text string) (*Schema, error) {
	normal, err := Normal(text)
	if err != nil {
		return nil, err
	}
	read, err := jsonschema.UnmarshalJSON(strings.NewReader(normal))
	if err != nil {
		return nil, Faults{{Problem: err.Error()}}
	}
	root, _ := read.(map[string]any) // Normal lets nothing else pass
	s := newSurvey(root)
	if len(s.faults) > 0 {
		return nil, s.faults
	}
	delete(root, "$id") // what it names is never looked up
	if _, err := compile(root); err != nil {
		return nil, faultsOf(root, err)
	}
	part, err := compile(s.part(root))
	if err != nil {
		return nil, faultsOf(root, err)
	}
	return &Schema{part}, nil
}

// compile compiles a document of its own.
func compile(root any) (*jsonschema.Schema, error) {
	const here = "strata:schema"
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.UseLoader(nothing{})
	if err := c.AddResource(here, root); err != nil {
		return nil, err
	}
	return c.Compile(here)
}

// nothing is a loader that has no documents.
type nothing struct{}

func (nothing) Load(url string) (any, error) {
	return nil, errors.New("other documents, such as " + url + ", are not read")
}

func faultsOf(root any, err error) Faults {
	invalid, ok := errors.AsType[*jsonschema.SchemaValidationError](err)
	if !ok {
		return Faults{{Problem: err.Error()}}
	}
	broken, ok := errors.AsType[*jsonschema.ValidationError](invalid.Err)
	if !ok {
		return Faults{{Problem: invalid.Err.Error()}}
	}
	var faults Faults
	for _, v := range violations(root, broken) {
		faults = append(faults, Fault(v))
	}
	return faults
}

// Violation is one thing in which parameters do not satisfy a schema.
type Violation struct {
	// Path leads from the parameters to the place, such as "model.layers[2]". It is
	// empty where the parameters as a whole are at fault.
	Path string
	// Problem says what is wrong there.
	Problem string
}

// Check says in what the parameters of a variant, the text of a JSON object, do
// not satisfy the schema, each place once, in order. Parameters that would take
// too many steps to be checked do not satisfy it.
func (s *Schema) Check(params string) []Violation {
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(params))
	if err != nil {
		return []Violation{{Problem: err.Error()}}
	}
	if violations := tooLong(s.part, value); violations != nil {
		return violations
	}
	err = s.part.Validate(value)
	if err == nil {
		return nil
	}
	broken, ok := errors.AsType[*jsonschema.ValidationError](err)
	if !ok {
		return []Violation{{Problem: err.Error()}}
	}
	return violations(value, broken)
}

// join writes the way to a place in a value: keys after dots, indexes of lists in
// brackets.
func join(value any, keys []string) string {
	var b strings.Builder
	for _, key := range keys {
		switch v := value.(type) {
		case []any:
			b.WriteString("[" + key + "]")
			value = nil
			if i, err := strconv.Atoi(key); err == nil && i >= 0 && i < len(v) {
				value = v[i]
			}
			continue
		case map[string]any:
			value = v[key]
		default:
			value = nil
		}
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		b.WriteString(key)
	}
	return b.String()
}
