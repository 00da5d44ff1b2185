package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	"github.com/strata-exp/strata/sdk/go/engine"
)

// goEngine answers as the programs of the other languages do.
type goEngine struct{ rules *engine.Ruleset }

// refused is the answer to a configuration that does not compile.
type refused struct {
	Refused bool `json:"refused"`
}

// answers are those to the requests of a line, and the parameters that may have
// changed since the one before.
type answers struct {
	Answers []any    `json:"answers"`
	Changed []string `json:"changed"`
}

// answer returns the line that the engine answers, without a line break.
func (e *goEngine) answer(snapshot *configv1.Snapshot, requests []request) ([]byte, error) {
	// What was sent shares no message with what came before.
	rules, err := engine.Compile(e.rules, proto.CloneOf(snapshot))
	if err != nil {
		if _, ok := errors.AsType[engine.Faults](err); !ok {
			return nil, err
		}
		return encode(refused{true})
	}
	all := answers{[]any{}, append([]string{}, engine.Changed(e.rules, rules)...)}
	e.rules = rules
	for _, r := range requests {
		a, err := e.evaluate(r)
		if err != nil {
			return nil, err
		}
		all.Answers = append(all.Answers, a)
	}
	return encode(all)
}

func (e *goEngine) evaluate(r request) ([]any, error) {
	ctx, err := engine.ParseContext(string(r.Context))
	if err != nil {
		return nil, fmt.Errorf("the context %s: %w", r.Context, err)
	}
	result := e.rules.Evaluate(r.Service, ctx, r.Layers, nil)
	layers := [][]any{}
	for _, l := range e.rules.Explain(r.Service, ctx, r.Layers).Layers {
		layers = append(layers, []any{l.LayerID, l.Outcome, l.Slot, l.VID})
	}
	found := [][]any{}
	for _, path := range r.Paths {
		reading := e.rules.Read(result, path)
		var text any
		if reading.Value != "" {
			text = reading.Value
		}
		found = append(found, []any{
			path, text, reading.Winner, list(reading.Exposed), list(reading.Hidden), e.rules.Knows(r.Service, path),
		})
	}
	return []any{result.Parameters, result.VIDs, result.MatchedLayers, layers, found}, nil
}

// list returns an empty list, not null in JSON, for none.
func list(items []int32) []int32 { return append([]int32{}, items...) }

func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}
