package source

import (
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/strata-exp/strata/dataplane/internal/snapshot"
	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/internal/obs"
	"github.com/strata-exp/strata/sdk/go/view"
)

type noRelay struct{}

func (noRelay) Publish(*view.View)                 {}
func (noRelay) Confirm(time.Duration)              {}
func (noRelay) Keys(int64, []*servingv1.PublicKey) {}
func (noRelay) Followers() []*servingv1.Followers  { return nil }

func layerEntity(t *testing.T, id string, priority int32) *view.Entity {
	t.Helper()
	payload, err := proto.Marshal(&configv1.Layer{LayerId: id, Salt: id, HashKey: "user_id", Priority: priority})
	if err != nil {
		t.Fatal(err)
	}
	return view.NewEntity(view.LayerKey(id), payload)
}

// TestSink activates what is good, and keeps what runs where it is not.
func TestSink(t *testing.T) {
	t.Parallel()
	holder := snapshot.NewHolder(time.Now)
	s := &sink{Relay: noRelay{}, holder: holder, log: obs.Discard()}
	at := func(epoch, revision int64) view.Position { return view.Position{Epoch: epoch, Revision: revision} }
	running := func(epoch, revision int64, layers int) {
		t.Helper()
		current := holder.Current()
		if current.Epoch != epoch || current.Revision() != revision || current.Ruleset.Layers() != layers {
			t.Errorf("revision %d of epoch %d with %d layers runs; want %d of %d with %d",
				current.Revision(), current.Epoch, current.Ruleset.Layers(), revision, epoch, layers)
		}
	}
	activate := func(v *view.View, good bool) {
		t.Helper()
		if err := s.Activate(v); (err == nil) != good {
			t.Errorf("%v: %v", v.Position(), err)
		}
	}
	first := view.Empty().With(at(5, 9), []*view.Entity{layerEntity(t, "a", 1), layerEntity(t, "b", 2)}, nil)
	activate(first, true)
	running(5, 9, 2)

	bad := first.With(at(5, 10), []*view.Entity{view.NewEntity(view.LayerKey("c"), []byte("\xff"))}, nil)
	activate(bad, false)
	running(5, 9, 2)
	if _, failed := holder.Failure(); !failed {
		t.Error("nobody is told of the failure")
	}
	// The difference to what runs counts, not the one to what was refused.
	good := bad.With(at(5, 11), []*view.Entity{layerEntity(t, "c", 3)}, []view.Key{view.LayerKey("a")})
	activate(good, true)
	running(5, 11, 2)

	// The key may see less of the same revision now, then more again.
	activate(good.With(at(5, 11), nil, []view.Key{view.LayerKey("b")}), true)
	running(5, 11, 1)
	activate(good, true)
	running(5, 11, 2)

	activate(good.With(at(6, 3), nil, nil), true)
	running(6, 3, 2)
}

// TestDeltaCompilesWhatChanged looks at the messages that stay.
func TestDeltaCompilesWhatChanged(t *testing.T) {
	t.Parallel()
	holder := snapshot.NewHolder(time.Now)
	s := &sink{Relay: noRelay{}, holder: holder, log: obs.Discard()}
	first := view.Empty().With(view.Position{Epoch: 1, Revision: 1}, []*view.Entity{layerEntity(t, "a", 1), layerEntity(t, "b", 2)}, nil)
	if err := s.Activate(first); err != nil {
		t.Fatal(err)
	}
	before := layersOf(holder)
	if err := s.Activate(first.With(view.Position{Epoch: 1, Revision: 2}, []*view.Entity{layerEntity(t, "b", 3)}, nil)); err != nil {
		t.Fatal(err)
	}
	after := layersOf(holder)
	if before["a"] != after["a"] || before["b"] == after["b"] {
		t.Error("a layer that stays is read again, or one that changes is not")
	}
}

func layersOf(holder *snapshot.Holder) map[string]*configv1.Layer {
	layers := map[string]*configv1.Layer{}
	for _, l := range holder.Current().Ruleset.Snapshot().GetLayers() {
		layers[l.GetLayerId()] = l
	}
	return layers
}
