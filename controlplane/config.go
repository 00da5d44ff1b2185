package controlplane

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/strata-exp/strata/internal/service"
)

// Config is how a control plane runs. Start from Default.
type Config struct {
	// DatabaseURL is the URL of a PostgreSQL database, as pgx reads it. Required.
	DatabaseURL string
	// AllowUnsafeDatabase lets a database be used that may lose what it has
	// committed when its machine fails (fsync or full_page_writes is off).
	AllowUnsafeDatabase bool

	// HTTPAddr is where the admin API listens, as host:port.
	HTTPAddr string
	// Audience is the name that callers sign for. All control planes of a database
	// share it, and nobody else should.
	Audience string
	// PushAddr is where the config stream is served to data planes and SDKs.
	PushAddr string
	// Heartbeat is how long a stream may be silent, MaxStreamAge about how long it
	// may live.
	Heartbeat, MaxStreamAge time.Duration
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
	HTTP, Push, Metrics net.Addr
}

// Default returns what holds unless something else is said.
func Default() Config {
	return Config{
		HTTPAddr:     ":8082",
		Audience:     "control-plane",
		PushAddr:     ":9091",
		Heartbeat:    15 * time.Second,
		MaxStreamAge: 30 * time.Minute,
		MetricsAddr:  ":9092",
		DrainDelay:   200 * time.Millisecond,
		StopTimeout:  10 * time.Second,
	}
}

// Validate returns everything that is wrong with the configuration, in the words
// of its flags.
func (c *Config) Validate() error {
	var errs []error
	for _, address := range c.addresses() {
		errs = append(errs, address.Validate())
	}
	if c.Audience == "" || len(c.Audience) > maxAudience || strings.ContainsFunc(c.Audience, notPlain) {
		errs = append(errs, fmt.Errorf("--audience %q: want 1 to %d characters of ASCII that are seen", c.Audience, maxAudience))
	}
	if c.DatabaseURL == "" {
		errs = append(errs, errors.New("--database-url: want the URL of a PostgreSQL database, got nothing (DATABASE_URL is taken too)"))
	}
	if c.Heartbeat <= 0 {
		errs = append(errs, fmt.Errorf("--heartbeat %v: want more than 0", c.Heartbeat))
	}
	if c.MaxStreamAge < c.Heartbeat {
		errs = append(errs, fmt.Errorf("--max-stream-age %v: want at least a heartbeat, which is %v", c.MaxStreamAge, c.Heartbeat))
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
	return []service.Address{
		{Flag: "http-addr", Value: c.HTTPAddr}, {Flag: "push-addr", Value: c.PushAddr}, {Flag: "metrics-addr", Value: c.MetricsAddr},
	}
}

// maxAudience is how long an audience may be, in bytes.
const maxAudience = 256

// notPlain reports whether a character can not be in an audience.
func notPlain(r rune) bool { return r <= ' ' || r > '~' }
