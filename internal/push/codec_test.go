package push

import (
	"context"
	"testing"
	"time"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/sdk/go/view"
)

func TestCodecs(t *testing.T) {
	t.Parallel()
	config, entity := configv1.File_strata_config_v1_config_proto, configv1.File_strata_config_v1_entity_proto
	if codecOf(projectionVersion, config, entity) != thisCodec() {
		t.Error("the codec is another one each time")
	}
	seen := map[codec]bool{
		thisCodec(): true, codecOf(projectionVersion+1, config, entity): true, codecOf(projectionVersion, config): true,
		codecOf(projectionVersion, entity): true,
	}
	if len(seen) != 4 {
		t.Errorf("%d codecs of 4 projections and schemas", len(seen))
	}
}

// TestTokensOfAnotherCodec says that what a server of another version encoded
// otherwise is no lost history.
func TestTokensOfAnotherCodec(t *testing.T) {
	t.Parallel()
	disputes := 0
	setup(t, func(c *Config) {
		c.LostHistory = func(context.Context, string, view.Position, bool) error {
			disputes++
			return nil
		}
	}, func(b *bench) {
		b.publish()
		b.publish()
		token := func(revision int64, v *view.View) []byte {
			return NewSealer(clusterKey).seal(place{
				codec: codec{1, 2, 3, 4}, position: view.Position{Epoch: 1, Revision: revision},
				environment: environmentTag(production), scope: newScope(nil, true).tag(), hash: v.Hash(),
			})
		}
		for _, v := range []*view.View{view.Empty(), b.oracle.ask(b.last, newScope(nil, true))} {
			for _, revision := range []int64{1, 2} {
				hello := b.first(b.plane, token(revision, v), b.reader())
				if hello.GetIntent() != servingv1.Hello_INTENT_FULL || hello.GetReason() == "" {
					b.Errorf("at %d: %v %q", revision, hello.GetIntent(), hello.GetReason())
				}
			}
		}
		if disputes != 0 {
			b.Errorf("%d disputes over encodings", disputes)
		}
		run := b.follow(b.plane, watchRequest(token(3, view.Empty())), b.reader())
		pass(10 * time.Second)
		<-run.done
		if got := reasonOf(run.err); got != servingv1.ErrorReason_ERROR_REASON_BEHIND || disputes != 1 {
			b.Errorf("ahead: %v, %d disputes", run.err, disputes)
		}
	})
}
