package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	conformancev1 "github.com/strata-exp/strata/gen/go/strata/conformance/v1"
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/internal/manifest"
	"github.com/strata-exp/strata/sdk/go/engine"
)

// prepared is vectors as the runners of all languages take them: the file format
// is read, and rules and merges are whole configurations. See README.md.
type prepared struct {
	Hashes []hashCase `json:"hashes,omitempty"`
	Slots  []slotCase `json:"slots,omitempty"`
	Keys   []keyCase  `json:"keys,omitempty"`
	Rules  []ruleCase `json:"rules,omitempty"`
	Cases  []evalCase `json:"cases,omitempty"`
	Reads  []readCase `json:"reads,omitempty"`

	// broken are the cases that can not be prepared. They fail in every language.
	broken []failure
}

type failure struct {
	name string
	err  error
}

type hashCase struct {
	Name  string `json:"name"`
	Input string `json:"input"`
	Hash  string `json:"hash"`
}

type slotCase struct {
	Name string `json:"name"`
	Salt string `json:"salt"`
	Key  string `json:"key"`
	Slot int32  `json:"slot"`
}

type keyCase struct {
	Name string `json:"name"`
	// Value is absent where the context has none.
	Value json.RawMessage `json:"value,omitempty"`
	// Key is absent where the layer is skipped.
	Key *string `json:"key,omitempty"`
}

// ruleCase has one layer "l" of one experiment of service "s".
type ruleCase struct {
	Name     string          `json:"name"`
	Snapshot []byte          `json:"snapshot"`
	Context  json.RawMessage `json:"context"`
	Truth    string          `json:"truth"`
}

type evalCase struct {
	Name     string                   `json:"name"`
	Snapshot []byte                   `json:"snapshot"`
	Request  evalRequest              `json:"request"`
	Results  map[string]serviceResult `json:"results"`
}

type evalRequest struct {
	Services []string        `json:"services"`
	Context  json.RawMessage `json:"context"`
	Layers   []string        `json:"layers"`
}

type serviceResult struct {
	Parameters    json.RawMessage `json:"parameters"`
	VIDs          []int32         `json:"vids"`
	MatchedLayers []string        `json:"matched_layers"`
}

type readCase struct {
	Name     string          `json:"name"`
	Snapshot []byte          `json:"snapshot"`
	Service  string          `json:"service"`
	Context  json.RawMessage `json:"context"`
	Path     string          `json:"path"`
	// Value is absent where there is none.
	Value     json.RawMessage `json:"value,omitempty"`
	Known     bool            `json:"known"`
	Winner    string          `json:"winner"`
	Exposures []readExposure  `json:"exposures"`
}

type readExposure struct {
	LayerID string `json:"layer_id"`
	EID     int32  `json:"eid"`
	VID     int32  `json:"vid"`
	Slot    int32  `json:"slot"`
	Hidden  bool   `json:"hidden"`
}

// runnable returns how many cases the runners are given.
func (p *prepared) runnable() int {
	return len(p.Hashes) + len(p.Slots) + len(p.Keys) + len(p.Rules) + len(p.Cases) + len(p.Reads)
}

func prepare(suite *conformancev1.Suite) *prepared {
	p := &prepared{}
	for _, c := range suite.GetHashes() {
		p.Hashes = append(p.Hashes, hashCase{c.GetName(), c.GetInput(), c.GetHash()})
	}
	for _, c := range suite.GetSlots() {
		p.Slots = append(p.Slots, slotCase{c.GetName(), c.GetSalt(), c.GetKey(), c.GetSlot()})
	}
	for _, c := range suite.GetKeys() {
		k := keyCase{Name: c.GetName(), Key: c.Key}
		if c.GetValue() != nil {
			k.Value = appendText(nil, c.GetValue())
		}
		p.Keys = append(p.Keys, k)
	}
	p.Rules = add(p, suite.GetRules(), prepareRule)
	p.Cases = append(add(p, suite.GetMerges(), prepareMerge), add(p, suite.GetCases(), prepareCase)...)
	p.Reads = add(p, suite.GetReads(), prepareRead)
	return p
}

// add prepares the cases of a list. Those that it can not prepare are broken.
func add[From interface{ GetName() string }, To any](p *prepared, from []From, prepare func(From) (To, error)) []To {
	var all []To
	for _, c := range from {
		if made, err := prepare(c); err != nil {
			p.broken = append(p.broken, failure{c.GetName(), err})
		} else {
			all = append(all, made)
		}
	}
	return all
}

// userKey is the attribute by which the layers of rules and merges hash: a name
// that no case uses.
const userKey = "conformance runner's key"

func prepareRule(c *conformancev1.RuleCase) (r ruleCase, err error) {
	if c.GetRule() == nil {
		return r, errors.New("has no rule")
	}
	if c.GetTruth() == servingv1.Truth_TRUTH_UNSPECIFIED {
		return r, errors.New("has no truth: want TRUTH_TRUE, TRUTH_FALSE or TRUTH_UNKNOWN")
	}
	snapshot, err := read(&conformancev1.Config{
		Fields:      c.GetFields(),
		Layers:      []*structpb.Struct{wholeLayer("l", 1, 1)},
		Experiments: []*structpb.Struct{experiment(1, c.GetRule(), nil)},
	})
	context := map[string]*structpb.Value{userKey: structpb.NewStringValue("u")}
	maps.Copy(context, c.GetContext().GetFields())
	return ruleCase{c.GetName(), snapshot, textOf(&structpb.Struct{Fields: context}), c.GetTruth().String()}, err
}

// prepareMerge makes a case of layers with falling priorities that everyone is
// in.
func prepareMerge(c *conformancev1.MergeCase) (evalCase, error) {
	config := &conformancev1.Config{}
	want := serviceResult{Parameters: textOf(c.GetMerged()), VIDs: []int32{}, MatchedLayers: []string{}}
	for i, params := range c.GetParams() {
		id := fmt.Sprint("l", i)
		config.Layers = append(config.Layers, wholeLayer(id, len(c.GetParams())-i, i+1))
		config.Experiments = append(config.Experiments, experiment(i+1, nil, params))
		want.VIDs, want.MatchedLayers = append(want.VIDs, int32(i+1)), append(want.MatchedLayers, id)
	}
	snapshot, err := read(config)
	context := textOf(&structpb.Struct{Fields: map[string]*structpb.Value{userKey: structpb.NewStringValue("u")}})
	return evalCase{
		c.GetName(), snapshot, evalRequest{[]string{"s"}, context, []string{}}, map[string]serviceResult{"s": want},
	}, err
}

func prepareCase(c *conformancev1.Case) (e evalCase, err error) {
	asked := c.GetRequest().GetServices()
	if len(asked) == 0 {
		return e, errors.New("the request names no service")
	}
	if c.GetRequest().GetExposures() != servingv1.ExposureMode_EXPOSURE_MODE_UNSPECIFIED {
		return e, errors.New("the request asks for exposures: the list reads is what checks them")
	}
	results := map[string]serviceResult{}
	for _, service := range asked {
		want := c.GetResults()[service]
		if len(want.GetExposures())+len(want.GetLeaves()) > 0 {
			return e, errors.New("the results have exposures: the list reads is what checks them")
		}
		results[service] = serviceResult{textOf(want.GetParameters()), list(want.GetVids()), list(want.GetMatchedLayers())}
	}
	for service := range c.GetResults() {
		if !slices.Contains(asked, service) {
			return e, fmt.Errorf("results name service %s, which the request does not", service)
		}
	}
	snapshot, err := read(c.GetConfig())
	return evalCase{
		c.GetName(), snapshot, evalRequest{asked, textOf(c.GetRequest().GetContext()), list(c.GetRequest().GetLayers())}, results,
	}, err
}

func prepareRead(c *conformancev1.ReadCase) (readCase, error) {
	snapshot, err := read(c.GetConfig())
	r := readCase{
		Name: c.GetName(), Snapshot: snapshot, Service: c.GetService(), Context: textOf(c.GetContext()), Path: c.GetPath(),
		Known: c.GetKnown(), Winner: c.GetWinner(), Exposures: []readExposure{},
	}
	if c.GetValue() != nil {
		r.Value = appendText(nil, c.GetValue())
	}
	for _, x := range c.GetExposures() {
		r.Exposures = append(r.Exposures, readExposure{x.GetLayerId(), x.GetEid(), x.GetVid(), x.GetSlot(), x.GetHidden()})
	}
	return r, err
}

// list returns an empty list, not null in JSON, for none.
func list[T any](items []T) []T { return append([]T{}, items...) }

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

// read reads a configuration in the file format, as any bundle is read, and
// returns an encoded snapshot. Whether it is valid is for the engines to say.
func read(config *conformancev1.Config) ([]byte, error) {
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
	return proto.Marshal(set.Snapshot)
}

func listOf(structs []*structpb.Struct) *structpb.Value {
	list := &structpb.ListValue{}
	for _, s := range structs {
		list.Values = append(list.Values, structpb.NewStructValue(s))
	}
	return structpb.NewListValue(list)
}

// textOf is a Struct as JSON text.
func textOf(s *structpb.Struct) []byte { return appendText(nil, structpb.NewStructValue(s)) }

// appendText appends a value as JSON text with sorted keys. Numbers are written
// as the engine writes them: protojson would write large ones as if they were
// exact integers.
func appendText(dst []byte, v *structpb.Value) []byte {
	switch kind := v.GetKind().(type) {
	case *structpb.Value_StructValue:
		fields := kind.StructValue.GetFields()
		dst = append(dst, '{')
		for i, key := range slices.Sorted(maps.Keys(fields)) {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(engine.StringValue(key).AppendJSON(dst), ':')
			dst = appendText(dst, fields[key])
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
	case *structpb.Value_StringValue:
		return engine.StringValue(kind.StringValue).AppendJSON(dst)
	case *structpb.Value_NumberValue:
		return engine.NumberValue(kind.NumberValue).AppendJSON(dst)
	case *structpb.Value_BoolValue:
		return engine.BoolValue(kind.BoolValue).AppendJSON(dst)
	default:
		return engine.NullValue().AppendJSON(dst)
	}
}
