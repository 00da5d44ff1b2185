package strata

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/strata-exp/strata/sdk/go/accesskey"
)

// Config says what a Client follows. What is left out comes from the environment
// variable that is named; the URL is the only one that is needed.
type Config struct {
	// URL is where the data plane is, such as "https://strata.example.com":
	// STRATA_URL.
	URL string
	// AccessKey and SecretKey sign what is sent: STRATA_ACCESS_KEY and
	// STRATA_SECRET_KEY. The access key alone may be left out, as the secret key
	// has it. Without both nothing is signed.
	AccessKey, SecretKey string
	// Environment is what is followed: STRATA_ENVIRONMENT. Empty is the one that
	// the data plane serves; it must not be empty with a CacheDir.
	Environment string
	// Services, if not empty, are those that are followed alone: at most 1,000, of
	// 1 to 256 bytes each. Others are not known then.
	Services []string
	// CacheDir is the folder that the last configuration is kept in:
	// STRATA_CACHE_DIR. It is for one Client at a time, and made when it is first
	// written to. Empty keeps none.
	CacheDir string
	// Instance tells this Client from all others, in at most 256 bytes. Empty is
	// the host's name with something random.
	Instance string
	// Audience is the name of the server that signatures are for. Empty is
	// "data-plane", which data planes take; control planes are "control-plane".
	Audience string
	// Log is told what happens to the connection. Nil is nobody.
	Log *slog.Logger
}

const (
	urlVariable         = "STRATA_URL"
	environmentVariable = "STRATA_ENVIRONMENT"
	cacheDirVariable    = "STRATA_CACHE_DIR"

	defaultAudience = "data-plane"

	// Limits of the contract.
	maxNameBytes        = 256
	maxEnvironmentBytes = 63
	maxServices         = 1000
)

// settings is a Config that is complete.
type settings struct {
	Config
	key *accesskey.Key // nil: none
}

// resolve completes the Config. The error names all that is wrong.
func (c Config) resolve() (settings, error) {
	c.URL = strings.TrimSpace(cmp.Or(c.URL, os.Getenv(urlVariable)))
	c.AccessKey = cmp.Or(c.AccessKey, os.Getenv(accesskey.AccessKeyVariable))
	c.SecretKey = cmp.Or(c.SecretKey, os.Getenv(accesskey.SecretKeyVariable))
	c.Environment = cmp.Or(c.Environment, os.Getenv(environmentVariable))
	c.CacheDir = cmp.Or(c.CacheDir, os.Getenv(cacheDirVariable))
	c.Audience = cmp.Or(c.Audience, defaultAudience)
	c.Log = cmp.Or(c.Log, slog.New(slog.DiscardHandler))
	c.Services = slices.Clone(c.Services)
	if c.Instance == "" {
		c.Instance = newInstance()
	}
	s := settings{Config: c}
	errs := append(c.faults(), c.urlFault())
	if c.AccessKey != "" || c.SecretKey != "" {
		var err error
		s.key, err = accesskey.Parse(c.AccessKey, c.SecretKey)
		errs = append(errs, err)
	}
	return s, errors.Join(errs...)
}

func (c Config) urlFault() error {
	if c.URL == "" {
		return fmt.Errorf("the URL (%s) is empty: want one such as http://localhost:8080", urlVariable)
	}
	at, err := url.Parse(c.URL)
	switch {
	case err != nil:
		return fmt.Errorf("the URL (%s): %w", urlVariable, err)
	case at.Scheme != "http" && at.Scheme != "https" || at.Host == "":
		return fmt.Errorf("the URL (%s) is %q: want one such as http://localhost:8080", urlVariable, c.URL)
	case at.RawQuery != "" || at.Fragment != "":
		return fmt.Errorf("the URL (%s) is %q: want one without a query and a fragment", urlVariable, c.URL)
	}
	return nil
}

func (c Config) faults() (errs []error) {
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if !sendable(c.Environment, maxEnvironmentBytes) {
		fail("the environment (%s) has %d bytes: want at most %d, of UTF-8", environmentVariable, len(c.Environment), maxEnvironmentBytes)
	}
	if c.CacheDir != "" && c.Environment == "" {
		fail("the environment (%s) is empty: what is kept in the cache folder (%s) has to be of a certain one",
			environmentVariable, cacheDirVariable)
	}
	if len(c.Services) > maxServices {
		fail("%d services: want at most %d", len(c.Services), maxServices)
	}
	for i, service := range c.Services {
		if service == "" || !sendable(service, maxNameBytes) {
			fail("service %d has %d bytes: want 1 to %d, of UTF-8", i, len(service), maxNameBytes)
		}
	}
	if !sendable(c.Instance, maxNameBytes) {
		fail("the instance has %d bytes: want at most %d, of UTF-8", len(c.Instance), maxNameBytes)
	}
	return errs
}

// newInstance returns a name that no other process has.
func newInstance() string {
	const maxHost = 200
	host, err := os.Hostname()
	if err != nil {
		host = "host"
	}
	return host[:min(len(host), maxHost)] + "-" + strings.ToLower(rand.Text()[:8])
}

// software is the SDK and its version, as servers are told.
func software() string {
	const module = "github.com/strata-exp/strata"
	version := ""
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range append(info.Deps, &info.Main) {
			if m.Path == module {
				version = m.Version
			}
		}
	}
	return "strata-go/" + cmp.Or(version, "(devel)")
}
