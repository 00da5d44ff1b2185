package fleet

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math/rand/v2"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
)

// Services are those of the experiments that are published.
var Services = []string{"checkout", "mail", "search"}

const (
	// HashKey is the attribute that layers hash.
	HashKey = "user"
	slots   = 10_000
)

// World is a configuration that publishers change. Each layer has an experiment
// with two variants, of the service that its number says.
type World struct {
	Layers int
	// Padding is how many bytes each variant's parameters have at least.
	Padding int
}

func (w World) params(i, variant int, value string) string {
	return fmt.Sprintf(`{"p%d":{"variant":%d,"value":%q,"padding":%q}}`, i, variant, value, w.padding(i, variant, value))
}

// padding is text that can hardly be compressed, the same each time.
func (w World) padding(i, variant int, value string) string {
	seed := sha256.Sum256(fmt.Appendf(nil, "%d %d %s", i, variant, value))
	noise := make([]byte, w.Padding*3/4)
	_, _ = rand.NewChaCha8(seed).Read(noise) // which never fails
	return base64.StdEncoding.EncodeToString(noise)
}

func vid(i, variant int) int32 { return int32(2*i + variant + 1) }

func upsertLayer(i int, ranges []*configv1.Range, enabled bool) *adminv1.Change {
	return &adminv1.Change{Change: &adminv1.Change_UpsertLayer{UpsertLayer: &adminv1.Layer{
		LayerId: fmt.Sprintf("layer-%d", i), HashKey: HashKey, Priority: int32(i), Enabled: &enabled, Ranges: ranges,
		Version: "1", Salt: fmt.Sprintf("salt-%d", i),
	}}}
}

func (w World) upsertExperiment(i int, value string) *adminv1.Change {
	return &adminv1.Change{Change: &adminv1.Change_UpsertExperiment{UpsertExperiment: &adminv1.Experiment{
		Eid: int32(i + 1), Service: Services[i%len(Services)], Variants: []*configv1.Variant{
			{Vid: vid(i, 0), ParamsJson: w.params(i, 0, value)},
			{Vid: vid(i, 1), ParamsJson: w.params(i, 1, value)},
		},
	}}}
}

func split(i, at int) []*configv1.Range {
	return []*configv1.Range{{Start: 0, End: int32(at), Vid: vid(i, 0)}, {Start: int32(at), End: slots, Vid: vid(i, 1)}}
}

// Begin returns the changes that make the world.
func (w World) Begin() []*adminv1.Change {
	var changes []*adminv1.Change
	for i := range w.Layers {
		changes = append(changes, w.upsertExperiment(i, "first"), upsertLayer(i, split(i, slots/2), true))
	}
	return changes
}

// Change returns a change that differs from all with another text.
func (w World) Change(random *rand.Rand, text string) []*adminv1.Change {
	i := random.IntN(w.Layers)
	changes := []*adminv1.Change{w.upsertExperiment(i, text)}
	switch random.IntN(8) {
	case 0:
		changes = append(changes, upsertLayer(i, split(i, 1+random.IntN(slots-1)), true))
	case 1:
		changes = append(changes, upsertLayer(i, nil, true)) // its experiment leaves all scopes
	case 2:
		changes = append(changes, upsertLayer(i, split(i, slots/2), random.IntN(2) == 0))
	case 3:
		changes = append(changes, &adminv1.Change{Change: &adminv1.Change_UpsertField{UpsertField: &configv1.Field{
			Name: fmt.Sprintf("field_%d", random.IntN(5)), Type: configv1.FieldType(1 + random.IntN(3)),
		}}})
	}
	return changes
}
