package dataplane

import (
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/strata-exp/strata/dataplane/internal/source"
	"github.com/strata-exp/strata/sdk/go/accesskey"
)

// SourceKind is a kind of place that configurations come from.
type SourceKind string

// The kinds of sources.
const (
	SourceFiles  SourceKind = "files"
	SourceStream SourceKind = "stream"
	SourceEtcd   SourceKind = "etcd"
	SourceConsul SourceKind = "consul"
)

// FilesConfig says which files are served.
type FilesConfig struct {
	// LayersDir and ExperimentsDir are folders of configuration files. Required.
	LayersDir      string
	ExperimentsDir string
	// FieldsFile declares the types of context fields. If it is empty, a
	// fields.json, fields.yaml or fields.yml beside LayersDir is used where there
	// is one.
	FieldsFile string
}

// StreamConfig says which config stream is followed.
type StreamConfig struct {
	// URL is that of a control plane's config stream, or of another data plane.
	// Required.
	URL string
	// Services, if not empty, are the only ones that are served. A key of
	// ROLE_SDK can not serve others than its own in any case.
	Services []string
	// AccessKey and SecretKey sign the calls. A key of ROLE_PLANE is what a data
	// plane needs. Required.
	AccessKey, SecretKey string
	// Audience is the name that the server at URL goes by: "control-plane", or
	// "data-plane".
	Audience string
	// CAFile, if not empty, has the certificates in PEM by which the server is
	// known, in place of those of the system.
	CAFile string
	// HTTP2 speaks HTTP/2 where the URL has no TLS. With TLS, the two find out.
	HTTP2 bool
	// CacheDir, if not empty, is a folder for the last good configuration, from
	// which the plane starts while the server can not be reached.
	CacheDir string
	// Instance tells the plane from all others of the environment. Empty is the
	// host's name.
	Instance string
}

// EtcdConfig says which keys of an etcd cluster are served.
type EtcdConfig = source.EtcdConfig

// ConsulConfig says which keys of a Consul cluster are served.
type ConsulConfig = source.ConsulConfig

// RelayConfig says how a data plane serves the config stream to SDKs and other
// data planes. It does so to those whose keys it knows: from a config stream that
// it follows with a key of ROLE_PLANE, or from KeysFile.
type RelayConfig struct {
	// Audience is the name that callers sign for.
	Audience string
	// KeysFile, if not empty, has the public keys in YAML, as
	// "strata keys list -o yaml" prints them. It is for sources without keys.
	KeysFile string
	// Heartbeat is how long a stream may be silent, MaxStreamAge about how long it
	// may live.
	Heartbeat, MaxStreamAge time.Duration
}

func (c *Config) validateSource() error {
	switch c.Source {
	case SourceFiles:
		return c.Files.validate()
	case SourceStream:
		if c.Environment == "" {
			return errors.Join(errors.New("--environment: want the name of the environment to serve, got nothing"), c.Stream.validate())
		}
		return c.Stream.validate()
	case SourceEtcd:
		return c.Etcd.Validate()
	case SourceConsul:
		return c.Consul.Validate()
	default:
		return fmt.Errorf("--source %q: want files, stream, etcd or consul", c.Source)
	}
}

func (c *FilesConfig) validate() error {
	var errs []error
	if c.LayersDir == "" {
		errs = append(errs, errors.New("--layers-dir: want the folder of the layers, got nothing (LAYERS_DIR is taken too)"))
	}
	if c.ExperimentsDir == "" {
		errs = append(errs, errors.New("--experiments-dir: want the folder of the experiments, got nothing (EXPERIMENTS_DIR is taken too)"))
	}
	return errors.Join(errs...)
}

func (c *StreamConfig) validate() error {
	var errs []error
	if u, err := url.Parse(c.URL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		errs = append(errs, fmt.Errorf("--control-plane %q: want the URL of a config stream, such as http://control-plane:9091", c.URL))
	}
	if c.Audience == "" {
		errs = append(errs, errors.New("--upstream-audience: want control-plane, data-plane or what the server was given, got nothing"))
	}
	if _, err := accesskey.Parse(c.AccessKey, c.SecretKey); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (c *RelayConfig) validate() error {
	var errs []error
	if c.Audience == "" {
		errs = append(errs, errors.New("--audience: want the name that callers sign for, such as data-plane, got nothing"))
	}
	if c.Heartbeat <= 0 {
		errs = append(errs, fmt.Errorf("--heartbeat %v: want more than 0", c.Heartbeat))
	}
	if c.MaxStreamAge < c.Heartbeat {
		errs = append(errs, fmt.Errorf("--max-stream-age %v: want at least a heartbeat, which is %v", c.MaxStreamAge, c.Heartbeat))
	}
	return errors.Join(errs...)
}
