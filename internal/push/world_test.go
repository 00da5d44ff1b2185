package push

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	"github.com/strata-exp/strata/sdk/go/view"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	worldExperiments = 12
	worldLayers      = 6
	worldServices    = 4
)

func serviceName(i int) string { return "service-" + strconv.Itoa(i) }

// world is a random configuration that changes at random. A tame one can be run.
// A wild one has what no configuration that can be run has: variants of several
// experiments, experiments in several layers, layers that name another service,
// and payloads that are no messages.
type world struct {
	random      *rand.Rand
	wild        bool
	experiments map[int32]*configv1.Experiment
	homes       map[int32]int // layers of experiments, -1 for none
	entities    map[view.Key]*view.Entity
}

func newWorld(random *rand.Rand, wild bool) *world {
	w := &world{
		random: random, wild: wild, experiments: map[int32]*configv1.Experiment{}, homes: map[int32]int{},
		entities: map[view.Key]*view.Entity{},
	}
	for eid := range int32(worldExperiments) {
		w.homes[eid+1] = -1
	}
	for range 10 {
		w.change()
	}
	return w
}

// change changes something.
func (w *world) change() {
	switch w.random.IntN(5) {
	case 0:
		name := fmt.Sprintf("field-%d", w.random.IntN(3))
		w.put(view.FieldKey(name), &configv1.Field{Name: name, Type: configv1.FieldType(1 + w.random.IntN(5))})
	case 1:
		key := view.Key{Kind: 200, Name: strconv.Itoa(w.random.IntN(3))}
		w.entities[key] = view.NewEntity(key, []byte(strconv.Itoa(w.random.IntN(5))))
	case 2: // a layer is shuffled
		w.layer(w.random.IntN(worldLayers))
	default:
		w.experiment(1 + w.random.Int32N(worldExperiments))
	}
	if w.random.IntN(8) == 0 && len(w.entities) > 0 { // what goes may leave others that refer to it, which is wild
		key := slices.SortedFunc(maps.Keys(w.entities), view.Key.Compare)[w.random.IntN(len(w.entities))]
		if w.wild || key.Kind != kindLayer && key.Kind != kindExperiment {
			delete(w.entities, key)
		}
	}
}

// experiment makes an experiment anew, in another layer or in none.
func (w *world) experiment(eid int32) {
	before := w.homes[eid]
	delete(w.experiments, eid)
	delete(w.entities, view.ExperimentKey(eid))
	w.homes[eid] = -1
	if w.random.IntN(6) > 0 {
		x := &configv1.Experiment{Eid: eid, Service: serviceName(w.random.IntN(worldServices))}
		for i := range 1 + w.random.Int32N(3) {
			vid := eid*10 + i
			if w.wild && w.random.IntN(5) == 0 {
				vid = 10 + w.random.Int32N(worldExperiments*10)
			}
			x.Variants = append(x.Variants, &configv1.Variant{Vid: vid, ParamsJson: fmt.Sprintf(`{"v%d":%d}`, vid, w.random.IntN(9))})
		}
		w.experiments[eid], w.homes[eid] = x, w.random.IntN(worldLayers+2)-2
		w.put(view.ExperimentKey(eid), x)
	}
	for _, home := range []int{before, w.homes[eid]} {
		if home >= 0 {
			w.layer(home)
		}
	}
}

// layer makes a layer of the experiments that live in it.
func (w *world) layer(i int) {
	l := &configv1.Layer{
		LayerId: fmt.Sprintf("layer-%d", i), Priority: int32(w.random.IntN(3)), HashKey: "user_id",
		Salt: strconv.Itoa(i), Enabled: w.random.IntN(8) > 0,
	}
	var vids []int32
	services := map[string]bool{}
	for _, eid := range slices.Sorted(maps.Keys(w.experiments)) {
		if w.homes[eid] != i {
			continue
		}
		services[w.experiments[eid].GetService()] = true
		for _, v := range w.experiments[eid].GetVariants() {
			vids = append(vids, v.GetVid())
		}
	}
	for at := int32(0); at < 10_000; {
		end := min(10_000, at+1+w.random.Int32N(3000))
		vid := int32(0)
		if len(vids) > 0 && w.random.IntN(4) > 0 {
			vid = vids[w.random.IntN(len(vids))]
		}
		if w.wild && w.random.IntN(4) == 0 {
			vid = w.random.Int32N(worldExperiments * 10)
		}
		if vid > 0 {
			l.Ranges = append(l.Ranges, &configv1.Range{Start: at, End: end, Vid: vid})
		}
		at = end
	}
	w.random.Shuffle(len(l.Ranges), func(i, j int) { l.Ranges[i], l.Ranges[j] = l.Ranges[j], l.Ranges[i] })
	switch {
	case len(services) == 1 && w.random.IntN(2) == 0:
		l.Service = slices.Collect(maps.Keys(services))[0]
	case w.wild && w.random.IntN(4) == 0:
		l.Service = serviceName(w.random.IntN(worldServices))
	}
	w.put(view.LayerKey(l.GetLayerId()), l)
}

// put puts a message with fields that nobody knows, at random places.
func (w *world) put(key view.Key, message proto.Message) {
	payload, err := proto.Marshal(message)
	if err != nil {
		panic(err)
	}
	unknown := func() []byte {
		b := protowire.AppendTag(nil, protowire.Number(100+w.random.IntN(3)), protowire.BytesType)
		return protowire.AppendString(b, "unknown")
	}
	switch w.random.IntN(4) {
	case 0:
		payload = append(unknown(), payload...)
	case 1:
		payload = append(payload, unknown()...)
	}
	if w.wild && w.random.IntN(15) == 0 {
		payload = payload[:w.random.IntN(len(payload)+1)]
	}
	w.entities[key] = view.NewEntity(key, payload)
}

// view returns the configuration, in which nothing is shared with others.
func (w *world) view(at view.Position) *view.View {
	return view.Empty().With(at, slices.Collect(maps.Values(w.entities)), nil)
}

// scope returns a random scope.
func (w *world) scope() Scope {
	switch w.random.IntN(6) {
	case 0:
		return newScope(nil, true)
	case 1:
		return newScope(nil, false)
	default:
		return newScope(w.services(worldServices+1), w.random.IntN(2) == 0)
	}
}

func (w *world) services(most int) []string {
	var names []string
	for range 1 + w.random.IntN(3) {
		names = append(names, serviceName(w.random.IntN(most)))
	}
	return names
}

// within returns a random scope within another one.
func (w *world) within(s Scope) Scope {
	if s.whole() {
		inner := w.scope()
		if inner.unknown && !s.unknown {
			return s
		}
		return inner
	}
	return newScope(s.services[:1+w.random.IntN(len(s.services))], false)
}
