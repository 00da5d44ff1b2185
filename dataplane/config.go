package dataplane

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"
)

// Config is how a data plane runs. Start from Default.
type Config struct {
	// HTTPAddr is where the evaluation API listens, as host:port. An empty host is
	// all interfaces, port 0 one that is free.
	HTTPAddr string
	// MetricsAddr is where /metrics, /healthz and /readyz are served.
	MetricsAddr string

	// LayersDir and ExperimentsDir are folders of configuration files. Required.
	LayersDir      string
	ExperimentsDir string
	// FieldsFile declares the types of context fields. If it is empty, a
	// fields.json, fields.yaml or fields.yml beside LayersDir is used where there
	// is one.
	FieldsFile string

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
	// OnListening, if not nil, is told the real addresses once both listen and the
	// plane is ready. It is called once, before Run returns.
	OnListening func(Addresses)
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
	for _, address := range []struct{ flag, value string }{
		{"http-addr", c.HTTPAddr}, {"metrics-addr", c.MetricsAddr},
	} {
		if _, _, err := net.SplitHostPort(address.value); err != nil {
			fail("--%s %q: want host:port or :port", address.flag, address.value)
		}
	}
	if c.LayersDir == "" {
		fail("--layers-dir: want the folder of the layers, got nothing (LAYERS_DIR is taken too)")
	}
	if c.ExperimentsDir == "" {
		fail("--experiments-dir: want the folder of the experiments, got nothing (EXPERIMENTS_DIR is taken too)")
	}
	if c.DrainDelay < 0 {
		fail("--drain-delay %v: want 0 or more", c.DrainDelay)
	}
	if c.StopTimeout <= 0 {
		fail("--stop-timeout %v: want more than 0", c.StopTimeout)
	}
	return errors.Join(errs...)
}
