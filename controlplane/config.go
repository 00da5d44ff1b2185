package controlplane

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

// Config is how a control plane runs. Start from Default.
type Config struct {
	// DatabaseURL is the URL of a PostgreSQL database, as pgx reads it. Required.
	DatabaseURL string
	// AllowUnsafeDatabase lets a database be used that may lose what it has
	// committed when its machine fails (fsync or full_page_writes is off).
	AllowUnsafeDatabase bool

	// HTTPAddr is where the admin API listens, as host:port. As nobody has to say
	// who they are yet, the host has to be one of this machine alone.
	HTTPAddr string
	// MetricsAddr is where /metrics, /healthz and /readyz are served.
	MetricsAddr string
	// DrainDelay is how long the plane goes on serving after it was told to stop
	// and says that it is not ready. 0 is none.
	DrainDelay time.Duration
	// StopTimeout is how long requests that are under way may then take, before
	// they are cut off.
	StopTimeout time.Duration

	// Version stands in GET /healthz. Empty leaves it out.
	Version string
	// Log takes the plane's records. Nil discards them.
	Log *slog.Logger
	// OnListening, if not nil, is told how to reach the plane once it is ready. It
	// is called once, before Run returns.
	OnListening func(Listening)
}

// Listening is how to reach a control plane that runs.
type Listening struct {
	HTTP, Metrics net.Addr
	// Feed returns the revisions of an environment, for data planes in the same
	// process.
	Feed func(environment string) *Feed
}

// Feed hands over an environment's configuration, revision by revision. It is
// safe for concurrent use.
type Feed struct {
	environment string
	next        func(ctx context.Context, environment string, after int64) (*configv1.Delta, error)
}

// Next returns what leads from a revision to a later one, as soon as there is
// one; what came in between is merged. After 0, or after a revision that is no
// longer in memory, that is the whole configuration, with from_revision 0.
func (f *Feed) Next(ctx context.Context, after int64) (*configv1.Delta, error) {
	return f.next(ctx, f.environment, after)
}

// Default returns what holds unless something else is said.
func Default() Config {
	return Config{
		HTTPAddr:    "127.0.0.1:8082",
		MetricsAddr: ":9092",
		DrainDelay:  200 * time.Millisecond,
		StopTimeout: 10 * time.Second,
	}
}

// Validate returns everything that is wrong with the configuration, in the words
// of its flags.
func (c *Config) Validate() error {
	var errs []error
	for _, address := range c.addresses() {
		errs = append(errs, address.Validate())
	}
	if host, _, err := net.SplitHostPort(c.HTTPAddr); err == nil && !loopback(host) {
		errs = append(errs, fmt.Errorf("--http-addr %q: want an address of this machine alone, such as 127.0.0.1:8082, as callers are not authenticated yet", c.HTTPAddr))
	}
	if c.DatabaseURL == "" {
		errs = append(errs, errors.New("--database-url: want the URL of a PostgreSQL database, got nothing (DATABASE_URL is taken too)"))
	}
	if c.DrainDelay < 0 {
		errs = append(errs, fmt.Errorf("--drain-delay %v: want 0 or more", c.DrainDelay))
	}
	if c.StopTimeout <= 0 {
		errs = append(errs, fmt.Errorf("--stop-timeout %v: want more than 0", c.StopTimeout))
	}
	return errors.Join(errs...)
}

func (c *Config) addresses() []service.Address {
	return []service.Address{{Flag: "http-addr", Value: c.HTTPAddr}, {Flag: "metrics-addr", Value: c.MetricsAddr}}
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
