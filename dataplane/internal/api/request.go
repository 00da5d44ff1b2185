package api

import (
	"time"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/internal/attributes"
	"github.com/strata-exp/strata/internal/rpc"
	"github.com/strata-exp/strata/sdk/go/engine"
)

// Limits of a request, as the proto states them.
const (
	maxServices     = 100
	maxServiceBytes = 256
	maxLayers       = 1000
	maxRequests     = 1000
)

// evaluateRequest is strata.serving.v1.EvaluateRequest.
type evaluateRequest struct {
	services []string
	context  engine.Context
	layers   []string
	// exposures says what becomes of the exposures.
	exposures servingv1.ExposureMode
	// binary says that the answer will be protobuf, where lists of small values
	// take much more than they do as text.
	binary bool
	// err is why the request could not be read. A codec keeps it here, because
	// an error that it returned would reach the client without reason and field.
	err error
}

// check returns what is wrong with a request.
func (r *evaluateRequest) check() error {
	switch {
	case r.err != nil:
		return r.err
	case len(r.services) == 0:
		return rpc.Invalidf("services", "want at least one name, got none")
	case len(r.services) > maxServices:
		return rpc.Invalidf("services", "want at most %d names, got %d", maxServices, len(r.services))
	case len(r.layers) > maxLayers:
		return rpc.Invalidf("layers", "want at most %d names, got %d", maxLayers, len(r.layers))
	case len(r.context) > attributes.Max:
		return attributes.TooMany(len(r.context))
	case r.exposures < 0 || r.exposures > servingv1.ExposureMode_EXPOSURE_MODE_RETURN:
		return rpc.Invalidf("exposures", "want %s, got %d", exposureModes, r.exposures)
	}
	for i, name := range r.services {
		if name == "" || len(name) > maxServiceBytes {
			return rpc.Invalidf(item("services", i), "want a name of 1 to %d bytes, got %d", maxServiceBytes, len(name))
		}
	}
	return nil
}

// exposureModes are the values of ExposureMode, for errors.
const exposureModes = "EXPOSURE_MODE_RECORD, EXPOSURE_MODE_RETURN or EXPOSURE_MODE_UNSPECIFIED"

// batchEvaluateRequest is strata.serving.v1.BatchEvaluateRequest.
type batchEvaluateRequest struct {
	requests []evaluateRequest
	err      error // as in evaluateRequest
}

func (r *batchEvaluateRequest) check() error {
	switch {
	case r.err != nil:
		return r.err
	case len(r.requests) == 0:
		return rpc.Invalidf("requests", "want at least one request, got none")
	case len(r.requests) > maxRequests:
		return rpc.Invalidf("requests", "want at most %d requests, got %d", maxRequests, len(r.requests))
	default:
		return nil
	}
}

// explainRequest is strata.serving.v1.ExplainRequest.
type explainRequest struct {
	evaluateRequest

	revision *int64
	time     *time.Time
}

func (r *explainRequest) check() error {
	if err := r.evaluateRequest.check(); err != nil {
		return err
	}
	if r.revision != nil && *r.revision < 1 {
		return rpc.Invalidf("revision", "want at least 1, got %d", *r.revision)
	}
	return nil
}
