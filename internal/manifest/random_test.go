package manifest_test

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	"github.com/strata-exp/strata/internal/manifest"
	"github.com/strata-exp/strata/sdk/go/engine"
)

// generator makes configurations that the engine takes, with notes, of text that
// readers of YAML are known to take for something else.
type generator struct{ document }

var hostile = []string{
	"", " ", "a", "null", "Null", "NULL", "~", "true", "True", "false", "FALSE", "yes", "Yes", "no", "NO", "on", "Off", "y", "N", "=", "<<",
	"?", "-", ":", "? a", "- a", "a: b", "a:b", "a:", ":a", "a #b", "#", "a#", ", a", "[", "]", "{", "}", "[a]", "{a: b}", "&a", "*a", "!a", "!!str",
	"%a", "@a", "`a`", "|", ">", "|-", "'", "''", "'a'", `"`, `""`, `"a"`, `\`, `\n`, `a\`, "---", "...", "--- a", "a\n---\nb",
	"0", "1", "-1", "+1", "1.0", "1e3", "1.0e+3", ".5", "5.", ".inf", "-.INF", ".nan", "0x1F", "0o17", "017", "0b1", "1_000", "1:30", "190:20:30.15",
	"2024-01-02", "2024-01-02T03:04:05Z", "2024-01-02 03:04:05 +1", "v1.2.3", "1.2.3", "12e03", "0.", "Infinity", "NaN", "inf",
	"\n", "a\n", "\na", "a\n\nb", "a\r\nb", "\t", "a\tb", " a", "a ", "a  b", "\u0000", "\u0001", "\u0007", "\u001b[0m", "\u007f", "\u0080", "\u0085",
	"\u00a0", "\u00ad", "\u200b", "\u200f", "\u2028", "\u2029", "\u202e", "\ufeff", "\ufffd", "\ufffe", "\uffff", "\U0001f600", "\U000e0001", "\U0010ffff",
	"é", "e\u0301", "日本", "a/b", "../a", "..", ".", ".a", "a@b.c", "a+b", "a%b", "nul", "CON", "com1.x", "A", "layer_id", "eid", "params",
}

func (g generator) text() string {
	switch g.IntN(4) {
	case 0:
		return pick(g.document, "user_id", "country", "plan", "s", "x-y.z")
	case 1:
		var b strings.Builder
		for range g.IntN(12) {
			b.WriteString(pick(g.document, hostile...))
		}
		return b.String()
	default:
		return pick(g.document, hostile...)
	}
}

// name is a text of 1 to 256 bytes, long ones among them.
func (g generator) name() string {
	switch text := g.text(); {
	case g.IntN(50) == 0:
		long := pick(g.document, "k", "\u0001", "\u0085", "é")
		return strings.Repeat(long, 256/len(long))
	case text == "":
		return "n"
	default:
		return strings.ToValidUTF8(text[:min(len(text), 256)], "")
	}
}

// names are different from each other.
func (g generator) names(n int) []string {
	names := []string{}
	for range n {
		if name := g.name(); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

func (g generator) float() float64 {
	for {
		f := pick(g.document, 0, 1, -1, 18, 0.1, -2.5, 1e-6, 1e-7, 5e-324, 1<<53-1, 1<<53, 1e15, 1e16, 1e21, 1e300, -1e300, math.MaxFloat64,
			float64(g.Int32()), math.Float64frombits(g.Uint64()))
		if !math.IsNaN(f) && !math.IsInf(f, 0) {
			return f
		}
	}
}

func (g generator) notes(experiment bool) manifest.Notes {
	text := func() *string {
		switch g.IntN(4) {
		case 0:
			return nil
		case 1:
			return new("")
		default:
			return new(g.name())
		}
	}
	items := func() []string {
		if g.IntN(3) == 0 {
			return nil
		}
		return g.names(g.IntN(5))
	}
	n := manifest.Notes{Description: text(), Owners: items(), Tags: items()}
	if experiment {
		n.Name, n.Hypothesis = text(), text()
	}
	return n
}

// set returns a configuration that stands in no file.
func (g generator) set() *manifest.Set {
	s := &configv1.Snapshot{}
	var layerNotes, experimentNotes []manifest.Notes
	for _, name := range g.names(g.IntN(6)) {
		s.Fields = append(s.Fields, &configv1.Field{Name: name, Type: configv1.FieldType(1 + g.IntN(5))})
	}
	vid, eid := int32(g.IntN(math.MaxInt32-1000)), int32(g.IntN(math.MaxInt32-1000))
	for _, id := range g.names(g.IntN(5)) {
		l := &configv1.Layer{
			LayerId: id, Version: pick(g.document, "", "v1", g.name()), Priority: int32(g.Uint32()),
			HashKey: g.name(), Salt: g.name(), Enabled: g.IntN(3) > 0,
		}
		service := g.name()
		if g.IntN(2) == 0 {
			l.Service = service
		}
		var vids []int32
		for range g.IntN(3) {
			eid++
			e := &configv1.Experiment{Eid: eid, Service: service}
			if g.IntN(3) > 0 {
				e.Rule = g.rule(s.GetFields(), 1+g.IntN(5))
			}
			for range 1 + g.IntN(3) {
				vid++
				vids = append(vids, vid)
				e.Variants = append(e.Variants, &configv1.Variant{Vid: vid, ParamsJson: string(g.appendObject(nil, 4))})
			}
			s.Experiments, experimentNotes = append(s.Experiments, e), append(experimentNotes, g.notes(true))
		}
		for at := g.IntN(1000); at < 10000 && len(vids) > 0; {
			end := min(at+1+g.IntN(5000), 10000)
			l.Ranges = append(l.Ranges, &configv1.Range{Start: int32(at), End: int32(end), Vid: pick(g.document, vids...)})
			at = end + g.IntN(2)*g.IntN(1000)
		}
		s.Layers, layerNotes = append(s.Layers, l), append(layerNotes, g.notes(false))
	}
	var services []*manifest.Service
	var serviceNotes []manifest.Notes
	for _, name := range g.names(g.IntN(3)) {
		schema := fmt.Sprintf(`{"properties":{%s:{"type":"string"}},"maximum":%d}`, engine.StringValue(g.name()).AppendJSON(nil), g.IntN(100))
		services = append(services, &manifest.Service{Name: name, SchemaJSON: schema})
		serviceNotes = append(serviceNotes, g.notes(false))
	}
	return manifest.NewSet(s, layerNotes, experimentNotes).WithServices(services, serviceNotes)
}

func (g generator) rule(fields []*configv1.Field, depth int) *configv1.Rule {
	if depth > 1 {
		rule := &configv1.Rule{Op: pick(g.document, configv1.Operator_OPERATOR_AND, configv1.Operator_OPERATOR_OR, configv1.Operator_OPERATOR_NOT)}
		children := 1
		if rule.GetOp() != configv1.Operator_OPERATOR_NOT {
			children += g.IntN(3)
		}
		for range children {
			rule.Children = append(rule.Children, g.rule(fields, depth-1-g.IntN(2)))
		}
		return rule
	}
	rule := &configv1.Rule{Field: g.name(), Op: pick(g.document, configv1.Operator_OPERATOR_EQ, configv1.Operator_OPERATOR_NEQ)}
	typ := configv1.FieldType(1 + g.IntN(4))
	if len(fields) > 0 && g.IntN(2) == 0 {
		rule.Field = pick(g.document, fields...).GetName()
	}
	for _, f := range fields {
		if f.GetName() == rule.GetField() {
			typ = f.GetType()
		}
	}
	count := 1
	switch g.IntN(3) {
	case 0:
		rule.Op = pick(g.document, configv1.Operator_OPERATOR_IN, configv1.Operator_OPERATOR_NOT_IN)
		count += g.IntN(8)
	case 1:
		switch typ {
		case configv1.FieldType_FIELD_TYPE_BOOL:
		case configv1.FieldType_FIELD_TYPE_STRING:
			rule.Op = pick(g.document, configv1.Operator_OPERATOR_LIKE, configv1.Operator_OPERATOR_NOT_LIKE, configv1.Operator_OPERATOR_GT)
		default:
			rule.Op = pick(g.document, configv1.Operator_OPERATOR_GT, configv1.Operator_OPERATOR_GTE, configv1.Operator_OPERATOR_LT, configv1.Operator_OPERATOR_LTE)
		}
	}
	for range count {
		rule.Values = append(rule.Values, g.operand(typ))
	}
	return rule
}

func (g generator) operand(typ configv1.FieldType) *configv1.Value {
	switch typ {
	case configv1.FieldType_FIELD_TYPE_INT:
		return &configv1.Value{Kind: &configv1.Value_NumberValue{NumberValue: float64(g.Int64N(1<<54-1) - (1<<53 - 1))}}
	case configv1.FieldType_FIELD_TYPE_FLOAT:
		return &configv1.Value{Kind: &configv1.Value_NumberValue{NumberValue: g.float()}}
	case configv1.FieldType_FIELD_TYPE_BOOL:
		return &configv1.Value{Kind: &configv1.Value_BoolValue{BoolValue: g.IntN(2) == 0}}
	case configv1.FieldType_FIELD_TYPE_SEMVER:
		version := pick(g.document, "1", "1.0", "v2.10", "1.2.3-beta.2", "3.0.0+build", "0.1")
		return &configv1.Value{Kind: &configv1.Value_StringValue{StringValue: version}}
	default:
		return &configv1.Value{Kind: &configv1.Value_StringValue{StringValue: g.text()}}
	}
}

// appendObject appends parameters in the engine's normal form.
func (g generator) appendObject(dst []byte, depth int) []byte {
	dst = append(dst, '{')
	for i, key := range g.names(g.IntN(5)) {
		if i > 0 {
			dst = append(dst, ',')
		}
		if g.IntN(20) == 0 && i == 0 {
			key = ""
		}
		dst = append(engine.StringValue(key).AppendJSON(dst), ':')
		dst = g.appendValue(dst, depth-1)
	}
	return append(dst, '}')
}

func (g generator) appendValue(dst []byte, depth int) []byte {
	kind := g.IntN(8)
	if depth == 0 {
		kind %= 5
	}
	switch kind {
	case 0, 1:
		return engine.StringValue(g.text()).AppendJSON(dst)
	case 2:
		return engine.NumberValue(g.float()).AppendJSON(dst)
	case 3:
		return strconv.AppendBool(dst, g.IntN(2) == 0)
	case 4:
		return append(dst, "null"...)
	case 5:
		dst = append(dst, '[')
		for i := range g.IntN(5) {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = g.appendValue(dst, depth-1)
		}
		return append(dst, ']')
	default:
		return g.appendObject(dst, depth)
	}
}
