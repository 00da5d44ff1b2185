package explain

import (
	"strings"

	"github.com/strata-exp/strata/sdk/go/engine"
)

// valueBytes is more than a value takes in protobuf beside its text: with a tag
// and a length for each of value, list or entry, and key. Two bytes of a list,
// such as "1,", become 11 on the wire, and about 90 in memory, so memory too is
// bounded in proportion.
const valueBytes = 48

// ValueSize is at least how large JSON text is as a google.protobuf.Value, in
// bytes. Every value but the outermost follows one of three characters, which
// inside of strings are counted too.
func ValueSize(text string) int64 {
	values := 1 + strings.Count(text, ",") + strings.Count(text, "[") + strings.Count(text, "{")
	return int64(len(text)) + valueBytes*int64(values)
}

// ResultSize is at least how large a result is as a message, in bytes.
func ResultSize(r *engine.Result) int64 {
	n := 64 + 12*len(r.VIDs)
	for _, layer := range r.MatchedLayers {
		n += len(layer) + 4
	}
	return int64(n) + ValueSize(r.Parameters)
}

// What the parts of an explanation take at most beside their texts and values,
// in bytes: the names and numbers of their fields, as JSON.
const (
	layerBytes        = 384
	ruleBytes         = 192
	contributionBytes = 96
)

// Size is at least how large an explanation is in any codec, in bytes, but for
// what JSON has to escape.
func Size(e *engine.Explanation) int64 {
	n := ResultSize(e.Result)
	for i := range e.Layers {
		l := &e.Layers[i]
		n += layerBytes + int64(len(l.LayerID)+len(l.Detail)+len(l.HashKey)+len(l.Key))
		if l.Rule != nil {
			n += ruleSize(l.Rule)
		}
	}
	for i := range e.Parameters {
		p := &e.Parameters[i]
		n += int64(len(p.Path)) + contributionSize(p.Winner)
		for _, hidden := range p.Hidden {
			n += contributionSize(hidden)
		}
	}
	return n
}

func contributionSize(c engine.Contribution) int64 {
	return contributionBytes + int64(len(c.LayerID)) + ValueSize(c.Value)
}

// ruleSize counts what the context has once for each condition that looks at it,
// as an explanation shows it.
func ruleSize(r *engine.RuleExplanation) int64 {
	n := ruleBytes + int64(len(r.Field))
	for i := range r.Children {
		n += ruleSize(&r.Children[i])
	}
	for _, v := range r.Values {
		n += valueBytes + int64(len(v.Text()))
	}
	if r.Seen.Kind() == engine.Composite {
		return n + ValueSize(r.Seen.Text())
	}
	return n + valueBytes + int64(len(r.Seen.Text()))
}
