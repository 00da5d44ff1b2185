// Package metrics is what a data plane tells Prometheus. The names that begin
// with experiment_ are the project's oldest and stay; the others begin with
// strata_. All labels are bounded: procedures and codes are ours, and layers
// are counted one by one only up to snapshot.MaxCountedLayers.
package metrics

import (
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/strata-exp/strata/dataplane/internal/snapshot"
	"github.com/strata-exp/strata/sdk/go/engine"
)

// sampled is how many evaluations there are to one that is timed: reading the
// clock around every rule would cost more than the rules.
const sampled = 64

// Metrics counts what a data plane does. Its methods are safe for concurrent
// use and cheap enough for every call.
type Metrics struct {
	requests    *prometheus.CounterVec
	errors      *prometheus.CounterVec
	failures    *prometheus.CounterVec
	duration    *prometheus.HistogramVec
	known       map[string]prometheus.Counter // requests of known procedures; never changed
	rules       prometheus.Counter
	ruleSeconds prometheus.Histogram
	merges      prometheus.Histogram
	epoch       time.Time
}

// New registers the metrics. The procedures are those that will be called most;
// they are there from the start, so that rates have a zero to begin with.
func New(registry prometheus.Registerer, holder *snapshot.Holder, procedures ...string) *Metrics {
	fast := []float64{1e-7, 2.5e-7, 5e-7, 1e-6, 2.5e-6, 5e-6, 1e-5, 2.5e-5, 1e-4, 1e-3, 1e-2}
	m := &Metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "experiment_requests_total",
			Help: "Calls, by procedure.",
		}, []string{"procedure"}),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "experiment_request_errors_total",
			Help: "Calls that ended in an error, by procedure. Divide by experiment_requests_total for the error rate.",
		}, []string{"procedure"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "strata_request_failures_total",
			Help: "Calls that ended in an error, by procedure and code.",
		}, []string{"procedure", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "experiment_request_duration_seconds",
			Help:    "Time from the headers of a request to the end of its answer, by procedure.",
			Buckets: []float64{2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 1},
		}, []string{"procedure"}),
		known: map[string]prometheus.Counter{},
		rules: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "experiment_rule_evaluations_total",
			Help: "Rules of experiments that were evaluated.",
		}),
		ruleSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "strata_rule_evaluation_seconds",
			Help:    "Time that the evaluation of one service spent in rules. Measured on 1 of 64 evaluations.",
			Buckets: fast,
		}),
		merges: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "strata_merge_seconds",
			Help: "Time of a merge of parameters. Only combinations of variants that were not seen lately are merged. " +
				"Measured on 1 of 64 evaluations.",
			Buckets: fast,
		}),
		epoch: time.Now(),
	}
	for _, procedure := range procedures {
		m.known[procedure] = m.requests.WithLabelValues(label(procedure))
		m.errors.WithLabelValues(label(procedure))
		m.duration.WithLabelValues(label(procedure))
	}
	registry.MustRegister(m.requests, m.errors, m.failures, m.duration, m.rules, m.ruleSeconds, m.merges,
		newConfiguration(holder))
	return m
}

// label is a procedure's name as in other tools: without the slash of its path.
func label(procedure string) string { return strings.TrimPrefix(procedure, "/") }

// Observe counts a call and how it ended; code is 0 for success.
func (m *Metrics) Observe(procedure string, code connect.Code) {
	requests, ok := m.known[procedure]
	if !ok {
		requests = m.requests.WithLabelValues(label(procedure))
	}
	requests.Inc()
	if code != 0 {
		m.errors.WithLabelValues(label(procedure)).Inc()
		m.failures.WithLabelValues(label(procedure), code.String()).Inc()
	}
}

// Timed measures how long next takes.
func (m *Metrics) Timed(procedure string, next http.Handler) http.Handler {
	duration := m.duration.WithLabelValues(label(procedure))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		next.ServeHTTP(w, r)
		duration.Observe(time.Since(start).Seconds())
	})
}

// Meter returns a meter for some evaluations, which is to be passed to Record
// after each of them, and at the end to Done.
func (m *Metrics) Meter() engine.Meter {
	if rand.Uint32()%sampled == 0 {
		return engine.Meter{Now: m.nanos}
	}
	return engine.Meter{}
}

// Record takes the times of one evaluation from the meter.
func (m *Metrics) Record(meter *engine.Meter) {
	if meter.Now == nil {
		return
	}
	if meter.RuleNanos > 0 {
		m.ruleSeconds.Observe(seconds(meter.RuleNanos))
	}
	if meter.Merges > 0 {
		m.merges.Observe(seconds(meter.MergeNanos))
	}
	meter.RuleNanos, meter.Merges, meter.MergeNanos = 0, 0, 0
}

// Done takes the counts from the meter.
func (m *Metrics) Done(meter *engine.Meter) {
	if meter.Rules > 0 {
		m.rules.Add(float64(meter.Rules))
	}
}

func (m *Metrics) nanos() int64 { return int64(time.Since(m.epoch)) }

func seconds(nanos int64) float64 { return time.Duration(nanos).Seconds() }
