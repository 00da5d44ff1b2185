package pgcluster_test

import (
	"testing"

	"github.com/strata-exp/strata/internal/pgcluster"
)

// BenchmarkStart is the time from nothing running to the first answer.
func BenchmarkStart(b *testing.B) {
	for _, durable := range []bool{false, true} {
		name := "throw-away"
		if durable {
			name = "durable"
		}
		b.Run(name+"/new", func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				config := pgcluster.Config{Dir: folder(b), Durable: durable}
				b.StartTimer()
				startAndStop(b, config)
			}
		})
		b.Run(name+"/existing", func(b *testing.B) {
			config := pgcluster.Config{Dir: folder(b), Durable: durable}
			startAndStop(b, config)
			for b.Loop() {
				startAndStop(b, config)
			}
		})
	}
}

// startAndStop takes the time of starting alone.
func startAndStop(b *testing.B, config pgcluster.Config) {
	b.Helper()
	cluster, err := pgcluster.Start(b.Context(), config)
	if err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	stop(b, cluster)
	b.StartTimer()
}
