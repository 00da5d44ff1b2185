package dataplane

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	"github.com/strata-exp/strata/internal/service"
)

// Config is how a data plane runs. Start from Default.
type Config struct {
	// HTTPAddr is where the evaluation API listens, as host:port. An empty host is
	// all interfaces, port 0 one that is free.
	HTTPAddr string
	// MetricsAddr is where /metrics, /healthz and /readyz are served.
	MetricsAddr string

	// Feed, if not nil, is where configurations come from instead of files.
	Feed Feed

	// LayersDir and ExperimentsDir are folders of configuration files. Required
	// without a Feed.
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

// Feed hands over an environment's configuration, revision by revision.
type Feed interface {
	// Next returns what leads from a revision to a later one, as soon as there is
	// one; what came in between is merged. After 0, or after a revision that the
	// feed no longer knows, that is the whole configuration, with from_revision 0.
	// It is asked again after an error, and returns one when ctx ends. The messages
	// must not be changed afterwards.
	Next(ctx context.Context, after int64) (*configv1.Delta, error)
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
	for _, address := range c.addresses() {
		errs = append(errs, address.Validate())
	}
	if c.Feed == nil && c.LayersDir == "" {
		fail("--layers-dir: want the folder of the layers, got nothing (LAYERS_DIR is taken too)")
	}
	if c.Feed == nil && c.ExperimentsDir == "" {
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

func (c *Config) addresses() []service.Address {
	return []service.Address{{Flag: "http-addr", Value: c.HTTPAddr}, {Flag: "metrics-addr", Value: c.MetricsAddr}}
}
