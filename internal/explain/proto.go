package explain

import (
	"fmt"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/sdk/go/engine"
)

// ErrTooLarge is an explanation that was truncated.
var ErrTooLarge = fmt.Errorf("the paths of the parameters are longer than %d MiB together", engine.MaxPathBytes>>20)

// Proto returns an explanation as a message. It shares the lists of the
// explanation's Result. The error is ErrTooLarge, or a value that is no JSON,
// which can only come from a context that was not read by the engine.
func Proto(e *engine.Explanation) (*servingv1.ServiceExplanation, error) {
	if e.Truncated {
		return nil, ErrTooLarge
	}
	result, err := Result(e.Result)
	if err != nil {
		return nil, err
	}
	m := &servingv1.ServiceExplanation{Result: result}
	for i := range e.Layers {
		layer, err := layerProto(&e.Layers[i])
		if err != nil {
			return nil, fmt.Errorf("layer %s: %w", e.Layers[i].LayerID, err)
		}
		m.Layers = append(m.Layers, layer)
	}
	for _, p := range e.Parameters {
		parameter, err := parameterProto(p)
		if err != nil {
			return nil, fmt.Errorf("parameter %s: %w", p.Path, err)
		}
		m.Parameters = append(m.Parameters, parameter)
	}
	return m, nil
}

// Result returns a result as a message, which shares the result's lists. The
// error is parameters that are no JSON, which the engine never makes.
func Result(r *engine.Result) (*servingv1.ServiceResult, error) {
	parameters, err := parseValue(r.Parameters)
	if err != nil {
		return nil, err
	}
	return &servingv1.ServiceResult{
		Parameters: parameters.GetStructValue(), Vids: r.VIDs, MatchedLayers: r.MatchedLayers,
	}, nil
}

func layerProto(l *engine.LayerExplanation) (*servingv1.LayerExplanation, error) {
	m := &servingv1.LayerExplanation{
		LayerId:  l.LayerID,
		Priority: l.Priority,
		Outcome:  servingv1.LayerOutcome(l.Outcome),
		Detail:   l.Detail,
		HashKey:  l.HashKey,
		Key:      l.Key,
		Eid:      l.EID,
		Vid:      l.VID,
	}
	if l.Slot >= 0 {
		m.Slot = &l.Slot
	}
	if l.Start < l.End {
		m.Range = &configv1.Range{Start: l.Start, End: l.End, Vid: l.VID}
	}
	if l.Rule == nil {
		return m, nil
	}
	rule, err := ruleProto(l.Rule)
	m.Rule = rule
	return m, err
}

func ruleProto(r *engine.RuleExplanation) (*servingv1.RuleExplanation, error) {
	m := &servingv1.RuleExplanation{
		Op:    configv1.Operator(r.Op),
		Truth: servingv1.Truth(r.Truth),
		Field: r.Field,
		Type:  configv1.FieldType(r.Type),
	}
	for i := range r.Children {
		child, err := ruleProto(&r.Children[i])
		if err != nil {
			return nil, err
		}
		m.Children = append(m.Children, child)
	}
	for _, v := range r.Values {
		m.Values = append(m.Values, conditionProto(v))
	}
	if r.Seen.Kind() == engine.Absent {
		return m, nil
	}
	seen, err := parseValue(string(r.Seen.AppendJSON(nil)))
	m.Seen = seen
	return m, err
}

func conditionProto(v engine.Value) *configv1.Value {
	switch v.Kind() {
	case engine.String:
		return &configv1.Value{Kind: &configv1.Value_StringValue{StringValue: v.Text()}}
	case engine.Bool:
		return &configv1.Value{Kind: &configv1.Value_BoolValue{BoolValue: v.Bool()}}
	default:
		return &configv1.Value{Kind: &configv1.Value_NumberValue{NumberValue: v.Number()}}
	}
}

func parameterProto(p engine.ParameterExplanation) (*servingv1.ParameterExplanation, error) {
	winner, err := contributionProto(p.Winner)
	if err != nil {
		return nil, err
	}
	m := &servingv1.ParameterExplanation{Path: p.Path, Winner: winner}
	for _, h := range p.Hidden {
		hidden, err := contributionProto(h)
		if err != nil {
			return nil, err
		}
		m.Hidden = append(m.Hidden, hidden)
	}
	return m, nil
}

func contributionProto(c engine.Contribution) (*servingv1.Contribution, error) {
	value, err := parseValue(c.Value)
	if err != nil {
		return nil, err
	}
	return &servingv1.Contribution{LayerId: c.LayerID, Eid: c.EID, Vid: c.VID, Value: value}, nil
}
