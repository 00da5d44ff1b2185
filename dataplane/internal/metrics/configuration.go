package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/strata-exp/strata/dataplane/internal/snapshot"
)

// otherLayers is the label of all layers that are not counted one by one. It
// may be a layer's name too; then both are one series.
const otherLayers = "other"

// configuration collects what a holder knows, at the time it is asked.
type configuration struct {
	holder *snapshot.Holder

	reloads, matches, epoch, revision, loaded, stale, success, layers, experiments *prometheus.Desc
}

func newConfiguration(holder *snapshot.Holder) *configuration {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	return &configuration{
		holder: holder,
		reloads: desc("experiment_layer_reload_total",
			"Configurations that were loaded, by result: success for those that were served, failure for those that were refused.", "result"),
		matches: desc("strata_layer_matches_total",
			"Matches of a layer in evaluations. The 1,000 layers of highest priority are counted one by one, all others as other.", "layer"),
		epoch:    desc("strata_config_epoch", "The epoch of the revision that is served: later histories of revisions have larger ones."),
		revision: desc("strata_config_revision", "The revision that is served."),
		loaded: desc("strata_config_loaded_timestamp_seconds",
			"Since when the revision has been served; time() minus this is its age."),
		stale: desc("strata_config_stale_seconds",
			"For how long nothing has confirmed that the configuration that is served, or was refused, is the newest."),
		success:     desc("strata_config_last_reload_success", "1 if the last configuration was taken, 0 if it was refused."),
		layers:      desc("strata_config_layers", "Layers in the configuration that is served."),
		experiments: desc("strata_config_experiments", "Experiments in the configuration that is served."),
	}
}

func (c *configuration) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		c.reloads, c.matches, c.epoch, c.revision, c.loaded, c.stale, c.success, c.layers, c.experiments,
	} {
		out <- d
	}
}

func (c *configuration) Collect(out chan<- prometheus.Metric) {
	counter := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
	}
	gauge := func(d *prometheus.Desc, v float64) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v)
	}
	published, refused := c.holder.Loads()
	counter(c.reloads, float64(published), "success")
	counter(c.reloads, float64(refused), "failure")
	success := 1.0
	if _, failed := c.holder.Failure(); failed {
		success = 0
	}
	gauge(c.success, success)
	if stale, known := c.holder.Stale(); known {
		gauge(c.stale, stale.Seconds())
	}
	running := c.holder.Current()
	if running == nil {
		return
	}
	gauge(c.epoch, float64(running.Epoch))
	gauge(c.revision, float64(running.Revision()))
	gauge(c.loaded, float64(running.LoadedAt.UnixMilli())/1e3)
	gauge(c.layers, float64(running.Ruleset.Layers()))
	gauge(c.experiments, float64(running.Ruleset.Experiments()))
	other := running.Matches.Other()
	for layer, n := range running.Matches.All() {
		if layer == otherLayers {
			other += n
			continue
		}
		counter(c.matches, float64(n), layer)
	}
	counter(c.matches, float64(other), otherLayers)
}
