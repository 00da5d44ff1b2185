package manifest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"go.yaml.in/yaml/v3"

	"github.com/strata-exp/strata/internal/manifest"
)

// document writes one random document in both formats. A value is a yaml.Node;
// the YAML is for the library to write, in random styles, and the JSON for us.
type document struct{ *rand.Rand }

func (d document) scalar(text string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Value: text}
}

func (d document) text(text string) *yaml.Node {
	styles := []yaml.Style{0, yaml.DoubleQuotedStyle, yaml.SingleQuotedStyle, yaml.LiteralStyle, yaml.FoldedStyle}
	if strings.TrimLeft(text, " \n") != text {
		styles = styles[:3] // the library writes the indentation of such blocks wrongly
	}
	style := styles[d.IntN(len(styles))]
	if strings.ContainsAny(text, "\u0001\u0085\u2028\ufeff") {
		style = yaml.DoubleQuotedStyle // where alone they can be escaped
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text, Style: style}
}

func (d document) style() yaml.Style {
	if d.IntN(3) == 0 {
		return yaml.FlowStyle
	}
	return 0
}

func (d document) list(n int, item func() *yaml.Node) *yaml.Node {
	list := &yaml.Node{Kind: yaml.SequenceNode, Style: d.style()}
	for range n {
		list.Content = append(list.Content, item())
	}
	return list
}

// object takes keys and values in turn; some keys are left out, if nil.
func (d document) object(members ...any) *yaml.Node {
	object := &yaml.Node{Kind: yaml.MappingNode, Style: d.style()}
	for i := 0; i < len(members); i += 2 {
		if value := members[i+1].(*yaml.Node); value != nil {
			object.Content = append(object.Content, d.text(members[i].(string)), value)
		}
	}
	return object
}

func (d document) maybe(n *yaml.Node) *yaml.Node {
	if d.IntN(3) == 0 {
		return nil
	}
	return n
}

func pick[T any](d document, from ...T) T { return from[d.IntN(len(from))] }

func (d document) anyText() *yaml.Node {
	return d.text(pick(d, "", " ", "a", "true", "null", "~", "12", "0x1", "1e3", ".inf", "no", "2024-01-02", "a: b", "- a", "#", "a # b",
		"é", "😀", "two\nlines", "tab\t", "back\\slash", `"quoted"`, "'", "{", "[", "&a", "*a", "!a", "%", "@", "`", "|", ">", "<<", "?", ":",
		" lead", "trail ", "\n", "a\n\nb\n", "\u00a0", "\ufeff", "x\u0001", "\u2028", "\u0085"))
}

func (d document) number() *yaml.Node {
	return d.scalar(pick(d, "0", "-0", "1", "-17", "12.0", "1e3", "2.5E-3", "9007199254740991", "-9007199254740991", "1e300", "0.1"))
}

func (d document) whole(below int) *yaml.Node {
	n := d.IntN(below)
	return d.scalar(pick(d, strconv.Itoa(n), fmt.Sprintf("%d.0", n), fmt.Sprintf("%de0", n)))
}

func (d document) flag() *yaml.Node { return d.scalar(pick(d, "true", "false")) }

func (d document) value(depth int) *yaml.Node {
	if depth == 0 {
		return pick(d, d.anyText, d.number, d.flag, func() *yaml.Node { return d.scalar("null") })()
	}
	if d.IntN(3) == 0 {
		return d.list(d.IntN(4), func() *yaml.Node { return d.value(depth - 1) })
	}
	return d.params(depth - 1)
}

func (d document) params(depth int) *yaml.Node {
	var members []any
	seen := map[string]bool{}
	for range d.IntN(5) {
		if key := d.anyText().Value; !seen[key] {
			seen[key] = true
			members = append(members, key, d.value(d.IntN(depth+1)))
		}
	}
	return d.object(members...)
}

func (d document) rule(depth int) *yaml.Node {
	kind := d.IntN(4)
	if depth == 0 {
		kind = 3
	}
	child := func() *yaml.Node { return d.rule(depth - 1) }
	switch kind {
	case 0:
		return d.object("type", d.text(pick(d, "and", "or")), "children", d.list(1+d.IntN(3), child))
	case 1:
		return d.object("child", child(), "type", d.text("not"))
	case 2:
		return d.object("type", d.text("not"), "children", d.list(1, child))
	default:
		value := pick(d, d.anyText, d.number, d.flag)
		return d.object("type", d.text("field"), "field", d.anyText(), "values", d.list(d.IntN(4), value),
			"op", d.text(pick(d, "eq", "neq", "gt", "gte", "lt", "lte", "in", "not_in", "like", "not_like")))
	}
}

func (d document) layer() *yaml.Node {
	return d.object("layer_id", d.anyText(), "priority", d.whole(1000), "hash_key", d.anyText(), "version", d.text("v1"),
		"salt", d.maybe(d.anyText()), "enabled", d.maybe(d.flag()), "service", d.maybe(d.anyText()),
		"ranges", d.list(d.IntN(5), func() *yaml.Node {
			return d.object("end", d.whole(10001), "start", d.whole(10000), "vid", d.whole(100000))
		}))
}

func (d document) experiment() *yaml.Node {
	rule := d.maybe(d.rule(4))
	if d.IntN(8) == 0 {
		rule = d.scalar("null")
	}
	return d.object("eid", d.whole(1000), "service", d.anyText(), "rule", rule,
		"variants", d.list(d.IntN(4), func() *yaml.Node { return d.object("vid", d.whole(100000), "params", d.params(3)) }))
}

// asJSON writes a document as JSON, with random white space.
func (d document) asJSON(b *strings.Builder, n *yaml.Node) {
	space := func() { b.WriteString(pick(d, "", "", " ", "\n", "\t", "\r\n")) }
	space()
	switch {
	case n.Kind == yaml.ScalarNode && n.Tag == "":
		b.WriteString(n.Value)
	case n.Kind == yaml.ScalarNode:
		text, err := json.Marshal(n.Value)
		if err != nil {
			panic(err)
		}
		b.WriteString(strings.ReplaceAll(string(text), "\u0085", `\u0085`)) // which YAML wants escaped
	case n.Kind == yaml.SequenceNode:
		b.WriteByte('[')
		for i, item := range n.Content {
			if i > 0 {
				b.WriteByte(',')
			}
			d.asJSON(b, item)
		}
		b.WriteByte(']')
	default:
		b.WriteByte('{')
		for i, item := range n.Content {
			switch {
			case i%2 == 1:
				b.WriteByte(':')
			case i > 0:
				b.WriteByte(',')
			}
			d.asJSON(b, item)
		}
		b.WriteByte('}')
	}
	space()
}

// sameInBoth checks that one document means the same in JSON, in YAML, and as
// JSON read by the YAML reader, whose subset it is.
func sameInBoth[M proto.Message](t *testing.T, d document, decode func(string, []byte) (M, manifest.Faults), root *yaml.Node) {
	t.Helper()
	var text strings.Builder
	d.asJSON(&text, root)
	want, faults := decode("x.json", []byte(text.String()))
	if faults != nil {
		t.Fatalf("%v\n%s", faults, text.String())
	}
	block, err := yaml.Marshal(root)
	if err != nil {
		t.Fatal(err)
	}
	got, faults := decode("x.yaml", block)
	if faults != nil {
		t.Fatalf("%v\n%s", faults, block)
	}
	if !proto.Equal(got, want) {
		t.Fatalf("got %v from\n%s\nwant %v from\n%s", got, block, want, text.String())
	}
	var compact bytes.Buffer // YAML wants no line break before a colon
	if err := json.Compact(&compact, []byte(text.String())); err != nil {
		t.Fatal(err)
	}
	flow, faults := decode("x.yaml", compact.Bytes())
	if faults != nil {
		t.Fatalf("%v\n%s", faults, compact.String())
	}
	if !proto.Equal(flow, want) {
		t.Fatalf("got %v as YAML, want %v from\n%s", flow, want, text.String())
	}
}

func TestJSONAndYAMLMeanTheSame(t *testing.T) {
	t.Parallel()
	for seed := range uint64(1000) {
		d := document{rand.New(rand.NewPCG(seed, 0))}
		sameInBoth(t, d, manifest.DecodeLayer, d.layer())
		sameInBoth(t, d, manifest.DecodeExperiment, d.experiment())
	}
}
