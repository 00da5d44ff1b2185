package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cespare/xxhash/v2"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	conformancev1 "github.com/strata-exp/strata/gen/go/strata/conformance/v1"
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/internal/manifest"
	"github.com/strata-exp/strata/sdk/go/engine"
)

// check is one case, ready to run against the Go engine. It is nil if the
// engine agrees.
type check struct {
	name string
	run  func() error
}

func checks(suite *conformancev1.Suite) []check {
	var all []check
	for _, c := range suite.GetHashes() {
		all = append(all, check{c.GetName(), func() error { return checkHash(c) }})
	}
	for _, c := range suite.GetSlots() {
		all = append(all, check{c.GetName(), func() error { return checkSlot(c) }})
	}
	for _, c := range suite.GetKeys() {
		all = append(all, check{c.GetName(), func() error { return checkKey(c) }})
	}
	for _, c := range suite.GetRules() {
		all = append(all, check{c.GetName(), func() error { return checkRule(c) }})
	}
	for _, c := range suite.GetMerges() {
		all = append(all, check{c.GetName(), func() error { return checkMerge(c) }})
	}
	for _, c := range suite.GetCases() {
		all = append(all, check{c.GetName(), func() error { return checkCase(c) }})
	}
	return all
}

func checkHash(c *conformancev1.HashCase) error {
	return same(fmt.Sprintf("%016x", xxhash.Sum64String(c.GetInput())), c.GetHash())
}

func checkSlot(c *conformancev1.SlotCase) error {
	return same(engine.Slot(c.GetSalt(), c.GetKey()), c.GetSlot())
}

func checkKey(c *conformancev1.KeyCase) error {
	var value engine.Value
	if c.GetValue() != nil {
		value = valueOf(c.GetValue())
	}
	key, ok := engine.KeyText(value)
	if wanted := c.Key != nil; ok != wanted {
		return fmt.Errorf("got a key: %t, want %t", ok, wanted)
	}
	return same(key, c.GetKey())
}

// userKey is the attribute by which the layers of checkRule and checkMerge
// hash: a name that no case uses.
const userKey = "conformance runner's key"

func checkRule(c *conformancev1.RuleCase) error {
	config := &conformancev1.Config{
		Fields:      c.GetFields(),
		Layers:      []*structpb.Struct{wholeLayer("l", 1, 1)},
		Experiments: []*structpb.Struct{experiment(1, c.GetRule(), nil)},
	}
	rules, err := compile(config)
	if err != nil {
		return err
	}
	ctx := append(contextOf(c.GetContext()), engine.Attribute{Name: userKey, Value: engine.StringValue("u")})
	explained := rules.Explain("s", ctx, nil).Layers[0].Rule.Truth
	if err := same(servingv1.Truth(explained), c.GetTruth()); err != nil {
		return err
	}
	// An evaluation only asks whether the rule is TRUE.
	matched := len(rules.Evaluate("s", ctx, nil, nil).VIDs) == 1
	return same(matched, c.GetTruth() == servingv1.Truth_TRUTH_TRUE)
}

func checkMerge(c *conformancev1.MergeCase) error {
	config := &conformancev1.Config{}
	for i, params := range c.GetParams() {
		config.Layers = append(config.Layers, wholeLayer(fmt.Sprint("l", i), len(c.GetParams())-i, i+1))
		config.Experiments = append(config.Experiments, experiment(i+1, nil, params))
	}
	rules, err := compile(config)
	if err != nil {
		return err
	}
	ctx := engine.Context{{Name: userKey, Value: engine.StringValue("u")}}
	return sameParameters(rules.Evaluate("s", ctx, nil, nil).Parameters, c.GetMerged())
}

func checkCase(c *conformancev1.Case) error {
	rules, err := compile(c.GetConfig())
	if err != nil {
		return err
	}
	asked := c.GetRequest().GetServices()
	for service := range c.GetResults() {
		if !slices.Contains(asked, service) {
			return fmt.Errorf("results name service %s, which the request does not", service)
		}
	}
	for _, service := range asked {
		want := c.GetResults()[service]
		got := rules.Evaluate(service, contextOf(c.GetRequest().GetContext()), c.GetRequest().GetLayers(), nil)
		if err := errors.Join(
			same(fmt.Sprint(got.VIDs), fmt.Sprint(want.GetVids())),
			same(fmt.Sprintf("%q", got.MatchedLayers), fmt.Sprintf("%q", want.GetMatchedLayers())),
			sameParameters(got.Parameters, want.GetParameters()),
		); err != nil {
			return fmt.Errorf("service %s: %w", service, err)
		}
	}
	return nil
}

func same[T comparable](got, want T) error {
	if got != want {
		return fmt.Errorf("got %v, want %v", got, want)
	}
	return nil
}

func sameParameters(got string, want *structpb.Struct) error {
	parsed := &structpb.Struct{}
	if err := protojson.Unmarshal([]byte(got), parsed); err != nil {
		return err
	}
	if want == nil {
		want = &structpb.Struct{}
	}
	if !proto.Equal(parsed, want) {
		return fmt.Errorf("got %s, want %s", got, textOf(want))
	}
	return nil
}

// wholeLayer is a layer file in which everyone gets one variant.
func wholeLayer(id string, priority, vid int) *structpb.Struct {
	return object(map[string]any{
		"layer_id": id, "priority": priority, "hash_key": userKey, "salt": id,
		"ranges": []any{map[string]any{"start": 0, "end": engine.Slots, "vid": vid}},
	})
}

// experiment is an experiment file with one variant of the same number.
func experiment(eid int, rule, params *structpb.Struct) *structpb.Struct {
	if params == nil {
		params = &structpb.Struct{}
	}
	e := object(map[string]any{"eid": eid, "service": "s", "variants": []any{map[string]any{"vid": eid}}})
	variant := e.GetFields()["variants"].GetListValue().GetValues()[0].GetStructValue()
	variant.Fields["params"] = structpb.NewStructValue(params)
	if rule != nil {
		e.Fields["rule"] = structpb.NewStructValue(rule)
	}
	return e
}

// object panics on what is no JSON, which only this file could pass.
func object(fields map[string]any) *structpb.Struct {
	o, err := structpb.NewStruct(fields)
	if err != nil {
		panic(err)
	}
	return o
}

// compile reads a configuration in the file format, as any bundle is read.
func compile(config *conformancev1.Config) (*engine.Ruleset, error) {
	bundle := &structpb.Struct{Fields: map[string]*structpb.Value{
		"layers":      listOf(config.GetLayers()),
		"experiments": listOf(config.GetExperiments()),
	}}
	if fields := config.GetFields(); len(fields) > 0 {
		types := &structpb.Struct{Fields: map[string]*structpb.Value{}}
		for name, typ := range fields {
			types.Fields[name] = structpb.NewStringValue(typ)
		}
		bundle.Fields["fields"] = structpb.NewStructValue(types)
	}
	set, faults := manifest.DecodeBundle("config.json", textOf(bundle))
	if len(faults) > 0 {
		return nil, faults
	}
	return set.Compile(nil, 0)
}

func listOf(structs []*structpb.Struct) *structpb.Value {
	list := &structpb.ListValue{}
	for _, s := range structs {
		list.Values = append(list.Values, structpb.NewStructValue(s))
	}
	return structpb.NewListValue(list)
}

func contextOf(s *structpb.Struct) engine.Context {
	var ctx engine.Context
	for name, value := range s.GetFields() {
		ctx = append(ctx, engine.Attribute{Name: name, Value: valueOf(value)})
	}
	return ctx
}

func valueOf(v *structpb.Value) engine.Value {
	switch kind := v.GetKind().(type) {
	case *structpb.Value_StringValue:
		return engine.StringValue(kind.StringValue)
	case *structpb.Value_NumberValue:
		return engine.NumberValue(kind.NumberValue)
	case *structpb.Value_BoolValue:
		return engine.BoolValue(kind.BoolValue)
	case *structpb.Value_ListValue, *structpb.Value_StructValue:
		return engine.CompositeValue(string(appendText(nil, v)))
	default:
		return engine.NullValue()
	}
}

// textOf is a Struct as JSON text. Numbers are written as the engine writes
// them: protojson would write large ones as if they were exact integers.
func textOf(s *structpb.Struct) []byte { return appendText(nil, structpb.NewStructValue(s)) }

func appendText(dst []byte, v *structpb.Value) []byte {
	switch kind := v.GetKind().(type) {
	case *structpb.Value_StructValue:
		dst = append(dst, '{')
		first := true
		for key, value := range kind.StructValue.GetFields() {
			if !first {
				dst = append(dst, ',')
			}
			first = false
			dst = append(engine.StringValue(key).AppendJSON(dst), ':')
			dst = appendText(dst, value)
		}
		return append(dst, '}')
	case *structpb.Value_ListValue:
		dst = append(dst, '[')
		for i, item := range kind.ListValue.GetValues() {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendText(dst, item)
		}
		return append(dst, ']')
	default:
		return valueOf(v).AppendJSON(dst)
	}
}
