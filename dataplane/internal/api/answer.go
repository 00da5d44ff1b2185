package api

import (
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/internal/explain"
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
	// returned is what EXPOSURE_MODE_RETURN adds, else nil.
	returned *returned
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
	if binary {
		return int64(len(r.service)) + explain.ResultSize(r.result) + r.returned.size()
	}
	n := 64 + len(r.service) + 12*len(r.result.VIDs)
	for _, layer := range r.result.MatchedLayers {
		n += len(layer) + 4
	}
	return int64(n+len(r.result.Parameters)) + r.returned.size()
}
