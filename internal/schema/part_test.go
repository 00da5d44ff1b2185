package schema

import (
	"encoding/json"
	"math/rand/v2"
	"testing"
)

// TestPartsOfWhatIsValid takes members away from objects that satisfy random
// schemas. What is left satisfies what is demanded of a variant.
func TestPartsOfWhatIsValid(t *testing.T) {
	t.Parallel()
	const cases = 3000
	r := generator{rand.New(rand.NewPCG(3, 4))}
	valid, refused := 0, 0
	for range cases {
		root := r.object(3)
		text, err := json.Marshal(root)
		if err != nil {
			t.Fatal(err)
		}
		whole, err := compile(root)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		part, err := Compile(string(text))
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		value := r.members(3)
		if whole.Validate(value) != nil {
			if len(part.Check(marshaled(t, value))) > 0 {
				refused++
			}
			continue
		}
		valid++
		left := marshaled(t, r.less(value))
		if broken := part.Check(left); len(broken) > 0 {
			t.Fatalf("%s\nholds for %s\nbut not for its part %s: %v", text, marshaled(t, value), left, broken)
		}
	}
	if valid < cases/10 || refused < cases/10 {
		t.Errorf("%d were valid, and %d refused: the cases are too tame", valid, refused)
	}
}

func marshaled(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

type generator struct{ *rand.Rand }

func (r generator) key() string { return []string{"a", "b", "c"}[r.IntN(3)] }

func (r generator) scalar() any {
	return []any{nil, true, false, float64(1), float64(2), 2.5, "x", "y"}[r.IntN(8)]
}

func (r generator) members(depth int) map[string]any {
	members := map[string]any{}
	for range r.IntN(4) {
		members[r.key()] = r.value(depth - 1)
	}
	return members
}

func (r generator) value(depth int) any {
	switch n := r.IntN(6); {
	case depth > 0 && n < 2:
		return r.members(depth)
	case depth > 0 && n == 2:
		list := []any{}
		for range r.IntN(3) {
			list = append(list, r.value(depth-1))
		}
		return list
	default:
		return r.scalar()
	}
}

// less takes members away, at any depth but in lists.
func (r generator) less(value map[string]any) map[string]any {
	left := map[string]any{}
	for key, member := range value {
		if r.IntN(3) == 0 {
			continue
		}
		if object, ok := member.(map[string]any); ok {
			member = r.less(object)
		}
		left[key] = member
	}
	return left
}

func (r generator) schema(depth int) any {
	if depth == 0 || r.IntN(8) == 0 {
		return r.IntN(6) > 0
	}
	return r.object(depth)
}

// object is a schema of one to three keywords.
func (r generator) object(depth int) map[string]any {
	schema := map[string]any{}
	for range 1 + r.IntN(3) {
		keyword := []string{
			"type", "enum", "const", "minimum", "maxProperties", "minProperties", "required", "dependentRequired", "properties", "patternProperties",
			"additionalProperties", "unevaluatedProperties", "propertyNames", "dependentSchemas", "items", "prefixItems", "contains",
			"allOf", "anyOf", "oneOf", "not", "if", "unevaluatedItems",
		}[r.IntN(23)]
		switch keyword {
		case "type":
			schema[keyword] = []any{"object", []string{"string", "number", "array", "boolean", "null", "integer"}[r.IntN(6)]}
		case "enum":
			schema[keyword] = []any{r.scalar(), []any{}, r.IntN(2) == 0}
		case "const":
			schema[keyword] = r.scalar()
		case "minimum":
			schema[keyword] = float64(2)
		case "maxProperties", "minProperties":
			schema[keyword] = float64(r.IntN(3))
		case "required":
			schema[keyword] = []any{r.key()}
		case "dependentRequired":
			schema[keyword] = map[string]any{r.key(): []any{r.key()}}
		case "properties", "dependentSchemas":
			schema[keyword] = map[string]any{r.key(): r.schema(depth - 1), r.key(): r.schema(depth - 1)}
		case "patternProperties":
			schema[keyword] = map[string]any{"^" + r.key(): r.schema(depth - 1)}
		case "propertyNames":
			schema[keyword] = map[string]any{"enum": []any{r.key(), r.key()}}
		case "prefixItems", "allOf", "anyOf", "oneOf":
			schema[keyword] = []any{r.schema(depth - 1), r.schema(depth - 1)}
		case "if":
			schema["if"], schema["then"], schema["else"] = r.schema(depth-1), r.schema(depth-1), r.schema(depth-1)
		default:
			schema[keyword] = r.schema(depth - 1)
		}
	}
	return schema
}
