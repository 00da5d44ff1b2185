package codegen

import (
	"bytes"
	"fmt"
	"go/format"
	"strconv"
	"strings"
)

// goWidth is how many runes the text of a comment has on a line.
const goWidth = 77

// goTypes are the types of values.
var goTypes = map[kind]string{
	kindAny: "any", kindString: "string", kindBool: "bool", kindInt: "int64", kindFloat: "float64", kindList: "[]any", kindMap: "map[string]any",
}

// goGetters are the methods of an Evaluation.
var goGetters = map[kind]string{
	kindString: "GetString", kindBool: "GetBool", kindInt: "GetInt", kindFloat: "GetFloat", kindMap: "GetObject",
}

func writeGo(all []*service, o Options) ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "// %s\n\npackage %s\n\n", notice(o.Source), o.Package)
	body := &goWriter{}
	for _, s := range all {
		body.service(s)
	}
	if body.math {
		b.WriteString("import (\n\t\"math\"\n\n\tstrata \"github.com/strata-exp/strata/sdk/go\"\n)\n")
	} else {
		b.WriteString("import strata \"github.com/strata-exp/strata/sdk/go\"\n")
	}
	b.Write(body.b.Bytes())
	text, err := format.Source(b.Bytes())
	if err != nil {
		return nil, fmt.Errorf("generated code is no Go, which is a fault of this program: %w", err)
	}
	return text, nil
}

type goWriter struct {
	b    bytes.Buffer
	math bool // is used
}

func (w *goWriter) comment(text string) {
	for _, line := range wrap(text, goWidth) {
		fmt.Fprintf(&w.b, "// %s\n", line)
	}
}

func (w *goWriter) service(s *service) {
	for _, p := range objects(s.root) {
		typ := p.names.typ
		w.b.WriteByte('\n')
		if p == s.root {
			w.comment(typ + " is " + headline(s))
		} else {
			w.comment(strings.TrimSpace(fmt.Sprintf("%s is %s of the service %s. %s", typ, oneLine(p.path()), oneLine(s.name), about(p))))
		}
		fmt.Fprintf(&w.b, "type %s struct{ e strata.Evaluation }\n", typ)
		if p == s.root {
			function := namings[Go].functionOf(s)
			w.b.WriteByte('\n')
			w.comment(fmt.Sprintf("%s evaluates the service %s in a context.", function, oneLine(s.name)))
			fmt.Fprintf(&w.b, "func %s(client *strata.Client, ctx strata.Context) %s {\n\treturn %s{client.Evaluate(%s, ctx)}\n}\n",
				function, typ, typ, strconv.Quote(s.name))
		}
		for _, member := range p.members {
			w.member(typ, member)
		}
	}
}

func (w *goWriter) member(typ string, p *parameter) {
	name, path := p.names.accessor, strconv.Quote(p.path())
	w.constants(p)
	w.b.WriteByte('\n')
	receiver := fmt.Sprintf("func (p %s) %s", typ, name)
	if p.kind == kindObject {
		w.comment(strings.TrimSpace(fmt.Sprintf("%s is %s. %s", name, oneLine(p.path()), about(p))))
		fmt.Fprintf(&w.b, "%s() %s { return %s(p) }\n", receiver, p.names.typ, p.names.typ)
		return
	}
	text := fmt.Sprintf("%s returns %s, def if nobody has set it. %s", name, oneLine(p.path()), about(p))
	if len(p.texts) > 0 {
		text += " It is one of the constants " + p.names.texts[0] + " and so on."
	}
	w.comment(strings.TrimSpace(text))
	value := goTypes[p.kind]
	switch {
	case len(p.texts) > 0 && !p.nullable:
		fmt.Fprintf(&w.b, "%s(def string) string {\n\tswitch value := p.e.GetString(%s, def); value {\n\tcase %s:\n\t\treturn value\n\tdefault:\n\t\treturn def\n\t}\n}\n",
			receiver, path, strings.Join(p.names.texts, ", "))
	case p.kind == kindAny:
		fmt.Fprintf(&w.b, "%s(def any) any {\n\tif found := p.e.Lookup(%s); found.Value != nil || found.LayerID != \"\" {\n\t\treturn found.Value\n\t}\n\treturn def\n}\n",
			receiver, path)
	case p.kind == kindList || p.nullable:
		w.lookup(receiver, path, value, p)
	default:
		fmt.Fprintf(&w.b, "%s(def %s) %s { return p.e.%s(%s, def) }\n", receiver, value, value, goGetters[p.kind], path)
	}
}

// constants writes one for each text that a parameter may be.
func (w *goWriter) constants(p *parameter) {
	if len(p.texts) == 0 {
		return
	}
	w.b.WriteByte('\n')
	w.comment(fmt.Sprintf("What %s may be.", oneLine(p.path())))
	w.b.WriteString("const (\n")
	for i, text := range p.texts {
		fmt.Fprintf(&w.b, "\t%s = %s\n", p.names.texts[i], strconv.Quote(text))
	}
	w.b.WriteString(")\n")
}

// lookup writes an accessor of what no getter of an Evaluation reads: lists, and
// what may be null.
func (w *goWriter) lookup(receiver, path, value string, p *parameter) {
	result, pointer := value, p.nullable && p.kind != kindList && p.kind != kindMap
	if pointer {
		result = "*" + value
	}
	fmt.Fprintf(&w.b, "%s(def %s) %s {\n\tfound := p.e.Lookup(%s)\n", receiver, result, result, path)
	if p.nullable {
		w.b.WriteString("\tif found.Value == nil && found.LayerID != \"\" {\n\t\treturn nil\n\t}\n")
	}
	switch {
	case p.kind == kindInt:
		w.math = true
		w.b.WriteString("\tif value, ok := found.Value.(float64); ok && value == math.Trunc(value) && math.Abs(value) <= 1<<53-1 {\n" +
			"\t\tn := int64(value)\n\t\treturn &n\n\t}\n")
	case len(p.texts) > 0:
		fmt.Fprintf(&w.b, "\tswitch found.Value {\n\tcase %s:\n\t\tvalue, _ := found.Value.(string)\n\t\treturn &value\n\t}\n", strings.Join(p.names.texts, ", "))
	case pointer:
		fmt.Fprintf(&w.b, "\tif value, ok := found.Value.(%s); ok {\n\t\treturn &value\n\t}\n", value)
	default:
		fmt.Fprintf(&w.b, "\tif value, ok := found.Value.(%s); ok {\n\t\treturn value\n\t}\n", value)
	}
	w.b.WriteString("\treturn def\n}\n")
}
