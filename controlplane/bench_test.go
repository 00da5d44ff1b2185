package controlplane_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/strata-exp/strata/controlplane"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/gen/go/strata/admin/v1/adminv1connect"
	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	"github.com/strata-exp/strata/internal/pgcluster"
	"github.com/strata-exp/strata/sdk/go/accesskey"
)

// bench is a control plane on a database that is as durable as one in use, and a
// client of it over the network.
type bench struct {
	*testing.B

	http      *http.Client
	url       string
	key       *accesskey.Key
	revisions adminv1connect.RevisionServiceClient
}

func newBench(b *testing.B) *bench {
	b.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	b.Setenv("TMPDIR", os.TempDir()) // on a disk and not in memory
	dir, err := pgcluster.TempDir(ctx)
	if err != nil {
		b.Fatal(err)
	}
	cluster, err := pgcluster.Start(ctx, pgcluster.Config{Dir: dir, Durable: true})
	if err != nil {
		b.Fatal(err)
	}
	key := bootstrap(b, cluster.URL("postgres"))
	c := controlplane.Default()
	c.DatabaseURL, c.HTTPAddr, c.PushAddr, c.MetricsAddr = cluster.URL("postgres"), "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	c.Log = slog.New(slog.NewTextHandler(b.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	listening, ended := make(chan string, 1), make(chan error, 1)
	c.OnListening = func(l controlplane.Listening) { listening <- "http://" + l.HTTP.String() }
	go func() { ended <- controlplane.Run(ctx, c) }()
	client := signed(b, key)
	b.Cleanup(func() {
		client.CloseIdleConnections()
		cancel()
		if err := <-ended; err != nil {
			b.Error(err)
		}
		if err := errors.Join(cluster.Stop(context.Background()), pgcluster.Remove(context.Background(), dir)); err != nil {
			b.Error(err)
		}
	})
	n := &bench{B: b, http: client, key: key}
	select {
	case n.url = <-listening:
	case err := <-ended:
		ended <- nil
		b.Fatal(err)
	}
	n.revisions = adminv1connect.NewRevisionServiceClient(n.http, n.url)
	_, err = adminv1connect.NewEnvironmentServiceClient(n.http, n.url).Create(ctx, &adminv1.EnvironmentServiceCreateRequest{
		Environment: &adminv1.Environment{Name: environment},
	})
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// services is among how many services the layers are shared out.
const services = 100

// configuration is layers of two variants each, of which a layer has one
// parameter in common with all others of its service.
func configuration(layers int) []*adminv1.Change {
	var changes []*adminv1.Change
	for i := range int32(layers) {
		id := i + 1
		x := &adminv1.Experiment{Eid: id, Service: fmt.Sprint("service", i%services), Name: fmt.Sprint("Experiment ", id)}
		for v := range int32(2) {
			x.Variants = append(x.Variants, &configv1.Variant{
				Vid: 2*id + v, ParamsJson: fmt.Sprintf(`{"shared":%d,"layer%d":{"a":%d,"b":"x","c":[1,2,3]}}`, v, i, v),
			})
		}
		changes = append(
			changes,
			&adminv1.Change{Change: &adminv1.Change_UpsertExperiment{UpsertExperiment: x}},
			&adminv1.Change{Change: &adminv1.Change_UpsertLayer{UpsertLayer: benchLayer(i, 5000)}},
		)
	}
	return changes
}

func benchLayer(i, cut int32) *adminv1.Layer {
	return &adminv1.Layer{
		LayerId: fmt.Sprintf("layer_%05d", i), Version: "v1", Priority: i % 1000, HashKey: "user_id",
		Ranges: []*configv1.Range{{Start: 0, End: cut, Vid: 2 * (i + 1)}, {Start: cut, End: 10000, Vid: 2*(i+1) + 1}},
	}
}

func (n *bench) apply(changes []*adminv1.Change, validateOnly bool) {
	_, err := n.revisions.Apply(context.Background(), &adminv1.RevisionServiceApplyRequest{
		Environment: environment, Changes: changes, ValidateOnly: validateOnly,
	})
	if err != nil {
		n.Fatal(err)
	}
}

// edit moves some slots of one layer.
func (n *bench) edit(layers int, i int64) {
	layer := benchLayer(int32(i%int64(layers)), 1+int32(i*37%9998))
	n.apply([]*adminv1.Change{{Change: &adminv1.Change_UpsertLayer{UpsertLayer: layer}}}, false)
}

// percentiles reports what share of calls took how long.
func percentiles(b *testing.B, took []time.Duration) {
	b.Helper()
	slices.Sort(took)
	for _, p := range []int{50, 99} {
		b.ReportMetric(float64(took[(len(took)-1)*p/100].Microseconds())/1000, fmt.Sprintf("p%d-ms", p))
	}
}

// BenchmarkControlApply is one change after the other, of 1,000 layers.
func BenchmarkControlApply(b *testing.B) {
	n := newBench(b)
	n.apply(configuration(1000), false)
	var took []time.Duration
	for i := int64(0); b.Loop(); i++ {
		began := time.Now()
		n.edit(1000, i)
		took = append(took, time.Since(began))
	}
	percentiles(b, took)
}

// BenchmarkControlWriters is changes by 16 writers at once, of 1,000 layers.
func BenchmarkControlWriters(b *testing.B) {
	n := newBench(b)
	n.apply(configuration(1000), false)
	var next atomic.Int64
	var wait sync.WaitGroup
	b.ResetTimer()
	for range 16 {
		wait.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				n.edit(1000, i)
			}
		})
	}
	wait.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "applies/s")
}

// BenchmarkControlPlan is the plan of a configuration of 10,000 layers that is
// all new, and that of a change of one layer of it.
func BenchmarkControlPlan(b *testing.B) {
	n := newBench(b)
	whole := configuration(10_000)
	b.Run("whole", func(b *testing.B) {
		for b.Loop() {
			n.apply(whole, true)
		}
	})
	n.apply(whole, false)
	b.Run("one", func(b *testing.B) {
		for i := int32(0); b.Loop(); i++ {
			n.apply([]*adminv1.Change{{Change: &adminv1.Change_UpsertLayer{UpsertLayer: benchLayer(i%10_000, 100)}}}, true)
		}
	})
}

// BenchmarkControlList is pages of 50 of 5,000 experiments, and a search.
func BenchmarkControlList(b *testing.B) {
	n := newBench(b)
	n.apply(configuration(5000), false)
	experiments := adminv1connect.NewExperimentServiceClient(n.http, n.url)
	for _, list := range []struct {
		name    string
		request *adminv1.ExperimentServiceListRequest
	}{
		{"page", &adminv1.ExperimentServiceListRequest{}},
		{"service", &adminv1.ExperimentServiceListRequest{Service: "service7"}},
		{"query", &adminv1.ExperimentServiceListRequest{Query: "experiment 49"}},
		{"1000", &adminv1.ExperimentServiceListRequest{PageSize: 1000}},
	} {
		list.request.Environment = environment
		b.Run(list.name, func(b *testing.B) {
			var took []time.Duration
			for b.Loop() {
				began := time.Now()
				if _, err := experiments.List(context.Background(), list.request); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(began))
			}
			percentiles(b, took)
		})
	}
}

// BenchmarkControlSigned is one read, signed by a session and by a signature of
// its own, whose nonce is noted in the database.
func BenchmarkControlSigned(b *testing.B) {
	n := newBench(b)
	transport := &http.Transport{}
	b.Cleanup(transport.CloseIdleConnections)
	for _, signed := range []struct {
		name     string
		sessions bool
	}{{"session", true}, {"request", false}} {
		client := &http.Client{Transport: &accesskey.Transport{
			Key: n.key, Audience: "control-plane", Sessions: func(string) bool { return signed.sessions }, Next: transport,
		}}
		fields := adminv1connect.NewFieldServiceClient(client, n.url)
		b.Run(signed.name, func(b *testing.B) {
			var took []time.Duration
			for b.Loop() {
				began := time.Now()
				if _, err := fields.List(context.Background(), &adminv1.FieldServiceListRequest{Environment: environment}); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(began))
			}
			percentiles(b, took)
		})
	}
}

// BenchmarkControlHistory reads the contents at a revision of a long history
// that is not in memory, so that a state has to be made of the changelog.
func BenchmarkControlHistory(b *testing.B) {
	n := newBench(b)
	const layers, edits = 100, 3000
	n.apply(configuration(layers), false)
	for i := range int64(edits) {
		n.edit(layers, i)
	}
	for i := int64(0); b.Loop(); i++ {
		at := &adminv1.RevisionServiceGetRequest_Revision{Revision: 3 + i*11%(edits-200)}
		_, err := n.revisions.Get(context.Background(), &adminv1.RevisionServiceGetRequest{Environment: environment, At: at, WithContents: true})
		if err != nil {
			b.Fatal(err)
		}
	}
}
