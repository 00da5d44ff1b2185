package dataplane

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/strata-exp/strata/dataplane/internal/cors"
	"github.com/strata-exp/strata/dataplane/internal/source"
	"github.com/strata-exp/strata/internal/service"
)

// Config is how a data plane runs. Start from Default.
type Config struct {
	// HTTPAddr is where the evaluation API listens, as host:port. An empty host is
	// all interfaces, port 0 one that is free.
	HTTPAddr string
	// MetricsAddr is where /metrics, /healthz and /readyz are served.
	MetricsAddr string

	// Environment is the name of the environment that is served. SourceStream
	// requires it; to others it is what followers may ask for.
	Environment string
	// Source is where configurations come from.
	Source SourceKind
	// Files are the settings of SourceFiles, Stream those of SourceStream, and so
	// on. Those of other sources are not looked at.
	Files  FilesConfig
	Stream StreamConfig
	Etcd   EtcdConfig
	Consul ConsulConfig
	// Relay is how the config stream is served to others.
	Relay RelayConfig
	// OFREPTargetingKey, if not empty, is the context attribute that OpenFeature's
	// targetingKey stands for where the attribute is absent. It is for callers of
	// OFREP alone.
	OFREPTargetingKey string
	// CORSOrigins are those whose pages may call from a browser, such as
	// https://app.example.com or, of any port, http://localhost:*. "*" is all of
	// them.
	CORSOrigins []string

	// DrainDelay is how long the plane goes on serving after it was told to stop
	// and says that it is not ready: the time that load balancers and clients
	// have to turn away. 0 is none.
	DrainDelay time.Duration
	// StopTimeout is how long requests that are under way may then take, before
	// they are cut off.
	StopTimeout time.Duration

	// Version stands in GET /health. Empty leaves it out.
	Version string
	// Log takes the plane's records. Nil discards them.
	Log *slog.Logger
	// OnListening, if not nil, is told the real addresses once both listen. It is
	// called once, before Run returns.
	OnListening func(Addresses)
	// OnReady, if not nil, is called once, when the first configuration is served.
	OnReady func()
}

// Addresses are where a data plane listens.
type Addresses struct {
	HTTP, Metrics net.Addr
}

// Default returns what holds unless something else is said.
func Default() Config {
	return Config{
		HTTPAddr:    ":8080",
		MetricsAddr: ":9090",
		Source:      SourceFiles,
		Stream:      StreamConfig{Audience: "control-plane"},
		Etcd:        source.DefaultEtcd(),
		Consul:      source.DefaultConsul(),
		Relay:       RelayConfig{Audience: "data-plane", Heartbeat: 15 * time.Second, MaxStreamAge: 30 * time.Minute},
		// Long enough for a client under load to get one more answer, which tells
		// it to close; short enough for a person who waits for Ctrl-C.
		DrainDelay: 200 * time.Millisecond,
		// Well within the 30 s that Kubernetes gives.
		StopTimeout: 10 * time.Second,
	}
}

// Validate returns everything that is wrong with the configuration, in the words
// of its flags.
func (c *Config) Validate() error {
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	for _, address := range c.addresses() {
		errs = append(errs, address.Validate())
	}
	errs = append(errs, c.validateSource(), c.Relay.validate())
	if err := cors.Origins(c.CORSOrigins).Validate(); err != nil {
		fail("--cors-origin %w", err)
	}
	if c.DrainDelay < 0 {
		fail("--drain-delay %v: want 0 or more", c.DrainDelay)
	}
	if c.StopTimeout <= 0 {
		fail("--stop-timeout %v: want more than 0", c.StopTimeout)
	}
	return errors.Join(errs...)
}

func (c *Config) addresses() []service.Address {
	return []service.Address{{Flag: "http-addr", Value: c.HTTPAddr}, {Flag: "metrics-addr", Value: c.MetricsAddr}}
}
