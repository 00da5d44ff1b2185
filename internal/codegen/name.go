package codegen

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// naming is how a language calls things.
type naming struct {
	// function, accessor and constant make names of words.
	function, accessor func(words []string) string
	// evaluate are the words before those of a service.
	evaluate string
	// types and accessors are names that can not be given.
	types, accessors []string
	// constants says that each text that a parameter may be has a constant.
	constants bool
}

var namings = map[Language]*naming{
	Go:         {function: pascal, accessor: pascal, evaluate: "evaluate", constants: true},
	TypeScript: {function: camel, accessor: camel, evaluate: "evaluate", types: typesOfTypeScript, accessors: accessorsOfTypeScript},
	Python:     {function: snake, accessor: snake, evaluate: "evaluate", types: typesOfPython, accessors: accessorsOfPython},
}

// Names that mean something else in generated code. All others that a language
// keeps for itself can be the names of methods, or are in lower case.
var (
	typesOfTypeScript     = []string{"Array", "Client", "Context", "Evaluation", "Number", "Readonly", "Record"}
	accessorsOfTypeScript = []string{"constructor"}
	typesOfPython         = []string{"Any", "Client", "AsyncClient", "Context", "Evaluation", "False", "Literal", "None", "True"}
	accessorsOfPython     = []string{
		"and", "as", "assert", "async", "await", "bool", "break", "case", "class", "continue", "def", "default", "del", "dict", "elif", "else",
		"except", "finally", "float", "for", "from", "global", "if", "import", "in", "int", "is", "lambda", "list", "match", "nonlocal", "not",
		"or", "pass", "raise", "return", "self", "str", "try", "type", "while", "with", "yield",
	}
)

// name gives names to all that is written. Where two things would have one name,
// the later one is a fault: services go by name, parameters by path.
func (n *naming) name(all []*service) Faults {
	var faults Faults
	top := map[string]string{} // what has a name in the file
	for _, s := range all {
		claim := func(name, what string, p *parameter) {
			if other, taken := top[name]; taken {
				faults = append(faults, Fault{s.name, p.path(), fmt.Sprintf("%s would be called %s, as is %s: rename one of them", what, name, other)})
				return
			}
			top[name] = fmt.Sprintf("%s of service %s", what, s.name)
		}
		n.tops(s, claim)
		faults = append(faults, n.methods(s, s.root)...)
	}
	return faults
}

// functionOf returns the name of the function that evaluates a service.
func (n *naming) functionOf(s *service) string {
	return n.function(append([]string{n.evaluate}, wordsOf(s.name)...))
}

// tops names what stands at the top of the file.
func (n *naming) tops(s *service, claim func(name, what string, p *parameter)) {
	claim(n.functionOf(s), "the function", s.root)
	var walk func(p *parameter, words []string, what string)
	walk = func(p *parameter, words []string, what string) {
		if p.kind == kindObject || len(p.texts) > 0 && !n.constants {
			p.names.typ = avoid(pascal(words), n.types)
			claim(p.names.typ, what, p)
		}
		if n.constants {
			for _, text := range p.texts {
				name := pascal(append(slices.Clone(words), wordsOf(text)...))
				claim(name, fmt.Sprintf("the constant for %q of %s", text, p.path()), p)
				p.names.texts = append(p.names.texts, name)
			}
		}
		for _, member := range p.members {
			walk(member, append(slices.Clone(words), wordsOf(member.keys[len(member.keys)-1])...), "the type of "+member.path())
		}
	}
	walk(s.root, wordsOf(s.name), "the type")
}

// methods names the accessors of an object and of those in it.
func (n *naming) methods(s *service, p *parameter) Faults {
	var faults Faults
	taken := map[string]*parameter{}
	for _, member := range p.members {
		name := avoid(n.accessor(wordsOf(member.keys[len(member.keys)-1])), n.accessors)
		if other, ok := taken[name]; ok {
			faults = append(faults, Fault{
				s.name, member.path(),
				fmt.Sprintf("would be called %s, as is %s: rename one of them", name, other.path()),
			})
		}
		taken[name] = member
		member.names.accessor = name
		faults = append(faults, n.methods(s, member)...)
	}
	return faults
}

func avoid(name string, taken []string) string {
	if slices.Contains(taken, name) {
		return name + "_"
	}
	return name
}

// wordsOf cuts a name into words in lower case: at all that is no letter and no
// digit, and before a capital after a small letter. There is at least one.
func wordsOf(name string) []string {
	var words []string
	var word []rune
	end := func() {
		if len(word) > 0 {
			words = append(words, string(word))
			word = nil
		}
	}
	runes := []rune(norm.NFC.String(name))
	for i, r := range runes {
		if !fit(r) {
			end()
			continue
		}
		capital := unicode.IsUpper(r)
		if capital && i > 0 && (unicode.IsLower(runes[i-1]) || unicode.IsDigit(runes[i-1])) ||
			capital && i > 0 && i+1 < len(runes) && unicode.IsUpper(runes[i-1]) && unicode.IsLower(runes[i+1]) {
			end()
		}
		word = append(word, unicode.ToLower(r))
	}
	end()
	if len(words) == 0 { // nothing that could be in a name
		hex := []byte("x")
		for _, r := range name {
			hex = fmt.Appendf(hex, "%x", r)
		}
		if name == "" {
			hex = []byte("empty")
		}
		words = []string{string(hex)}
	}
	return words
}

// fit reports whether a rune can be in a name in all languages, as itself.
func fit(r rune) bool {
	if r < utf8.RuneSelf {
		return 'a' <= r|0x20 && r|0x20 <= 'z' || '0' <= r && r <= '9'
	}
	lower := unicode.ToLower(r)
	return unicode.In(r, unicode.Ll, unicode.Lu, unicode.Lo, unicode.Nd) &&
		norm.NFKC.IsNormalString(string(r)) && norm.NFKC.IsNormalString(string(lower)) && norm.NFKC.IsNormalString(string(unicode.ToUpper(r)))
}

// initialisms are words that are written in capitals, as Go has them.
var initialisms = map[string]string{
	"api": "API", "cpu": "CPU", "css": "CSS", "html": "HTML", "http": "HTTP", "https": "HTTPS", "id": "ID", "ip": "IP", "json": "JSON",
	"sql": "SQL", "tls": "TLS", "ttl": "TTL", "ui": "UI", "uri": "URI", "url": "URL", "utf8": "UTF8", "uuid": "UUID", "vid": "VID", "xml": "XML",
}

// pascal returns a name such as RankerSvc. It begins with a capital.
func pascal(words []string) string {
	var b strings.Builder
	for _, word := range words {
		if known, ok := initialisms[word]; ok {
			b.WriteString(known)
			continue
		}
		first, size := utf8.DecodeRuneInString(word)
		b.WriteRune(unicode.ToUpper(first))
		b.WriteString(word[size:])
	}
	if first, _ := utf8.DecodeRuneInString(b.String()); !unicode.IsUpper(first) {
		return "X" + b.String()
	}
	return b.String()
}

// camel returns a name such as rankerSvc.
func camel(words []string) string {
	var b strings.Builder
	for i, word := range words {
		if i == 0 {
			b.WriteString(word)
			continue
		}
		first, size := utf8.DecodeRuneInString(word)
		b.WriteRune(unicode.ToUpper(first))
		b.WriteString(word[size:])
	}
	return beginning(b.String())
}

// snake returns a name such as ranker_svc.
func snake(words []string) string { return beginning(strings.Join(words, "_")) }

// beginning returns a name that does not begin with a digit.
func beginning(name string) string {
	if first, _ := utf8.DecodeRuneInString(name); unicode.IsDigit(first) {
		return "x" + name
	}
	return name
}
