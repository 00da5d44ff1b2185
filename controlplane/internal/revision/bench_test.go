package revision_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/strata-exp/strata/controlplane/internal/revision"
	"github.com/strata-exp/strata/controlplane/internal/state"
	"github.com/strata-exp/strata/db/dbtest"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
)

// BenchmarkControlWriters is changes of one layer each by 16 writers.
func BenchmarkControlWriters(b *testing.B) {
	s := newStore(dbtest.Open(b))
	if _, err := s.CreateEnvironment(b.Context(), &adminv1.Environment{Name: env}, false, "test"); err != nil {
		b.Fatal(err)
	}
	seed(b, s, 1000)
	var next atomic.Int64
	var wait sync.WaitGroup
	b.ResetTimer()
	for range 16 {
		wait.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				id := int32(i % 1000)
				c := layer(fmt.Sprintf("layer_%04d", id), slots(0, 1+int32(i%9998), 2*id+1), slots(9999, 10000, 2*id+2))
				if _, err := s.Apply(context.Background(), request(c)); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wait.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "applies/s")
}

func seed(tb testing.TB, s *revision.Store, layers int) {
	tb.Helper()
	var changes []state.Change
	for i := range int32(layers) {
		changes = append(changes,
			layer(fmt.Sprintf("layer_%04d", i), slots(0, 5000, 2*i+1), slots(5000, 10000, 2*i+2)),
			experiment(i+1, 2*i+1, 2*i+2))
	}
	if _, err := s.Apply(tb.Context(), request(changes...)); err != nil {
		tb.Fatal(err)
	}
}
