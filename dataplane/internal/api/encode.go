package api

import (
	"strconv"

	"github.com/strata-exp/strata/sdk/go/engine"
)

// appendEvaluate appends an EvaluateResponse as JSON. Nothing is left out where
// it is empty, so that callers need not ask whether it is there.
func appendEvaluate(dst []byte, a *evaluateAnswer) []byte {
	dst = append(dst, `{"results":{`...)
	for i := range a.results {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendResult(dst, a.results[i])
	}
	dst = append(dst, `},"revision":"`...) // protobuf's JSON has 64-bit integers as strings
	dst = strconv.AppendInt(dst, a.revision, 10)
	dst = append(dst, '"')
	if a.err != nil {
		dst = append(dst, `,"error":{"code":`...)
		dst = appendString(dst, a.err.GetCode())
		dst = append(dst, `,"message":`...)
		dst = appendString(dst, a.err.GetMessage())
		dst = append(dst, `,"reason":`...)
		dst = appendString(dst, a.err.GetReason().String())
		dst = append(dst, '}')
	}
	return append(dst, '}')
}

func appendResult(dst []byte, r serviceResult) []byte {
	dst = appendString(dst, r.service)
	dst = append(dst, `:{"parameters":`...)
	dst = append(dst, r.result.Parameters...)
	dst = append(dst, `,"vids":`...)
	dst = appendNumbers(dst, r.result.VIDs)
	dst = append(dst, `,"matched_layers":[`...)
	for i, layer := range r.result.MatchedLayers {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(dst, layer)
	}
	dst = append(dst, ']')
	if r.returned != nil {
		dst = appendReturned(dst, r.returned)
	}
	return append(dst, '}')
}

// appendBatch appends a BatchEvaluateResponse as JSON.
func appendBatch(dst []byte, a *batchEvaluateAnswer) []byte {
	dst = append(dst, `{"responses":[`...)
	for i := range a.entries {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendEvaluate(dst, &a.entries[i])
	}
	return append(dst, `]}`...)
}

func appendString(dst []byte, s string) []byte { return engine.StringValue(s).AppendJSON(dst) }
