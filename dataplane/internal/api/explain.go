package api

import (
	"context"
	"fmt"
	"time"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"

	"github.com/strata-exp/strata/dataplane/internal/snapshot"
	"github.com/strata-exp/strata/internal/explain"
	"github.com/strata-exp/strata/internal/rpc"
	"github.com/strata-exp/strata/sdk/go/engine"
)

func (s *Service) explain(ctx context.Context, r *explainRequest) (*servingv1.ExplainResponse, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	running, err := s.at(r)
	if err != nil {
		return nil, err
	}
	answer := &servingv1.ExplainResponse{
		Results:  map[string]*servingv1.ServiceExplanation{},
		Revision: running.Revision(),
	}
	budget := s.maxAnswer
	for _, service := range r.services {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if answer.Results[service] != nil {
			continue
		}
		// It becomes messages whatever the codec, so it is bounded before.
		explained := running.Ruleset.Explain(service, r.context, r.layers)
		if explained.Truncated {
			return nil, &rpc.TooLarge{What: "the text of all paths", MaxBytes: engine.MaxPathBytes}
		}
		if budget -= explanationSize(explained); budget < 0 {
			return nil, &rpc.TooLarge{What: "the explanation", MaxBytes: s.maxAnswer}
		}
		explanation, err := explain.Proto(explained)
		if err != nil {
			return nil, fmt.Errorf("explain %s: %w", service, err)
		}
		answer.Results[service] = explanation
	}
	return answer, nil
}

// at returns the configuration that a request asks about. Only the running one
// is at hand.
func (s *Service) at(r *explainRequest) (*snapshot.Snapshot, error) {
	running := s.holder.Current()
	switch {
	case r.revision != nil && *r.revision != running.Revision():
		return nil, &rpc.NotAvailable{Problem: fmt.Sprintf(
			"revision %d is not at hand: files have no history, and this process serves revision %d",
			*r.revision, running.Revision())}
	case r.time != nil && (r.time.Before(running.LoadedAt) || r.time.After(s.now())):
		return nil, &rpc.NotAvailable{Problem: fmt.Sprintf(
			"what was served at %s is not at hand: files have no history, and this process has served revision %d since %s",
			r.time.UTC().Format(time.RFC3339Nano), running.Revision(), running.LoadedAt.UTC().Format(time.RFC3339Nano))}
	default:
		return running, nil
	}
}
