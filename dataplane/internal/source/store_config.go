package source

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
)

// defaultPrefix is what the keys of a configuration begin with unless something
// else is said.
const defaultPrefix = "strata/"

// EtcdConfig says which keys of an etcd cluster are served. Start from
// DefaultEtcd.
type EtcdConfig struct {
	// Endpoints are the URLs of the members, http:// or https://, all of one kind.
	// Required.
	Endpoints []string
	// Prefix is what the keys begin with: the documents are <Prefix>layers/<name>.yaml
	// and so on. It ends in a slash.
	Prefix string
	// CAFile, if not empty, has the certificates in PEM by which the members are
	// known, in place of those of the system. It is for https:// alone, as are the
	// other two.
	CAFile string
	// CertFile and KeyFile, if not empty, are the certificate and its key in PEM by
	// which the members know this client.
	CertFile, KeyFile string
	// Username, if not empty, is who the client is for etcd, and Password, or what
	// stands in PasswordFile, its password.
	Username, Password, PasswordFile string
}

// DefaultEtcd returns what holds unless something else is said.
func DefaultEtcd() EtcdConfig { return EtcdConfig{Prefix: defaultPrefix} }

// Validate returns everything that is wrong with the settings, in the words of
// their flags. It opens no file.
func (c *EtcdConfig) Validate() error {
	var errs []error
	if len(c.Endpoints) == 0 {
		errs = append(errs, errors.New("--etcd-endpoints: want the URLs of the members, such as http://127.0.0.1:2379, got nothing"))
	}
	for _, endpoint := range c.Endpoints {
		errs = append(errs, validateURL("etcd-endpoints", endpoint, "http://127.0.0.1:2379"))
		if secure(endpoint) != secure(c.Endpoints[0]) {
			errs = append(errs, fmt.Errorf("--etcd-endpoints %s: want all of them with http:// or all with https://", strings.Join(c.Endpoints, ",")))
		}
	}
	errs = append(errs, validatePrefix("etcd-prefix", c.Prefix), c.tls().validate())
	if c.Username == "" && (c.Password != "" || c.PasswordFile != "") {
		errs = append(errs, errors.New("--etcd-username: want the name that the password belongs to, got nothing"))
	}
	if c.Username != "" && c.Password == "" && c.PasswordFile == "" {
		errs = append(errs, errors.New("--etcd-password-file: want the file of the password, got nothing"))
	}
	return errors.Join(append(errs, validateSecret("etcd-password", c.Password, c.PasswordFile))...)
}

func (c *EtcdConfig) tls() tlsFiles {
	return tlsFiles{
		flags: "etcd", ca: c.CAFile, cert: c.CertFile, key: c.KeyFile,
		secure: len(c.Endpoints) > 0 && secure(c.Endpoints[0]),
	}
}

// ConsulConfig says which keys of a Consul datacenter are served. Start from
// DefaultConsul.
type ConsulConfig struct {
	// Addr is the URL of an agent's HTTP API, http:// or https://. Required.
	Addr string
	// Prefix is what the keys begin with: the documents are <Prefix>layers/<name>.yaml
	// and so on. It ends in a slash, and does not begin with one.
	Prefix string
	// Token, or what stands in TokenFile, is the ACL token. Both may be empty. The
	// file is read with each request, so that its content may change.
	Token, TokenFile string
	// Datacenter, if not empty, is asked in place of the agent's own.
	Datacenter string
	// CAFile, if not empty, has the certificates in PEM by which the agent is known,
	// in place of those of the system. It is for https:// alone, as are the other
	// two.
	CAFile string
	// CertFile and KeyFile, if not empty, are the certificate and its key in PEM by
	// which the agent knows this client.
	CertFile, KeyFile string
}

// DefaultConsul returns what holds unless something else is said.
func DefaultConsul() ConsulConfig {
	return ConsulConfig{Addr: "http://127.0.0.1:8500", Prefix: defaultPrefix}
}

// Validate returns everything that is wrong with the settings, in the words of
// their flags. It opens no file.
func (c *ConsulConfig) Validate() error {
	errs := []error{
		validateURL("consul-addr", c.Addr, "http://127.0.0.1:8500"),
		validatePrefix("consul-prefix", c.Prefix),
		validateSecret("consul-token", c.Token, c.TokenFile),
		c.tls().validate(),
	}
	if strings.HasPrefix(c.Prefix, "/") {
		errs = append(errs, fmt.Errorf("--consul-prefix %q: Consul's keys begin with no slash", c.Prefix))
	}
	return errors.Join(errs...)
}

func (c *ConsulConfig) tls() tlsFiles {
	return tlsFiles{flags: "consul", ca: c.CAFile, cert: c.CertFile, key: c.KeyFile, secure: secure(c.Addr)}
}

func secure(endpoint string) bool { return strings.HasPrefix(endpoint, "https://") }

// validateURL takes the URL of a server and nothing more: a password in it would
// stand in logs. So the fault does not repeat it.
func validateURL(flag, text, example string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil ||
		strings.TrimPrefix(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("--%s: want a URL such as %s, without a path or a password", flag, example)
	}
	return nil
}

func validatePrefix(flag, prefix string) error {
	if !strings.HasSuffix(prefix, "/") {
		return fmt.Errorf("--%s %q: want what the keys begin with, up to a slash, such as %s", flag, prefix, defaultPrefix)
	}
	return nil
}

func validateSecret(flag, secret, file string) error {
	if secret != "" && file != "" {
		return fmt.Errorf("--%s-file %s: there is a --%s as well; want one of them", flag, file, flag)
	}
	return nil
}

// readSecret returns a secret, or else what stands in a file without the end of
// its line; "" if neither is given.
func readSecret(flag, secret, file string) (string, error) {
	if secret != "" || file == "" {
		return secret, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("--%s-file: %w", flag, err)
	}
	secret = strings.TrimRight(string(text), "\r\n")
	if secret == "" || strings.ContainsAny(secret, "\r\n") {
		return "", fmt.Errorf("--%s-file %s: want one line", flag, file)
	}
	return secret, nil
}

// tlsFiles are the settings of a connection by TLS.
type tlsFiles struct {
	flags         string // what their flags begin with
	ca, cert, key string
	secure        bool // there is TLS
}

func (f tlsFiles) validate() error {
	var errs []error
	for _, file := range []struct{ flag, name string }{{"ca", f.ca}, {"cert", f.cert}, {"key", f.key}} {
		if file.name != "" && !f.secure {
			errs = append(errs, fmt.Errorf("--%s-%s-file %s: there is no TLS without https://", f.flags, file.flag, file.name))
		}
	}
	if (f.cert == "") != (f.key == "") {
		errs = append(errs, fmt.Errorf("--%s-cert-file and --%s-key-file: want both or neither", f.flags, f.flags))
	}
	return errors.Join(errs...)
}

// read returns what the files say, nil where there is no TLS.
func (f tlsFiles) read() (*tls.Config, error) {
	if !f.secure {
		return nil, nil //nolint:nilnil // crypto/tls's word for none
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if f.ca != "" {
		text, err := os.ReadFile(f.ca)
		if err != nil {
			return nil, fmt.Errorf("--%s-ca-file: %w", f.flags, err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("--%s-ca-file %s: want certificates in PEM", f.flags, f.ca)
		}
	}
	if f.cert != "" {
		pair, err := tls.LoadX509KeyPair(f.cert, f.key)
		if err != nil {
			return nil, fmt.Errorf("--%s-cert-file and --%s-key-file: %w", f.flags, f.flags, err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}
