package ingest

import (
	"context"
	"slices"
	"strconv"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
)

const (
	// maxCountedServices is how many services are counted one by one. It bounds the
	// number of time series.
	maxCountedServices = 1000
	// otherServices is the label of all others.
	otherServices = "other"
)

// Counted is a Sink that counts what goes through it to another one.
type Counted struct {
	next      Sink
	known     func(service string) bool
	exposures *prometheus.CounterVec
	events    prometheus.Counter
	lost      prometheus.Counter
	refusals  prometheus.Counter

	mu       sync.RWMutex
	services map[string]struct{} // that are counted one by one
}

var _ Sink = (*Counted)(nil)

// NewCounted registers the metrics, and returns a Sink that counts what next
// takes. Known reports whether there is a service of a name: what callers make up
// is not counted one by one.
func NewCounted(registry prometheus.Registerer, next Sink, known func(service string) bool) *Counted {
	c := &Counted{
		next: next, known: known, services: map[string]struct{}{},
		exposures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "strata_exposures_total",
			Help: "Exposures that were taken, by service, and by whether the variant was hidden. " +
				"The first 1,000 services of the configuration are counted one by one, all others as other.",
		}, []string{"service", "hidden"}),
		events: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "strata_events_total",
			Help: "Events that were taken.",
		}),
		lost: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "strata_exposures_lost_total",
			Help: "Exposures of evaluations that could not be taken, or are malformed, so that nobody will send them again.",
		}),
		refusals: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "strata_event_refusals_total",
			Help: "Exposures and events that were refused as they are malformed.",
		}),
	}
	registry.MustRegister(c.exposures, c.events, c.lost, c.refusals)
	return c
}

// Record implements Sink.
func (c *Counted) Record(ctx context.Context, batch *Batch) error {
	if err := c.next.Record(ctx, batch); err != nil {
		return err
	}
	for _, e := range batch.Exposures {
		c.exposures.WithLabelValues(c.label(e.GetService()), strconv.FormatBool(e.GetHidden())).Inc()
	}
	c.events.Add(float64(len(batch.Events)))
	return nil
}

// Keep records the exposures of an evaluation. The evaluation is answered whatever
// becomes of them: those that could not be taken are counted. The ones that
// EventService would refuse are among them, such as those of keys that are too
// long: evaluations take what no entry can hold.
func (c *Counted) Keep(ctx context.Context, batch *Batch) {
	fit := slices.DeleteFunc(slices.Clone(batch.Exposures), func(e *servingv1.Exposure) bool { return checkExposure(e).text != "" })
	c.lost.Add(float64(len(batch.Exposures) - len(fit)))
	if len(fit) == 0 {
		return
	}
	if err := c.Record(ctx, &Batch{Exposures: fit, Client: batch.Client, AccessKey: batch.AccessKey}); err != nil {
		c.lost.Add(float64(len(fit)))
	}
}

// Refused counts entries that were refused.
func (c *Counted) Refused(n int) { c.refusals.Add(float64(n)) }

func (c *Counted) label(service string) string {
	c.mu.RLock()
	_, counted := c.services[service]
	c.mu.RUnlock()
	switch {
	case counted:
		return service
	case !c.known(service):
		return otherServices
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.services) >= maxCountedServices {
		return otherServices
	}
	c.services[service] = struct{}{}
	return service
}
