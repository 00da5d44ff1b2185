package generate

import "strings"

// maxParamsDepth is how deep parameters may be.
const maxParamsDepth = 64

// Params returns the text of valid parameters, up to depth levels deep as a
// rule and now and then as deep as they may be.
func (g Generator) Params(depth int) string {
	if g.oneIn(100) {
		return g.deepParams()
	}
	return g.params(depth)
}

func (g Generator) params(depth int) string {
	return g.object(g.IntN(5), g.key, func(string) string { return g.value(depth - 1) })
}

func (g Generator) key() string {
	switch n := g.IntN(40); {
	case n == 0:
		return g.characters(1 + g.IntN(4))
	case n == 1:
		return strings.Repeat(Pick(g, "k", "\u00e9", "\U0001f600"), 64)
	case n < 25:
		return Pick(g, "a", "b", "c")
	}
	return Pick(g, keys...)
}

// value writes a value that is at most depth levels deep.
func (g Generator) value(depth int) string {
	switch n := g.IntN(12); {
	case n < 5 && depth > 0:
		return g.params(depth)
	case n == 5:
		return "null"
	case n == 6 && depth > 1:
		items := make([]string, g.IntN(4))
		for i := range items {
			items[i] = g.space() + g.value(depth-1)
		}
		return "[" + strings.Join(items, ",") + g.space() + "]"
	case n == 7:
		return Pick(g, "true", "false")
	case n < 10:
		return g.spell(g.number(), false)
	default:
		return g.quote(g.text())
	}
}

// deepParams returns parameters of the depth that is allowed.
func (g Generator) deepParams() string {
	below := maxParamsDepth - 1
	if g.oneIn(2) {
		return `{"a":` + strings.Repeat("[", below) + strings.Repeat("]", below) + `}`
	}
	var open strings.Builder
	for range below {
		open.WriteString(`{` + g.quote(Pick(g, "a", "a", "a", "b", "")) + `:`)
	}
	return `{"a":` + open.String() + Pick(g, "1", "null", "true") + strings.Repeat("}", below+1)
}
