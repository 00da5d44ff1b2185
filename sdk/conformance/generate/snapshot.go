package generate

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
)

const slots = 10_000

// Snapshot returns a valid configuration.
func (g Generator) Snapshot() *configv1.Snapshot {
	s := &configv1.Snapshot{Revision: 1}
	for i, name := range fields {
		if g.IntN(3) > 0 {
			s.Fields = append(s.Fields, &configv1.Field{Name: name, Type: configv1.FieldType(i + 1)})
		}
	}
	layers := 1 + g.IntN(8)
	if g.oneIn(40) {
		layers = 40
	}
	for range layers {
		g.addLayer(s)
	}
	return s
}

// addLayer adds a layer with experiments of its own.
func (g Generator) addLayer(s *configv1.Snapshot) {
	n := len(s.Layers)
	layer := &configv1.Layer{
		LayerId:  Pick(g, "l", "l", "\u00e9", "\U0001f600", "\uff5e") + strconv.Itoa(n),
		Priority: Pick[int32](g, 0, 0, 1, 2, -1, math.MaxInt32, math.MinInt32),
		HashKey:  Pick(g, userField, userField, userField, userField, userField, "f1", "f2", "other"),
		Salt:     g.salt(n), Enabled: !g.oneIn(10), Version: "v1",
	}
	for hasLayer(s, layer.LayerId) {
		layer.LayerId += "'"
	}
	s.Layers = append(s.Layers, layer)
	eid, vid := maxIDs(s)
	var vids []int32
	sameService := true
	for range 1 + g.IntN(3) {
		eid++
		experiment := &configv1.Experiment{Eid: eid, Service: g.Service()}
		if g.oneIn(3) {
			experiment.Rule = g.Rule(s, 1+g.IntN(4))
		}
		for range 1 + g.IntN(3) {
			vid++
			vids = append(vids, vid)
			variant := &configv1.Variant{Vid: vid, ParamsJson: g.Params(4)}
			switch before := experiment.Variants; {
			case g.oneIn(8):
				variant.ParamsJson = "{}"
			case len(before) > 0 && g.oneIn(4):
				variant.ParamsJson = before[0].GetParamsJson()
			}
			experiment.Variants = append(experiment.Variants, variant)
		}
		if i := len(s.Experiments); len(vids) > len(experiment.Variants) && s.Experiments[i-1].GetService() != experiment.Service {
			sameService = false
		}
		s.Experiments = append(s.Experiments, experiment)
	}
	if sameService && g.oneIn(4) {
		layer.Service = s.Experiments[len(s.Experiments)-1].GetService()
	}
	for at := Pick(g, 0, 0, g.IntN(500)); at < slots; {
		end := min(at+1+g.IntN(Pick(g, 100, 3000, slots, slots)), slots)
		layer.Ranges = append(layer.Ranges, &configv1.Range{Start: int32(at), End: int32(end), Vid: Pick(g, vids...)})
		at = end + g.IntN(2)*g.IntN(600)
	}
	g.Shuffle(len(layer.Ranges), func(i, j int) {
		layer.Ranges[i], layer.Ranges[j] = layer.Ranges[j], layer.Ranges[i]
	})
}

// salt returns a salt that no other layer is likely to have.
func (g Generator) salt(n int) string {
	salt := g.text() + strconv.Itoa(n)
	if g.oneIn(20) {
		salt = strings.Repeat("\u00e9", g.IntN(120)) + salt
	}
	if g.oneIn(20) || len(salt) > 256 {
		return "shared"
	}
	return salt
}

func hasLayer(s *configv1.Snapshot, id string) bool {
	for _, l := range s.GetLayers() {
		if l.GetLayerId() == id {
			return true
		}
	}
	return false
}

// maxIDs returns the largest eid and vid.
func maxIDs(s *configv1.Snapshot) (eid, vid int32) {
	for _, e := range s.GetExperiments() {
		eid = max(eid, e.GetEid())
		for _, v := range e.GetVariants() {
			vid = max(vid, v.GetVid())
		}
	}
	return eid, vid
}

// Rule returns a valid rule of at most depth levels as a rule, and now and then
// of as many as it may have.
func (g Generator) Rule(s *configv1.Snapshot, depth int) *configv1.Rule {
	rule := g.rule(s, depth)
	if g.oneIn(100) {
		for level := depth; level < 80; level++ {
			parent := &configv1.Rule{Op: configv1.Operator(1 + g.IntN(3)), Children: []*configv1.Rule{rule}}
			if parent.Op != configv1.Operator_OPERATOR_NOT && g.oneIn(4) {
				parent.Children = append(parent.Children, g.condition(s))
			}
			rule = parent
		}
	}
	return rule
}

func (g Generator) rule(s *configv1.Snapshot, depth int) *configv1.Rule {
	if depth <= 1 || g.oneIn(3) {
		return g.condition(s)
	}
	rule := &configv1.Rule{Op: configv1.Operator(1 + g.IntN(3))}
	children := 1
	if rule.Op != configv1.Operator_OPERATOR_NOT {
		children += g.IntN(3)
	}
	for range children {
		rule.Children = append(rule.Children, g.rule(s, depth-1))
	}
	return rule
}

func (g Generator) condition(s *configv1.Snapshot) *configv1.Rule {
	rule := &configv1.Rule{Field: Pick(g, append([]string{userField}, fields...)...)}
	typ := configv1.FieldType_FIELD_TYPE_UNSPECIFIED
	for _, f := range s.GetFields() {
		if f.GetName() == rule.Field {
			typ = f.GetType()
		}
	}
	if typ == configv1.FieldType_FIELD_TYPE_UNSPECIFIED {
		typ = Pick(g, configv1.FieldType_FIELD_TYPE_STRING, configv1.FieldType_FIELD_TYPE_INT,
			configv1.FieldType_FIELD_TYPE_FLOAT, configv1.FieldType_FIELD_TYPE_BOOL)
	}
	ops := []configv1.Operator{
		configv1.Operator_OPERATOR_EQ, configv1.Operator_OPERATOR_NEQ,
		configv1.Operator_OPERATOR_IN, configv1.Operator_OPERATOR_NOT_IN,
	}
	if typ != configv1.FieldType_FIELD_TYPE_BOOL {
		ops = append(ops, configv1.Operator_OPERATOR_GT, configv1.Operator_OPERATOR_GTE,
			configv1.Operator_OPERATOR_LT, configv1.Operator_OPERATOR_LTE)
	}
	if typ == configv1.FieldType_FIELD_TYPE_STRING {
		ops = append(ops, configv1.Operator_OPERATOR_LIKE, configv1.Operator_OPERATOR_NOT_LIKE)
	}
	rule.Op = Pick(g, ops...)
	count := 1
	if rule.Op == configv1.Operator_OPERATOR_IN || rule.Op == configv1.Operator_OPERATOR_NOT_IN {
		count += g.IntN(Pick(g, 4, 12, 60))
	}
	for range count {
		rule.Values = append(rule.Values, g.ruleValue(rule.Op, typ))
	}
	return rule
}

func (g Generator) ruleValue(op configv1.Operator, typ configv1.FieldType) *configv1.Value {
	switch {
	case op == configv1.Operator_OPERATOR_LIKE || op == configv1.Operator_OPERATOR_NOT_LIKE:
		return textValue(g.pattern())
	case typ == configv1.FieldType_FIELD_TYPE_STRING:
		return textValue(g.text())
	case typ == configv1.FieldType_FIELD_TYPE_BOOL:
		return boolValue(g.oneIn(2))
	case typ == configv1.FieldType_FIELD_TYPE_SEMVER:
		return textValue(g.version())
	case typ == configv1.FieldType_FIELD_TYPE_INT:
		return numberValue(g.safeInteger())
	default:
		return numberValue(g.number())
	}
}

func textValue(s string) *configv1.Value {
	return &configv1.Value{Kind: &configv1.Value_StringValue{StringValue: s}}
}

func numberValue(f float64) *configv1.Value {
	return &configv1.Value{Kind: &configv1.Value_NumberValue{NumberValue: f}}
}

func boolValue(b bool) *configv1.Value {
	return &configv1.Value{Kind: &configv1.Value_BoolValue{BoolValue: b}}
}

// Layers returns the layers that a request names: as a rule none, which is all.
func (g Generator) Layers(s *configv1.Snapshot) []string {
	if !g.oneIn(4) || len(s.GetLayers()) == 0 {
		return nil
	}
	names := []string{"no such layer"}
	for range g.IntN(Pick(g, 3, 30)) {
		names = append(names, Pick(g, s.GetLayers()...).GetLayerId())
	}
	return names
}

// Context returns the text of a context. It stands in one line.
func (g Generator) Context() string {
	names := append([]string{"unused", "other"}, fields...)
	if g.oneIn(20) {
		names = append(names, Pick(g, "__proto__", "constructor", "", "toString"))
	}
	g.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	kept := names[:0]
	for _, name := range names {
		if !g.oneIn(9) {
			kept = append(kept, name)
		}
	}
	if !g.oneIn(12) {
		kept = append(kept, userField)
	}
	i := -1
	next := func() string { i++; return kept[i] }
	return g.object(len(kept), next, func(name string) string {
		if name == userField && !g.oneIn(6) {
			return g.quote(fmt.Sprintf("user_%d", g.IntN(1000)))
		}
		return g.attribute(name)
	})
}

// attribute returns the text of a value for a context. As a rule it has the
// type that the name is declared with, if it is.
func (g Generator) attribute(name string) string {
	if g.oneIn(3) {
		name = Pick(g, fields...)
	}
	switch {
	case g.oneIn(12):
		return Pick(g, "null", "[]", "{}", `["a"]`, `{"a":1.0}`, `[[{"b":null}]]`)
	case name == "f1" && g.oneIn(2):
		return g.quote(g.likeText())
	case name == "f2":
		return g.spell(g.safeInteger(), true)
	case name == "f3":
		return g.spell(g.number(), true)
	case name == "f4":
		return Pick(g, "true", "false")
	case name == "f5" && g.oneIn(4):
		return g.quote(Pick(g, noVersions...))
	case name == "f5":
		return g.quote(g.version())
	default:
		return g.quote(g.text())
	}
}
