package dataplane

import (
	"net/http"
	"time"

	"github.com/strata-exp/strata/dataplane/internal/api"
	"github.com/strata-exp/strata/dataplane/internal/cors"
	"github.com/strata-exp/strata/dataplane/internal/ingest"
	"github.com/strata-exp/strata/dataplane/internal/metrics"
	"github.com/strata-exp/strata/dataplane/internal/ofrep"
	"github.com/strata-exp/strata/dataplane/internal/snapshot"
	"github.com/strata-exp/strata/internal/rpc"
)

// eventsHeartbeat is how long a stream of events to a browser may be silent: less
// than proxies wait for.
const eventsHeartbeat = 15 * time.Second

func (c *Config) ofrep(holder *snapshot.Holder, m *metrics.Metrics, sink *ingest.Counted, edge *rpc.Edge) ofrep.Config {
	return ofrep.Config{
		Holder: holder, Metrics: m, Sink: sink, Edge: edge, Now: time.Now,
		TargetingKey: c.OFREPTargetingKey,
		StaleAfter:   api.StaleAfter, Heartbeat: eventsHeartbeat,
	}
}

// cors lets pages of the configured origins call.
func (c *Config) cors(next http.Handler) http.Handler {
	return cors.Handler(c.CORSOrigins,
		[]string{"If-None-Match", ofrep.ServicesHeader, ofrep.ExposuresHeader},
		[]string{"ETag", "Retry-After", api.StaleHeader}, next)
}

// knows returns whether there is a service of a name in what runs.
func knows(holder *snapshot.Holder) func(service string) bool {
	return func(service string) bool {
		running := holder.Current()
		return running != nil && running.Ruleset.Knows(service, "")
	}
}
