package metrics_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"

	"github.com/strata-exp/strata/dataplane/internal/metrics"
	"github.com/strata-exp/strata/dataplane/internal/snapshot"
	"github.com/strata-exp/strata/internal/obs"
	"github.com/strata-exp/strata/sdk/go/engine"
)

const procedure = "/a.v1.B/C"

func TestMetrics(t *testing.T) {
	t.Parallel()
	holder := snapshot.NewHolder(func() time.Time { return time.UnixMilli(1500) })
	registry := obs.NewRegistry()
	m := metrics.New(registry, holder, procedure)
	expect := func(lines ...string) {
		t.Helper()
		recorder := httptest.NewRecorder()
		obs.MetricsHandler(registry, obs.Discard()).ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		for _, line := range lines {
			if !strings.Contains(recorder.Body.String(), "\n"+line+"\n") {
				t.Errorf("%s is not in:\n%s", line, recorder.Body)
			}
		}
	}
	expect(
		`experiment_requests_total{procedure="a.v1.B/C"} 0`,
		`experiment_request_errors_total{procedure="a.v1.B/C"} 0`,
		`experiment_layer_reload_total{result="success"} 0`,
		`strata_config_last_reload_success 1`,
	)

	ruleset, err := engine.Compile(nil, &configv1.Snapshot{Revision: 7, Layers: []*configv1.Layer{
		{LayerId: "a", Salt: "a", HashKey: "k"},
		{LayerId: "other", Salt: "b", HashKey: "k"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Publish(0, ruleset); err != nil {
		t.Fatal(err)
	}
	holder.Refuse(http.ErrAbortHandler)
	holder.Current().Matches.Count([]string{"a", "a", "other", "unknown"})
	m.Observe(procedure, 0)
	m.Observe(procedure, connect.CodeInvalidArgument)
	m.Observe("/x.v1.Y/Z", 0)
	timed := m.Timed(procedure, http.NotFoundHandler())
	timed.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	meter := engine.Meter{Now: func() int64 { return 0 }, Rules: 3, RuleNanos: 1500, Merges: 1, MergeNanos: 300}
	m.Record(&meter)
	m.Record(&meter) // nothing more to take
	m.Done(&meter)
	expect(
		`experiment_requests_total{procedure="a.v1.B/C"} 2`,
		`experiment_requests_total{procedure="x.v1.Y/Z"} 1`,
		`experiment_request_errors_total{procedure="a.v1.B/C"} 1`,
		`strata_request_failures_total{code="invalid_argument",procedure="a.v1.B/C"} 1`,
		`experiment_request_duration_seconds_count{procedure="a.v1.B/C"} 1`,
		`experiment_layer_reload_total{result="success"} 1`,
		`experiment_layer_reload_total{result="failure"} 1`,
		`experiment_rule_evaluations_total 3`,
		`strata_rule_evaluation_seconds_count 1`,
		`strata_merge_seconds_count 1`,
		`strata_layer_matches_total{layer="a"} 2`,
		`strata_layer_matches_total{layer="other"} 2`,
		`strata_config_revision 7`,
		`strata_config_loaded_timestamp_seconds 1.5`,
		`strata_config_last_reload_success 0`,
		`strata_config_layers 2`,
		`strata_config_experiments 0`,
	)
}

func TestMeterIsSampled(t *testing.T) {
	t.Parallel()
	m := metrics.New(obs.NewRegistry(), snapshot.NewHolder(time.Now))
	timed := 0
	const n = 64_000
	for range n {
		if meter := m.Meter(); meter.Now != nil {
			timed++
		}
	}
	// Ten standard deviations around one in 64.
	if timed < 1000-320 || timed > 1000+320 {
		t.Errorf("%d of %d were timed", timed, n)
	}
}

func TestStream(t *testing.T) {
	t.Parallel()
	registry := obs.NewRegistry()
	connected, failures := false, int64(0)
	metrics.RegisterStream(registry, func() bool { return connected }, func() int64 { return failures })
	expect := func(lines ...string) {
		t.Helper()
		recorder := httptest.NewRecorder()
		obs.MetricsHandler(registry, obs.Discard()).ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		for _, line := range lines {
			if !strings.Contains(recorder.Body.String(), "\n"+line+"\n") {
				t.Errorf("%s is not in:\n%s", line, recorder.Body)
			}
		}
	}
	expect("strata_stream_connected 0", "strata_last_good_failures_total 0", "# TYPE strata_last_good_failures_total counter")
	connected, failures = true, 3
	expect("strata_stream_connected 1", "strata_last_good_failures_total 3")
}
