package feed

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/strata-exp/strata/controlplane/internal/state"
	"github.com/strata-exp/strata/sdk/go/view"
)

var marshal = proto.MarshalOptions{Deterministic: true}

// advance returns what followers see of a state, from what they see of an earlier
// one, in time that depends on what differs. was is nil for nothing.
func advance(seen *view.View, was, is *state.State) (*view.View, error) {
	if was == nil {
		seen, was = view.Empty(), state.Empty(state.Version{})
	}
	var puts []*view.Entity
	var deletes []view.Key
	for _, t := range state.Compare(was, is) {
		if t.ID.Kind == state.KindService {
			continue // planes do not get it
		}
		if t.After == nil {
			deletes = append(deletes, t.Before.TreeKey())
			continue
		}
		if t.Before != nil && t.Before.Config() == t.After.Config() {
			continue // only what planes do not get has changed
		}
		payload, err := marshal.Marshal(t.After.Config())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", t.ID, err)
		}
		puts = append(puts, view.NewEntity(t.After.TreeKey(), payload))
	}
	version := is.Version()
	return seen.With(view.Position{Epoch: version.Epoch, Revision: version.Revision}, puts, deletes), nil
}
