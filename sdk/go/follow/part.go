//go:build !mutate_commit_early

package follow

import (
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/sdk/go/view"
)

// stagePart takes a part of an Update, and returns the result after the last one.
func stagePart(stage *view.Stage, current *view.View, u *servingv1.Update) (*view.View, error) {
	return stage.Add(current, u)
}
