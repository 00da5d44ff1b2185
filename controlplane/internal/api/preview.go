package api

import (
	"context"
	"math"
	"time"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/strata-exp/strata/controlplane/internal/state"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/gen/go/strata/admin/v1/adminv1connect"
	"github.com/strata-exp/strata/internal/attributes"
	"github.com/strata-exp/strata/internal/explain"
	"github.com/strata-exp/strata/internal/rpc"
)

type previewService struct {
	reader

	now func() time.Time
}

func (s *previewService) routes() []route {
	return []route{
		unary(adminv1connect.PreviewServiceEvaluateProcedure, s.evaluate),
		unary(adminv1connect.PreviewServiceExplainProcedure, s.explain),
	}
}

func (s *previewService) evaluate(ctx context.Context, r *adminv1.PreviewServiceEvaluateRequest) (*adminv1.PreviewServiceEvaluateResponse, error) {
	question, err := questionOf(r)
	if err != nil {
		return nil, err
	}
	base, changed, err := s.preview(ctx, r)
	if err != nil {
		return nil, err
	}
	results, err := question.Evaluate(ctx, changed.Ruleset())
	if err != nil {
		return nil, err
	}
	return &adminv1.PreviewServiceEvaluateResponse{Results: results, Revision: base.Revision()}, nil
}

func (s *previewService) explain(ctx context.Context, r *adminv1.PreviewServiceExplainRequest) (*adminv1.PreviewServiceExplainResponse, error) {
	question, err := questionOf(r)
	if err != nil {
		return nil, err
	}
	base, changed, err := s.preview(ctx, r)
	if err != nil {
		return nil, err
	}
	results, err := question.Explain(ctx, changed.Ruleset())
	if err != nil {
		return nil, err
	}
	return &adminv1.PreviewServiceExplainResponse{Results: results, Revision: base.Revision()}, nil
}

// previewRequest is what both requests have in common.
type previewRequest interface {
	moment
	GetChanges() []*adminv1.Change
	GetServices() []string
	GetContext() *structpb.Struct
	GetLayers() []string
}

func questionOf(r previewRequest) (*explain.Question, error) {
	c, err := attributes.FromStruct(r.GetContext())
	if err != nil {
		return nil, err
	}
	return &explain.Question{Services: r.GetServices(), Context: c, Layers: r.GetLayers(), MaxBytes: rpc.MaxAnswerBytes}, nil
}

// preview returns the state that a request is about, and what its changes make
// of it.
func (s *previewService) preview(ctx context.Context, r previewRequest) (base, changed *state.State, err error) {
	base, err = s.at(ctx, r)
	if err != nil || len(r.GetChanges()) == 0 {
		return base, base, err
	}
	next := state.Version{Revision: base.Revision() + 1, Time: s.now()}
	result, err := base.Apply(next, provisional(base, changesOf(r.GetChanges())))
	if err != nil {
		return nil, nil, inChanges(r.GetChanges()).refusal(err)
	}
	return base, result.State, nil
}

// provisional gives ids that nothing has to the experiments and variants of
// changes that have none, as an Apply would assign them.
func provisional(s *state.State, changes []state.Change) []state.Change {
	eids, vids := map[int32]bool{}, map[int32]bool{}
	for _, c := range changes {
		eids[c.Experiment.GetEid()] = true
		for _, v := range c.Experiment.GetVariants() {
			vids[v.GetVid()] = true
		}
	}
	eid, vid := int32(math.MaxInt32), int32(math.MaxInt32)
	for _, c := range changes {
		x := c.Experiment
		if x != nil && x.GetEid() == 0 {
			for ; eids[eid] || s.Experiment(eid) != nil; eid-- {
			}
			x.Eid, eids[eid] = eid, true
		}
		for _, v := range x.GetVariants() {
			if v.GetVid() == 0 {
				for ; vids[vid] || s.ExperimentOf(vid) != nil; vid-- {
				}
				v.Vid, vids[vid] = vid, true
			}
		}
	}
	return changes
}
