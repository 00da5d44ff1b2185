package manifest

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/strata-exp/strata/sdk/go/engine/jsonscan"
)

func (d *decoder) parseYAML(text string) (value, bool) {
	for i, r := range text {
		if problem := yamlForbids(r); problem != "" {
			d.fault(lineOf(text, i), nil, "not valid YAML at column %d: %s", columnOf(text, i), problem)
			return value{}, false
		}
	}
	documents, err := yamlDocuments(text)
	switch {
	case err != nil:
		line, problem := yamlProblem(err)
		last := lineOf(text, len(strings.TrimRight(text, "\r\n"))) // after which the library puts what is missing
		d.fault(min(line, last), nil, "not valid YAML: %s", problem)
		return value{}, false
	case len(documents) == 0:
		d.fault(0, nil, "is empty")
		return value{}, false
	case len(documents) > 1:
		d.fault(documents[1].Line, nil, "a second document; put each into a file of its own")
	}
	return d.yamlValue(documents[0].Content[0], nil, 1), true
}

// yamlForbids says what is wrong with a character, or nothing. The library
// refuses control characters too, but can not say where they are. And it takes
// U+0085, U+2028 and U+2029 for line breaks, which YAML gave up in 1.2: inside
// a string they would become something else in silence.
func yamlForbids(r rune) string {
	switch {
	case r == '\t', r == '\n', r == '\r':
		return ""
	case r == 0x85, r == 0x2028, r == 0x2029:
		return fmt.Sprintf("readers disagree whether %U is a line break; write it as an escape in double quotes", r)
	case r < 0x20, r >= 0x7f && r < 0xa0, r == 0xfffe, r == 0xffff:
		return fmt.Sprintf("the control character %U; write it as an escape in double quotes", r)
	default:
		return ""
	}
}

// yamlDocuments returns the first document of text, and a second one if there
// is any. The library fails by panic, and recovers from those panics that it
// knows; here none gets past.
func yamlDocuments(text string) (documents []*yaml.Node, err error) {
	defer func() {
		if r := recover(); r != nil {
			documents, err = nil, fmt.Errorf("yaml: the reader gave up: %v", r)
		}
	}()
	// The library takes no version but 1.1. It has the same syntax, and scalars
	// are not left to the library.
	if after, ok := strings.CutPrefix(text, "%YAML 1.2"); ok {
		text = "%YAML 1.1" + after
	}
	reader := yaml.NewDecoder(strings.NewReader(text))
	for len(documents) < 2 {
		var document yaml.Node
		switch err := reader.Decode(&document); {
		case errors.Is(err, io.EOF):
			return documents, nil
		case err != nil:
			return nil, err
		}
		documents = append(documents, &document)
	}
	return documents, nil
}

var yamlLine = regexp.MustCompile(`^line ([0-9]+): `)

// yamlProblem splits the text of a library's error into line and problem.
func yamlProblem(err error) (line int, problem string) {
	problem = strings.TrimPrefix(err.Error(), "yaml: ")
	if strings.HasPrefix(problem, "unknown anchor") || strings.HasPrefix(problem, "the reader gave up") {
		return 0, clip(problem) // has no line, wherever it is
	}
	match := yamlLine.FindStringSubmatch(problem)
	if match == nil {
		return 1, clip(problem) // the first line is the one that is left out
	}
	line, _ = strconv.Atoi(match[1])
	problem = problem[len(match[0]):]
	// What the library's parser finds, and not its scanner, it counts from 0.
	for _, prefix := range []string{"key", "node content", "'-' indicator", "',' or", "<"} {
		if strings.HasPrefix(problem, "did not find expected "+prefix) {
			line++
			break
		}
	}
	return line, clip(problem)
}

// yamlValue turns a node into a value. What JSON has no words for becomes a
// fault and an invalid value, so that the rest is still looked at. Aliases are
// not followed, so a value is never larger than its text.
func (d *decoder) yamlValue(n *yaml.Node, at *path, depth int) value {
	v := value{line: int32(n.Line)}
	switch {
	case n.Kind == yaml.AliasNode:
		d.fault(n.Line, at, "aliases such as *%s are not supported; write the value out", clip(n.Value))
		return v
	case n.Anchor != "":
		d.fault(n.Line, at, "anchors such as &%s are not supported", clip(n.Anchor))
		return v
	case n.Style&yaml.TaggedStyle != 0:
		d.fault(n.Line, at, "tags such as %s are not supported; a string is put in quotes instead", clip(n.Tag))
		return v
	case depth > maxDepth && n.Kind != yaml.ScalarNode:
		d.fault(n.Line, nil, "nested deeper than %d levels", maxDepth)
		return v
	}
	switch n.Kind {
	case yaml.ScalarNode:
		v.kind, v.text = yamlScalar(n)
	case yaml.SequenceNode:
		v.kind = jsonscan.Array
		for i, item := range n.Content {
			v.items = append(v.items, d.yamlValue(item, at.at(i), depth+1))
		}
	case yaml.MappingNode:
		v.kind = jsonscan.Object
		for i := 0; i+1 < len(n.Content); i += 2 {
			name := n.Content[i]
			if !d.yamlKey(name, at) {
				continue
			}
			member := d.yamlValue(n.Content[i+1], at.to(name.Value), depth+1)
			member.key = name.Value
			member.line = int32(name.Line)
			v.items = append(v.items, member)
		}
	default:
		d.fault(n.Line, at, "not a value")
	}
	return v
}

// yamlKey reports whether n can be the key of a member. at is the path of the
// object.
func (d *decoder) yamlKey(n *yaml.Node, at *path) bool {
	switch {
	case n.Kind == yaml.AliasNode, n.Anchor != "":
		d.fault(n.Line, at, "anchors and aliases are not supported, as keys neither")
	case n.Style&yaml.TaggedStyle != 0:
		d.fault(n.Line, at, "tags such as %s are not supported, on keys neither", clip(n.Tag))
	case n.Kind != yaml.ScalarNode:
		d.fault(n.Line, at, "a list or an object as a key; want a string")
	case n.Style == 0 && n.Value == "<<":
		d.fault(n.Line, at, "merges by << are not supported; write the members out")
	default:
		kind, _ := yamlScalar(n)
		if kind == jsonscan.String {
			return true
		}
		d.fault(n.Line, at, "the key %s is %s; put it in quotes", quote(n.Value), kind)
	}
	return false
}

const yamlQuoted = yaml.DoubleQuotedStyle | yaml.SingleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle

// yamlScalar resolves a scalar by the core schema of YAML 1.2, section 10.3.2.
func yamlScalar(n *yaml.Node) (kind jsonscan.Kind, text string) {
	if n.Style&yamlQuoted != 0 {
		return jsonscan.String, n.Value
	}
	switch n.Value {
	case "", "~", "null", "Null", "NULL":
		return jsonscan.Null, ""
	case "true", "True", "TRUE":
		return jsonscan.Bool, "true"
	case "false", "False", "FALSE":
		return jsonscan.Bool, "false"
	}
	if _, ok := parseNumber(n.Value); ok {
		return jsonscan.Number, n.Value
	}
	return jsonscan.String, n.Value
}
