package explain

import (
	"context"
	"fmt"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/internal/rpc"
	"github.com/strata-exp/strata/sdk/go/engine"
)

// Question asks a configuration what one user gets.
type Question struct {
	// Services are those to answer for. Repeated ones count once.
	Services []string
	Context  engine.Context
	// Layers are those that take part, all if there are none.
	Layers []string
	// MaxBytes is about how large the answer may be. It becomes messages whatever
	// the codec, so it is bounded before.
	MaxBytes int64
}

// Evaluate answers with the result of each service. The error is *rpc.TooLarge,
// or ctx's.
func (q *Question) Evaluate(ctx context.Context, rules *engine.Ruleset) (map[string]*servingv1.ServiceResult, error) {
	evaluate := func(service string) (*engine.Result, error) {
		return rules.Evaluate(service, q.Context, q.Layers, nil), nil
	}
	return ask(ctx, q, "the answer", evaluate, ResultSize, Result)
}

// Explain answers with the explanation of each service. The error is
// *rpc.TooLarge, or ctx's.
func (q *Question) Explain(ctx context.Context, rules *engine.Ruleset) (map[string]*servingv1.ServiceExplanation, error) {
	explain := func(service string) (*engine.Explanation, error) {
		e := rules.Explain(service, q.Context, q.Layers)
		if e.Truncated {
			return nil, &rpc.TooLarge{What: "the text of all paths", MaxBytes: engine.MaxPathBytes}
		}
		return e, nil
	}
	return ask(ctx, q, "the explanation", explain, Size, Proto)
}

// ask finds something for each service, and converts it if that is not too
// large. what is the name of all of it.
func ask[Found, Message any](
	ctx context.Context, q *Question, what string,
	find func(service string) (Found, error), size func(Found) int64, convert func(Found) (Message, error),
) (map[string]Message, error) {
	answers, left := map[string]Message{}, q.MaxBytes
	for _, service := range q.Services {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if _, ok := answers[service]; ok {
			continue
		}
		found, err := find(service)
		if err != nil {
			return nil, err
		}
		if left -= size(found); left < 0 {
			return nil, &rpc.TooLarge{What: what, MaxBytes: q.MaxBytes}
		}
		if answers[service], err = convert(found); err != nil {
			return nil, fmt.Errorf("service %s: %w", service, err)
		}
	}
	return answers, nil
}
