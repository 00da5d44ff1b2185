package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/cespare/xxhash/v2"
	"google.golang.org/protobuf/proto"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/sdk/go/engine"
)

// check runs one case.
type check struct {
	name string
	run  func() error
}

// checks are those of the Go engine.
func checks(p *prepared) []check {
	var all []check
	for _, c := range p.Hashes {
		all = append(all, check{c.Name, c.check})
	}
	for _, c := range p.Slots {
		all = append(all, check{c.Name, c.check})
	}
	for _, c := range p.Keys {
		all = append(all, check{c.Name, c.check})
	}
	for _, c := range p.Rules {
		all = append(all, check{c.Name, c.check})
	}
	for _, c := range p.Cases {
		all = append(all, check{c.Name, c.check})
	}
	for _, c := range p.Reads {
		all = append(all, check{c.Name, c.check})
	}
	return all
}

func (c hashCase) check() error {
	return same(fmt.Sprintf("%016x", xxhash.Sum64String(c.Input)), c.Hash)
}

func (c slotCase) check() error { return same(engine.Slot(c.Salt, c.Key), c.Slot) }

func (c keyCase) check() error {
	var value engine.Value
	if c.Value != nil {
		ctx, err := engine.ParseContext(`{"value":` + string(c.Value) + `}`)
		if err != nil {
			return err
		}
		value = ctx[0].Value
	}
	key, ok := engine.KeyText(value)
	if wanted := c.Key != nil; ok != wanted {
		return fmt.Errorf("got a key: %t, want %t", ok, wanted)
	}
	if !ok {
		return nil
	}
	return same(key, *c.Key)
}

func (c ruleCase) check() error {
	rules, ctx, err := load(c.Snapshot, c.Context)
	if err != nil {
		return err
	}
	explained := servingv1.Truth(rules.Explain("s", ctx, nil).Layers[0].Rule.Truth)
	if err := same(explained.String(), c.Truth); err != nil {
		return err
	}
	// An evaluation only asks whether the rule is TRUE.
	matched := len(rules.Evaluate("s", ctx, nil, nil).VIDs) == 1
	return same(matched, c.Truth == servingv1.Truth_TRUTH_TRUE.String())
}

func (c evalCase) check() error {
	rules, ctx, err := load(c.Snapshot, c.Request.Context)
	if err != nil {
		return err
	}
	for _, service := range c.Request.Services {
		want := c.Results[service]
		got := rules.Evaluate(service, ctx, c.Request.Layers, nil)
		if err := errors.Join(
			same(fmt.Sprint(got.VIDs), fmt.Sprint(want.VIDs)),
			same(fmt.Sprintf("%q", got.MatchedLayers), fmt.Sprintf("%q", want.MatchedLayers)),
			sameJSON(got.Parameters, want.Parameters),
		); err != nil {
			return fmt.Errorf("service %s: %w", service, err)
		}
	}
	return nil
}

func (c readCase) check() error {
	rules, ctx, err := load(c.Snapshot, c.Context)
	if err != nil {
		return err
	}
	result := rules.Evaluate(c.Service, ctx, nil, nil)
	reading, matches := rules.Read(result, c.Path), rules.Matches(result)
	winner := ""
	if reading.Winner >= 0 {
		winner = matches[reading.Winner].LayerID
	}
	exposures := []readExposure{}
	for i, m := range matches {
		hidden := slices.Contains(reading.Hidden, int32(i))
		if hidden || slices.Contains(reading.Exposed, int32(i)) {
			exposures = append(exposures, readExposure{m.LayerID, m.EID, m.VID, slotOf(m, ctx), hidden})
		}
	}
	if (reading.Value == "") != (c.Value == nil) {
		err = fmt.Errorf("value: got %q, want %q", reading.Value, c.Value)
	} else if c.Value != nil {
		err = sameJSON(reading.Value, c.Value)
	}
	return errors.Join(
		err,
		same(rules.Knows(c.Service, c.Path), c.Known),
		same(winner, c.Winner),
		same(fmt.Sprintf("%+v", exposures), fmt.Sprintf("%+v", c.Exposures)),
	)
}

func slotOf(m engine.Match, ctx engine.Context) int32 {
	for _, a := range ctx {
		if a.Name == m.HashKey {
			if key, ok := engine.KeyText(a.Value); ok {
				return engine.Slot(m.Salt, key)
			}
		}
	}
	return -1
}

func load(snapshot []byte, context json.RawMessage) (*engine.Ruleset, engine.Context, error) {
	decoded := &configv1.Snapshot{}
	if err := proto.Unmarshal(snapshot, decoded); err != nil {
		return nil, nil, err
	}
	rules, err := engine.Compile(nil, decoded)
	if err != nil {
		return nil, nil, err
	}
	ctx, err := engine.ParseContext(string(context))
	return rules, ctx, err
}

func same[T comparable](got, want T) error {
	if got != want {
		return fmt.Errorf("got %v, want %v", got, want)
	}
	return nil
}

func sameJSON(got string, want json.RawMessage) error {
	var a, b any
	if err := errors.Join(json.Unmarshal([]byte(got), &a), json.Unmarshal(want, &b)); err != nil {
		return err
	}
	if !reflect.DeepEqual(a, b) {
		return fmt.Errorf("got %s, want %s", got, want)
	}
	return nil
}
