package api

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/internal/attributes"
	"github.com/strata-exp/strata/internal/explain"
	"github.com/strata-exp/strata/internal/rpc"
	"github.com/strata-exp/strata/sdk/go/engine"
)

func unmarshalEvaluate(data []byte, r *evaluateRequest) {
	m := new(servingv1.EvaluateRequest)
	if r.err = unmarshal(data, m); r.err == nil {
		r.from(m)
	}
}

func unmarshalBatch(data []byte, r *batchEvaluateRequest) {
	m := new(servingv1.BatchEvaluateRequest)
	if r.err = unmarshal(data, m); r.err != nil {
		return
	}
	if len(m.GetRequests()) > maxRequests {
		r.err = rpc.Invalidf("requests", "want at most %d requests, got %d", maxRequests, len(m.GetRequests()))
		return
	}
	r.requests = make([]evaluateRequest, len(m.GetRequests()))
	for i, request := range m.GetRequests() {
		r.requests[i].from(request)
	}
}

func unmarshalExplain(data []byte, r *explainRequest) {
	m := new(servingv1.ExplainRequest)
	if r.err = unmarshal(data, m); r.err != nil {
		return
	}
	r.from(m)
	switch at := m.GetAt().(type) {
	case *servingv1.ExplainRequest_Revision:
		r.revision = &at.Revision
	case *servingv1.ExplainRequest_Time:
		if err := at.Time.CheckValid(); err != nil && r.err == nil {
			r.err = rpc.Invalidf("time", "want a time between the years 1 and 9999")
		}
		t := at.Time.AsTime()
		r.time = &t
	}
}

func unmarshal(data []byte, m proto.Message) error {
	if err := proto.Unmarshal(data, m); err != nil {
		// The library varies the space, so that nobody compares its text.
		problem := strings.TrimLeft(strings.TrimPrefix(err.Error(), "proto:"), " \u00a0")
		return rpc.Invalidf("body", "not a valid message: %s", problem)
	}
	return nil
}

// from takes over a generated request.
func (r *evaluateRequest) from(m interface {
	GetServices() []string
	GetContext() *structpb.Struct
	GetLayers() []string
},
) {
	if e, ok := m.(*servingv1.EvaluateRequest); ok {
		r.exposures = e.GetExposures()
	}
	r.services, r.layers, r.binary = m.GetServices(), m.GetLayers(), true
	r.context, r.err = attributes.FromStruct(m.GetContext())
}

func (a *evaluateAnswer) generated() (*servingv1.EvaluateResponse, error) {
	results, err := (converted{}).all(a.results)
	if err != nil {
		return nil, err
	}
	return &servingv1.EvaluateResponse{Results: results, Revision: a.revision}, nil
}

func (a *batchEvaluateAnswer) generated() (*servingv1.BatchEvaluateResponse, error) {
	m, converted := &servingv1.BatchEvaluateResponse{}, converted{}
	for _, entry := range a.entries {
		results, err := converted.all(entry.results)
		if err != nil {
			return nil, err
		}
		m.Responses = append(m.Responses, &servingv1.BatchEvaluateResponse_Entry{
			Results: results, Revision: entry.revision, Error: entry.err,
		})
	}
	return m, nil
}

// converted are the messages of one answer by their results. The engine returns
// one result for many users, and the entries of a batch then share its message,
// which is larger than the text that it is made from.
type converted map[*engine.Result]*servingv1.ServiceResult

// all returns the messages of some results by service.
func (c converted) all(results []serviceResult) (map[string]*servingv1.ServiceResult, error) {
	m := make(map[string]*servingv1.ServiceResult, len(results))
	for _, r := range results {
		if c[r.result] == nil {
			result, err := explain.Result(r.result)
			if err != nil {
				return nil, fmt.Errorf("parameters of %s: %w", r.service, err)
			}
			c[r.result] = result
		}
		m[r.service] = r.returned.message(c[r.result])
	}
	return m, nil
}
