package codegen

import (
	"fmt"
	"strings"
)

// tsTypes are the types of values.
var tsTypes = map[kind]string{
	kindAny: "unknown", kindString: "string", kindBool: "boolean", kindInt: "number", kindFloat: "number",
	kindList: "readonly unknown[]", kindMap: "Readonly<Record<string, unknown>>",
}

// tsGetters are the methods of an Evaluation.
var tsGetters = map[kind]string{
	kindString: "getString", kindBool: "getBool", kindInt: "getInt", kindFloat: "getFloat", kindMap: "getObject",
}

// tsTests tell whether a value that was looked up is of a kind.
var tsTests = map[kind]string{
	kindString: `typeof value === "string"`, kindBool: `typeof value === "boolean"`,
	kindInt: `typeof value === "number" && Number.isSafeInteger(value)`, kindFloat: `typeof value === "number"`,
	kindList: "Array.isArray(value)", kindMap: `typeof value === "object" && value !== null && !Array.isArray(value)`,
}

func writeTypeScript(all []*service, o Options) []byte {
	w := &tsWriter{lines{layout: layout{width: 80, step: 2}}}
	w.add(0, "// %s", notice(o.Source))
	w.add(0, "")
	w.add(0, `import type { Client, Context, Evaluation } from "@strata-exp/sdk";`)
	for _, s := range all {
		w.service(s)
	}
	return []byte(w.b.String())
}

type tsWriter struct{ lines }

func tsQuote(text string) string {
	return quoted(text, func(r rune) string {
		return fmt.Sprintf(`\u%04x\u%04x`, (r-0x10000)>>10+0xd800, (r-0x10000)&0x3ff+0xdc00)
	})
}

func (w *tsWriter) comment(indent int, text string) {
	text = strings.ReplaceAll(text, "*/", "* /")
	if indent+width("/** "+text+" */") <= w.layout.width {
		w.add(indent, "/** %s */", text)
		return
	}
	w.add(indent, "/**")
	for _, line := range wrap(text, w.layout.width-indent-len(" * ")) {
		w.add(indent, " * %s", line)
	}
	w.add(indent, " */")
}

func (w *tsWriter) service(s *service) {
	w.texts(s.root)
	for _, p := range objects(s.root) {
		w.add(0, "")
		if p == s.root {
			w.comment(0, "T"+headline(s)[1:])
		} else {
			w.comment(0, strings.TrimSpace(fmt.Sprintf("%s of the service %s. %s", oneLine(p.path()), oneLine(s.name), about(p))))
		}
		w.add(0, "export class %s {", p.names.typ)
		w.add(2, "readonly #e: Evaluation;")
		w.add(0, "")
		w.add(2, "constructor(evaluation: Evaluation) {")
		w.add(4, "this.#e = evaluation;")
		w.add(2, "}")
		for _, member := range p.members {
			w.member(member)
		}
		w.add(0, "}")
	}
	w.add(0, "")
	w.comment(0, "Evaluates the service "+oneLine(s.name)+" in a context.")
	w.call(0, "export function "+namings[TypeScript].functionOf(s)+"(", []string{"client: Client", "context: Context"}, "): "+s.root.names.typ+" {")
	w.call(2, "const evaluation = client.evaluate(", []string{tsQuote(s.name), "context"}, ");")
	w.call(2, "return new "+s.root.names.typ+"(", []string{"evaluation"}, ");")
	w.add(0, "}")
}

// texts writes the types of the parameters that may be some strings alone.
func (w *tsWriter) texts(p *parameter) {
	for _, member := range p.members {
		w.texts(member)
	}
	if len(p.texts) == 0 {
		return
	}
	all := make([]string, len(p.texts))
	for i, text := range p.texts {
		all[i] = tsQuote(text)
	}
	w.add(0, "")
	w.comment(0, "What "+oneLine(p.path())+" may be.")
	line := fmt.Sprintf("export type %s = %s;", p.names.typ, strings.Join(all, " | "))
	if width(line) <= w.layout.width {
		w.add(0, "%s", line)
		return
	}
	w.add(0, "export type %s =", p.names.typ)
	if len(all) == 1 {
		w.add(2, "%s;", all[0])
		return
	}
	for i, text := range all {
		end := ""
		if i == len(all)-1 {
			end = ";"
		}
		w.add(2, "| %s%s", text, end)
	}
}

func (w *tsWriter) member(p *parameter) {
	w.add(0, "")
	path := tsQuote(p.path())
	if p.kind == kindObject {
		w.comment(2, strings.TrimSpace(sentence(p.path())+" "+about(p)))
		w.add(2, "%s(): %s {", p.names.accessor, p.names.typ)
		w.call(4, "return new "+p.names.typ+"(", []string{"this.#e"}, ");")
		w.add(2, "}")
		return
	}
	w.comment(2, strings.TrimSpace(oneLine(p.path())+", def if nobody has set it. "+about(p)))
	value := tsTypes[p.kind]
	if len(p.texts) > 0 {
		value = p.names.typ
	}
	result := value
	if p.nullable {
		result += " | null"
	}
	w.call(2, p.names.accessor+"(", []string{"def: " + result}, "): "+result+" {")
	switch {
	case p.nullable:
		w.call(4, "const found = this.#e.lookup(", []string{path}, ");")
		w.add(4, `if (found.value === null && found.layerId !== "") {`)
		w.add(6, "return null;")
		w.add(4, "}")
		w.add(4, "const value = found.value;")
		w.found(p, value)
	case p.kind == kindAny:
		w.call(4, "const found = this.#e.lookup(", []string{path}, ");")
		w.add(4, `return found.layerId !== "" ? found.value : def;`)
	case p.kind == kindList:
		w.call(4, "const { value } = this.#e.lookup(", []string{path}, ");")
		w.found(p, value)
	case len(p.texts) > 0:
		w.call(4, "const value = this.#e.getString(", []string{path, "def"}, ");")
		w.found(p, value)
	default:
		w.call(4, "return this.#e."+tsGetters[p.kind]+"(", []string{path, "def"}, ");")
	}
	w.add(2, "}")
}

// found writes what becomes of a value.
func (w *tsWriter) found(p *parameter, value string) {
	if len(p.texts) > 0 {
		w.add(4, "switch (value) {")
		for _, text := range p.texts {
			w.add(6, "case %s:", tsQuote(text))
		}
		w.add(8, "return value;")
		w.add(6, "default:")
		w.add(8, "return def;")
		w.add(4, "}")
		return
	}
	w.add(4, "if (%s) {", tsTests[p.kind])
	if p.kind == kindMap {
		w.add(6, "return value as %s;", value)
	} else {
		w.add(6, "return value;")
	}
	w.add(4, "}")
	w.add(4, "return def;")
}
