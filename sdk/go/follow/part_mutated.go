//go:build mutate_commit_early

package follow

import (
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/sdk/go/view"
)

// stagePart is wrong on purpose: a test has to find it.
func stagePart(_ *view.Stage, current *view.View, u *servingv1.Update) (*view.View, error) {
	changes, err := view.DecodePart(u.GetChanges())
	if err != nil {
		return nil, err
	}
	if u.GetKind() == servingv1.Update_KIND_FULL && u.GetPart() == 0 {
		current = view.Empty()
	}
	return current.Apply(view.Position{Epoch: u.GetEpoch(), Revision: u.GetToRevision()}, changes)
}
