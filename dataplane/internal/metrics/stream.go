package metrics

import "github.com/prometheus/client_golang/prometheus"

// RegisterStream registers the metrics of a config stream that is followed.
// Connected reports whether there is one now, failures how often the last good
// configuration could not be written.
func RegisterStream(registry prometheus.Registerer, connected func() bool, failures func() int64) {
	registry.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "strata_stream_connected",
			Help: "1 while the config stream is open, or fetched where streams do not get through, 0 while it is not.",
		}, func() float64 {
			if connected() {
				return 1
			}
			return 0
		}),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "strata_last_good_failures_total",
			Help: "Failures to write the last good configuration, so that an older one is on the disk.",
		}, func() float64 { return float64(failures()) }),
	)
}
