package engine

import (
	"fmt"
	"math"
)

// Outcome is what came of a layer in one evaluation. Its numbers are those of
// strata.serving.v1.LayerOutcome.
type Outcome int32

// The outcomes.
const (
	Matched      Outcome = iota + 1 // the variant's parameters take part
	Disabled                        // the layer is not enabled
	NotRequested                    // the request names layers, and not this one
	NoKey                           // the context has no value that can be hashed
	FreeSlot                        // the slot lies in no range
	OtherService                    // the variant belongs to another service
	RuleFalse                       // the experiment's rule is FALSE
	RuleUnknown                     // the experiment's rule is UNKNOWN
)

// MaxPathBytes bounds the paths of one explanation, all together: those of deep
// parameters with long keys would be much longer than the parameters.
const MaxPathBytes = 16 << 20

// Explanation says how a service's parameters came about.
type Explanation struct {
	// Result is what Evaluate returns. Read it only.
	Result *Result
	// Layers are all layers that have a variant of the service, in order of
	// evaluation.
	Layers []LayerExplanation
	// Parameters are the decided paths, in byte order.
	Parameters []ParameterExplanation
	// Truncated says that Parameters are not all, as their paths are longer than
	// MaxPathBytes.
	Truncated bool
}

// LayerExplanation says what one layer did. What comes after the step at which
// the layer was skipped is not set.
type LayerExplanation struct {
	LayerID  string
	Priority int32
	Outcome  Outcome
	// Detail is the outcome in words.
	Detail  string
	HashKey string
	// Key is the text that was hashed.
	Key string
	// Slot is the slot of the key, or -1.
	Slot int32
	// Start and End are the range that the slot lies in, both 0 if in none.
	Start, End int32
	EID, VID   int32
	// Rule is nil where the experiment has none.
	Rule *RuleExplanation
}

// RuleExplanation is a node of a rule with what it came to.
type RuleExplanation struct {
	Op       Operator
	Truth    Truth
	Children []RuleExplanation
	// For conditions: the field, the type it was compared as, what with, and
	// what the context has.
	Field  string
	Type   FieldType
	Values []Value
	Seen   Value
}

// ParameterExplanation says where the value at a path came from.
type ParameterExplanation struct {
	// Path is a JSON Pointer (RFC 6901).
	Path string
	// Winner set the value. It is a whole value, or an object that hides a
	// lower layer's whole value.
	Winner Contribution
	// Hidden is what Winner hid, highest priority first.
	Hidden []Contribution
}

// Contribution is what one layer would set at a path.
type Contribution struct {
	LayerID  string
	EID, VID int32
	// Value is JSON text.
	Value string
}

// Explain evaluates like Evaluate and says why. It costs many times as much.
// The explanation is the caller's, except for its Result.
func (r *Ruleset) Explain(service string, ctx Context, layers []string) *Explanation {
	e := &Explanation{Result: noMatch()}
	s := r.service(service)
	if s == nil {
		return e
	}
	w := r.worker(ctx)
	only := newSelection(layers)
	for _, l := range s.layers {
		d := decision{outcome: NotRequested}
		if only.has(l.id) {
			d = w.decide(l, s, nil)
		}
		if d.outcome == Matched {
			w.matches = append(w.matches, d.match)
		}
		e.Layers = append(e.Layers, r.explainLayer(w, l, d))
	}
	if len(w.matches) > 0 {
		trace := newMergeTrace()
		w.merger.trace = trace
		e.Result = w.merge()
		w.merger.trace = nil
		e.Parameters, e.Truncated = trace.explain(w.matches), trace.truncated
	}
	r.release(w)
	return e
}

func (r *Ruleset) explainLayer(w *worker, l *layer, d decision) LayerExplanation {
	e := LayerExplanation{
		LayerID: l.id, Priority: l.priority, Outcome: d.outcome, HashKey: l.hashName, Slot: -1,
	}
	switch d.outcome {
	case Disabled:
		e.Detail = "the layer is disabled"
		return e
	case NotRequested:
		e.Detail = "the request names other layers"
		return e
	case NoKey:
		e.Detail = noKeyDetail(l.hashName, w.value(l.hashKey))
		return e
	}
	e.Key, e.Slot = w.hashKey(l.hashKey).text, d.slot
	if d.outcome == FreeSlot {
		e.Detail = fmt.Sprintf("slot %d is in no range", d.slot)
		return e
	}
	e.Start, e.End = l.rangeOf(d.slot)
	e.EID, e.VID = d.match.experiment.eid, d.match.vid
	if d.outcome == OtherService {
		e.Detail = fmt.Sprintf("slot %d belongs to service %s", d.slot, d.match.experiment.serviceName)
		return e
	}
	if rule := d.match.experiment.rule; rule != nil {
		explained := rule.explain(&w.inputs)
		e.Rule = &explained
		e.Detail = fmt.Sprintf("the rule of experiment %d is %s", e.EID, e.Rule.Truth)
		if e.Rule.Truth == Unknown {
			e.Outcome = RuleUnknown
		}
	}
	if d.outcome == Matched {
		e.Detail = fmt.Sprintf("slot %d is in [%d, %d)", d.slot, e.Start, e.End)
	}
	return e
}

func noKeyDetail(name string, v *Value) string {
	if v == nil {
		return "the context has no " + name
	}
	why := "only strings and whole numbers can be hashed"
	switch {
	case v.kind == String:
		why = "the empty string is not hashed"
	case v.kind == Number && v.number != math.Trunc(v.number):
		why = "numbers with a fraction are not hashed"
	case v.kind == Number:
		why = "whole numbers beyond 2^53 - 1 are not hashed, since readers round them differently: send the id as a string"
	}
	return fmt.Sprintf("%s is %s: %s", name, clip(string(v.AppendJSON(nil))), why)
}

func (l *layer) rangeOf(slot int32) (start, end int32) {
	for _, rg := range l.ranges {
		if rg.start <= slot && slot < rg.end {
			return rg.start, rg.end
		}
	}
	return 0, 0
}

func (n *ruleNode) explain(in *inputs) RuleExplanation {
	e := RuleExplanation{Op: n.op, Truth: n.truth(in)}
	for _, child := range n.children {
		e.Children = append(e.Children, child.explain(in))
	}
	if c := n.condition; c != nil {
		e.Field, e.Type, e.Values = c.name, c.typ, c.values
		if v := in.value(c.field); v != nil {
			e.Seen = *v
		}
	}
	return e
}

func (t *mergeTrace) explain(matches []*match) []ParameterExplanation {
	contribution := func(o origin) Contribution {
		m := matches[o.match]
		return Contribution{LayerID: m.layer.id, EID: m.experiment.eid, VID: m.vid, Value: o.json}
	}
	var all []ParameterExplanation
	for _, path := range t.paths() {
		entry := t.entries[path]
		e := ParameterExplanation{Path: path, Winner: contribution(entry.winner)}
		for _, hidden := range entry.hidden {
			e.Hidden = append(e.Hidden, contribution(hidden))
		}
		all = append(all, e)
	}
	return all
}
