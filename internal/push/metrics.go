package push

import (
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
)

// metrics is what a server tells Prometheus of its streams.
type metrics struct {
	starts  *prometheus.CounterVec
	ends    *prometheus.CounterVec
	refused *prometheus.CounterVec
	bytes   prometheus.Counter
	delay   prometheus.Histogram
}

// cause is why a call was not begun.
type cause string

const (
	causeStopping     cause = "stopping"
	causeDeclined     cause = "declined"
	causeOverloaded   cause = "overloaded"     // too many streams, or too many at once
	causeStreamsOfKey cause = "streams_of_key" // too many of one access key
	causeScopes       cause = "scopes"         // too many scopes
	causeScopesOfKey  cause = "scopes_of_key"  // as above
)

// newMetrics registers the metrics, unless there is no registry.
func newMetrics(registry prometheus.Registerer, open func() int) *metrics {
	m := &metrics{
		starts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "strata_push_starts_total",
			Help: "Streams and fetches that began, by what was sent first: none, delta or full.",
		}, []string{"intent"}),
		ends: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "strata_push_goodbyes_total",
			Help: "Streams that the server ended, by reason.",
		}, []string{"reason"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "strata_push_refusals_total",
			Help: "Streams and fetches that were not begun, by cause.",
		}, []string{"cause"}),
		bytes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "strata_push_sent_bytes_total",
			Help: "Changes that were sent, as they are compressed.",
		}),
		delay: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "strata_push_delay_seconds",
			Help:    "The time from when a revision was published here until a follower was sent it, streams that just began apart.",
			Buckets: []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10},
		}),
	}
	if registry != nil {
		registry.MustRegister(m.starts, m.ends, m.refused, m.bytes, m.delay, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "strata_push_streams",
			Help: "Streams that are open.",
		}, func() float64 { return float64(open()) }))
	}
	return m
}

func (m *metrics) begun(intent servingv1.Hello_Intent) {
	m.starts.WithLabelValues(strings.ToLower(strings.TrimPrefix(intent.String(), "INTENT_"))).Inc()
}

func (m *metrics) refuses(c cause) { m.refused.WithLabelValues(string(c)).Inc() }

func (m *metrics) ended(reason servingv1.Goodbye_Reason) {
	m.ends.WithLabelValues(strings.ToLower(strings.TrimPrefix(reason.String(), "REASON_"))).Inc()
}

func (m *metrics) sent(u *update, to *moment, first bool) {
	m.bytes.Add(float64(u.bytes))
	if !first {
		m.delay.Observe(time.Since(to.made).Seconds())
	}
}
