package api

import (
	"context"
	"fmt"
	"time"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"

	"github.com/strata-exp/strata/dataplane/internal/snapshot"
	"github.com/strata-exp/strata/internal/explain"
	"github.com/strata-exp/strata/internal/rpc"
)

func (s *Service) explain(ctx context.Context, r *explainRequest) (*servingv1.ExplainResponse, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	running, err := s.at(r)
	if err != nil {
		return nil, err
	}
	question := explain.Question{Services: r.services, Context: r.context, Layers: r.layers, MaxBytes: s.maxAnswer}
	results, err := question.Explain(ctx, running.Ruleset)
	if err != nil {
		return nil, err
	}
	return &servingv1.ExplainResponse{Results: results, Revision: running.Revision()}, nil
}

// at returns the configuration that a request asks about. Only the running one
// is at hand.
func (s *Service) at(r *explainRequest) (*snapshot.Snapshot, error) {
	running, err := s.running()
	if err != nil {
		return nil, err
	}
	switch {
	case r.revision != nil && *r.revision != running.Revision():
		return nil, &rpc.NotAvailable{Problem: fmt.Sprintf(
			"revision %d is not at hand: a data plane has no history, and this one serves revision %d",
			*r.revision, running.Revision())}
	case r.time != nil && (r.time.Before(running.LoadedAt) || r.time.After(s.now())):
		return nil, &rpc.NotAvailable{Problem: fmt.Sprintf(
			"what was served at %s is not at hand: a data plane has no history, and this one has served revision %d since %s",
			r.time.UTC().Format(time.RFC3339Nano), running.Revision(), running.LoadedAt.UTC().Format(time.RFC3339Nano))}
	default:
		return running, nil
	}
}
