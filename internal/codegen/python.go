package codegen

import (
	"fmt"
	"slices"
	"strings"
)

// pythonTypes are the types of values.
var pythonTypes = map[kind]string{
	kindAny: "Any", kindString: "str", kindBool: "bool", kindInt: "int", kindFloat: "float", kindList: "list[Any]", kindMap: "dict[str, Any]",
}

// pythonGetters are the methods of an Evaluation.
var pythonGetters = map[kind]string{
	kindString: "get_string", kindBool: "get_bool", kindInt: "get_int", kindFloat: "get_float", kindMap: "get_object",
}

func writePython(all []*service, o Options) []byte {
	body := &pythonWriter{lines{layout: layout{width: 88, step: 4, compact: true}}}
	for _, s := range all {
		body.service(s)
	}
	text := body.b.String()
	head := &pythonWriter{lines{layout: body.layout}}
	head.add(0, "# %s", notice(o.Source))
	head.doc(0, "The parameters of services, with their types.")
	head.add(0, "")
	head.add(0, "from __future__ import annotations")
	head.add(0, "")
	var typing []string
	for _, used := range []struct{ name, by string }{{"Any", "Any"}, {"Literal", "Literal["}, {"cast", "cast("}, {"get_args", "get_args("}} {
		if strings.Contains(text, used.by) {
			typing = append(typing, used.name)
		}
	}
	if len(typing) > 0 {
		head.add(0, "from typing import %s", strings.Join(typing, ", "))
		head.add(0, "")
	}
	head.add(0, "from strata import AsyncClient, Client, Context, Evaluation")
	return []byte(head.b.String() + text)
}

type pythonWriter struct{ lines }

func pythonQuote(text string) string {
	return quoted(text, func(r rune) string { return fmt.Sprintf(`\U%08x`, r) })
}

// doc writes a docstring.
func (w *pythonWriter) doc(indent int, text string) {
	text = strings.NewReplacer(`\`, `\\`, `"""`, `'''`).Replace(text)
	if strings.HasPrefix(text, `"`) { // which would be a fourth one
		text = "The " + text
	}
	if indent+width(`"""`+text+`"""`) <= w.layout.width {
		w.add(indent, `"""%s"""`, text)
		return
	}
	all := wrap(text, w.layout.width-indent-len(`"""`))
	all[0] = `"""` + all[0]
	for _, line := range all {
		w.add(indent, "%s", line)
	}
	w.add(indent, `"""`)
}

func (w *pythonWriter) service(s *service) {
	w.texts(s.root)
	all := objects(s.root)
	for _, p := range slices.Backward(all) { // the service itself comes last
		w.add(0, "")
		w.add(0, "")
		w.add(0, "class %s:", p.names.typ)
		if p == s.root {
			w.doc(4, "T"+headline(s)[1:])
		} else {
			w.doc(4, strings.TrimSpace(fmt.Sprintf("%s of the service %s. %s", oneLine(p.path()), oneLine(s.name), about(p))))
		}
		w.add(0, "")
		w.add(4, `__slots__ = ("_e",)`)
		w.add(0, "")
		w.add(4, "def __init__(self, evaluation: Evaluation) -> None:")
		w.add(8, "self._e = evaluation")
		for _, member := range p.members {
			w.member(member)
		}
	}
	w.add(0, "")
	w.add(0, "")
	typ := s.root.names.typ
	w.call(0, "def "+namings[Python].functionOf(s)+"(", []string{"client: Client | AsyncClient", "context: Context"}, ") -> "+typ+":")
	w.doc(4, "Evaluates the service "+oneLine(s.name)+" in a context.")
	w.call(4, "evaluation = client.evaluate(", []string{pythonQuote(s.name), "context"}, ")")
	w.call(4, "return "+typ+"(", []string{"evaluation"}, ")")
}

// texts writes the types of the parameters that may be some strings alone.
func (w *pythonWriter) texts(p *parameter) {
	for _, member := range p.members {
		w.texts(member)
	}
	if len(p.texts) == 0 {
		return
	}
	all := make([]string, len(p.texts))
	for i, text := range p.texts {
		all[i] = pythonQuote(text)
	}
	w.add(0, "")
	w.call(0, p.names.typ+" = Literal[", all, "]")
	w.doc(0, "What "+oneLine(p.path())+" may be.")
}

func (w *pythonWriter) member(p *parameter) {
	w.add(0, "")
	path := pythonQuote(p.path())
	if p.kind == kindObject {
		w.call(4, "def "+p.names.accessor+"(", []string{"self"}, ") -> "+p.names.typ+":")
		w.doc(8, strings.TrimSpace(sentence(p.path())+" "+about(p)))
		w.call(8, "return "+p.names.typ+"(", []string{"self._e"}, ")")
		return
	}
	value := pythonTypes[p.kind]
	if len(p.texts) > 0 {
		value = p.names.typ
	}
	if p.nullable {
		value += " | None"
	}
	w.call(4, "def "+p.names.accessor+"(", []string{"self", "default: " + value}, ") -> "+value+":")
	w.doc(8, strings.TrimSpace(oneLine(p.path())+", the default if nobody has set it. "+about(p)))
	if p.nullable || p.kind == kindAny {
		w.call(8, "found = self._e.lookup(", []string{path}, ")")
	}
	if p.nullable {
		w.add(8, "if found.value is None and found.layer_id:")
		w.add(12, "return None")
	}
	switch {
	case p.kind == kindAny:
		w.add(8, "return found.value if found.layer_id else default")
	case p.kind == kindList:
		if !p.nullable {
			w.call(8, "found = self._e.lookup(", []string{path}, ")")
		}
		w.add(8, "return found.value if isinstance(found.value, list) else default")
	case len(p.texts) > 0:
		w.call(8, "value = self._e.get_string(", []string{path, "default"}, ")")
		w.add(8, "if value in get_args(%s):", p.names.typ)
		w.call(12, "return cast(", []string{p.names.typ, "value"}, ")")
		w.add(8, "return default")
	default:
		w.call(8, "return self._e."+pythonGetters[p.kind]+"(", []string{path, "default"}, ")")
	}
}
