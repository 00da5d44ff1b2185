package api

import (
	"strings"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/sdk/go/engine"
)

// evaluateAnswer is strata.serving.v1.EvaluateResponse, and, with err, an entry
// of strata.serving.v1.BatchEvaluateResponse.
type evaluateAnswer struct {
	results  []serviceResult
	revision int64
	err      *servingv1.Error
	// inline is where the results of most requests fit.
	inline [2]serviceResult
}

type serviceResult struct {
	service string
	result  *engine.Result
}

// batchEvaluateAnswer is strata.serving.v1.BatchEvaluateResponse.
type batchEvaluateAnswer struct {
	entries []evaluateAnswer
}

// has reports whether there is a result for a service. With at most 100 services
// comparing costs less than a set would.
func (a *evaluateAnswer) has(service string) bool {
	for i := range a.results {
		if a.results[i].service == service {
			return true
		}
	}
	return false
}

// size is about how large a result is in an answer, in bytes. Parameters count
// in full: as their text or, in binary, as the messages that they become. Only
// names of services and layers that JSON has to escape may be more.
func (r serviceResult) size(binary bool) int64 {
	n := 64 + len(r.service) + 12*len(r.result.VIDs)
	for _, layer := range r.result.MatchedLayers {
		n += len(layer) + 4
	}
	if binary {
		return int64(n) + messageSize(r.result.Parameters)
	}
	return int64(n + len(r.result.Parameters))
}

// valueBytes is more than a value takes in protobuf beside its text: with a tag
// and a length for each of value, list or entry, and key. Two bytes of a list,
// such as "1,", become 11 on the wire, and about 90 in memory, so memory too is
// bounded in proportion.
const valueBytes = 48

// messageSize is at least how large JSON text is as a google.protobuf.Value, in
// bytes. Every value but the outermost follows one of three characters, which
// inside of strings are counted too.
func messageSize(text string) int64 {
	values := 1 + strings.Count(text, ",") + strings.Count(text, "[") + strings.Count(text, "{")
	return int64(len(text)) + valueBytes*int64(values)
}

// What the parts of an explanation take at most beside their texts and values,
// in bytes: the names and numbers of their fields, as JSON.
const (
	layerBytes        = 384
	ruleBytes         = 192
	contributionBytes = 96
)

// explanationSize is at least how large an explanation is in any codec, but for
// what JSON has to escape.
func explanationSize(e *engine.Explanation) int64 {
	n := serviceResult{result: e.Result}.size(true)
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
	return contributionBytes + int64(len(c.LayerID)) + messageSize(c.Value)
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
		return n + messageSize(r.Seen.Text())
	}
	return n + valueBytes + int64(len(r.Seen.Text()))
}
