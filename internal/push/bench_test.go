package push

import (
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"google.golang.org/protobuf/proto"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/sdk/go/view"
)

func mustEntity(key view.Key, message proto.Message) *view.Entity {
	payload, err := proto.Marshal(message)
	if err != nil {
		panic(err)
	}
	return view.NewEntity(key, payload)
}

// large returns a configuration of so many layers, each with an experiment of two
// variants, of a hundred services.
func large(layers int) *view.View {
	var puts []*view.Entity
	for i := range layers {
		puts = append(puts, largeLayer(i, 5000), mustEntity(view.ExperimentKey(int32(i+1)), &configv1.Experiment{
			Eid: int32(i + 1), Service: serviceName(i % 100),
			Variants: []*configv1.Variant{
				{Vid: int32(10*i + 1), ParamsJson: fmt.Sprintf(`{"algorithm":"old_model","timeout":%d,"weights":[0.1,0.2,%d]}`, i, i)},
				{Vid: int32(10*i + 2), ParamsJson: fmt.Sprintf(`{"algorithm":"new_model","timeout":%d,"weights":[0.3,0.4,%d]}`, i, i)},
			},
		}))
	}
	return view.Empty().With(view.Position{Epoch: 1, Revision: 1}, puts, nil)
}

func largeLayer(i int, cut int32) *view.Entity {
	id := "layer-" + strconv.Itoa(i)
	return mustEntity(view.LayerKey(id), &configv1.Layer{
		LayerId: id, Version: "v1", Priority: int32(i), HashKey: "user_id", Salt: id + "_2026", Enabled: true,
		Ranges: []*configv1.Range{{Start: 0, End: cut, Vid: int32(10*i + 1)}, {Start: cut, End: 10_000, Vid: int32(10*i + 2)}},
	})
}

// another returns a configuration in which one layer has changed.
func another(v *view.View, i int) *view.View {
	at := v.Position()
	at.Revision++
	return v.With(at, []*view.Entity{largeLayer(i%10_000, int32(1+i%9_999))}, nil)
}

// BenchmarkPublish is one layer of 10,000, with so many scopes that are followed.
func BenchmarkPublish(b *testing.B) {
	for _, scopes := range []int{1, 100} {
		b.Run(fmt.Sprintf("scopes=%d", scopes), func(b *testing.B) {
			hub, v := NewHub(production, NewSealer(clusterKey)), large(10_000)
			hub.Publish(v)
			for i := range scopes {
				s := newScope(nil, true)
				if i > 0 {
					s = newScope([]string{serviceName(i)}, false)
				}
				if _, err := hub.acquire(s, holder{}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				b.StopTimer()
				v = another(v, i)
				i++
				b.StartTimer()
				hub.Publish(v)
			}
		})
	}
}

// BenchmarkScope is the first use of a scope of one service among a hundred.
func BenchmarkScope(b *testing.B) {
	v := large(10_000)
	x := indexOf(v)
	s := newScope([]string{serviceName(7)}, false)
	b.ReportAllocs()
	for b.Loop() {
		projectAll(x, s, v)
	}
}

// counter is a sink that says when it has been sent a revision.
type counter struct {
	at   atomic.Int64
	want *atomic.Int64
	done *sync.WaitGroup
}

func (c *counter) Send(frame *servingv1.WatchResponse) error {
	if u := frame.GetUpdate(); u.GetLast() && u.GetToRevision() == c.want.Load() && c.at.Swap(u.GetToRevision()) != u.GetToRevision() {
		c.done.Done()
	}
	return nil
}

// BenchmarkFanOut is one update of one layer to 1,000 followers in memory.
func BenchmarkFanOut(b *testing.B) {
	const followers = 1000
	keys := newKeys(b)
	plane := keys.add(servingv1.Role_ROLE_PLANE)
	hub, v := NewHub(production, NewSealer(clusterKey)), large(10_000)
	server := newServer(hub, keys, func(c *Config) {
		c.Options.StreamsPerSecond, c.Options.StreamsBurst, c.Options.FullBytesBurst = 1e6, 1e6, 1e12
	})
	var want atomic.Int64
	var done sync.WaitGroup
	want.Store(1)
	done.Add(followers)
	hub.Publish(v)
	var runs []*running
	for i := range followers {
		runs = append(runs, follow(keys.context(b.Context(), plane), server, watchRequest(nil), &counter{want: &want, done: &done}, strconv.Itoa(i)))
	}
	done.Wait()
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		b.StopTimer()
		v = another(v, i)
		i++
		want.Store(v.Position().Revision)
		done.Add(followers)
		b.StartTimer()
		hub.Publish(v)
		done.Wait()
	}
	for _, run := range runs {
		run.stop()
	}
}

// BenchmarkFull is the encoding of 10,000 layers, for all who begin anew.
func BenchmarkFull(b *testing.B) {
	hub, v := NewHub(production, NewSealer(clusterKey)), large(10_000)
	hub.Publish(v)
	feed, err := hub.acquire(newScope(nil, true), holder{})
	if err != nil {
		b.Fatal(err)
	}
	size := int64(0)
	b.ReportAllocs()
	for b.Loop() {
		u := feed.lead(state{}, &moment{view: feed.now().view})
		size = u.bytes
	}
	b.ReportMetric(float64(size), "bytes")
}
