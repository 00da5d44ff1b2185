package source

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/strata-exp/strata/dataplane/internal/snapshot"
	"github.com/strata-exp/strata/internal/obs"
)

func TestEtcdConfig(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		change func(*EtcdConfig)
		want   string
	}{
		{func(*EtcdConfig) {}, ""},
		{func(c *EtcdConfig) { c.Endpoints = []string{"https://a:1", "https://b:1/"}; c.CAFile = "ca" }, ""},
		{func(c *EtcdConfig) { c.Username, c.Password = "u", "p" }, ""},
		{func(c *EtcdConfig) { c.Endpoints = nil }, "--etcd-endpoints: want the URLs"},
		{func(c *EtcdConfig) { c.Endpoints = []string{"127.0.0.1:2379"} }, "--etcd-endpoints: want a URL such as"},
		{func(c *EtcdConfig) { c.Endpoints = []string{"http://u:secret@a:1"} }, "without a path or a password"},
		{func(c *EtcdConfig) { c.Endpoints = []string{"http://a:1", "https://b:1"} }, "all with https://"},
		{func(c *EtcdConfig) { c.Prefix = "strata" }, `--etcd-prefix "strata": want`},
		{func(c *EtcdConfig) { c.CAFile = "ca" }, "--etcd-ca-file ca: there is no TLS"},
		{func(c *EtcdConfig) { c.Endpoints = []string{"https://a:1"}; c.CertFile = "c" }, "want both or neither"},
		{func(c *EtcdConfig) { c.Password = "secret" }, "--etcd-username: want"},
		{func(c *EtcdConfig) { c.Username = "u" }, "--etcd-password-file: want"},
		{func(c *EtcdConfig) { c.Username, c.Password, c.PasswordFile = "u", "secret", "f" }, "want one of them"},
	} {
		config := DefaultEtcd()
		config.Endpoints = []string{"http://127.0.0.1:2379"}
		test.change(&config)
		checkFault(t, config.Validate(), test.want)
	}
}

func TestConsulConfig(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		change func(*ConsulConfig)
		want   string
	}{
		{func(*ConsulConfig) {}, ""},
		{func(c *ConsulConfig) { c.Addr, c.CAFile = "https://a", "ca" }, ""},
		{func(c *ConsulConfig) { c.Addr = "" }, "--consul-addr: want a URL"},
		{func(c *ConsulConfig) { c.Addr = "http://a/consul" }, "--consul-addr: want a URL"},
		{func(c *ConsulConfig) { c.Addr = "http://u:secret@a:1" }, "without a path or a password"},
		{func(c *ConsulConfig) { c.Prefix = "" }, "--consul-prefix"},
		{func(c *ConsulConfig) { c.Prefix = "/strata/" }, "begin with no slash"},
		{func(c *ConsulConfig) { c.Token, c.TokenFile = "secret", "f" }, "--consul-token-file f"},
		{func(c *ConsulConfig) { c.KeyFile = "k" }, "--consul-key-file k: there is no TLS"},
	} {
		config := DefaultConsul()
		test.change(&config)
		checkFault(t, config.Validate(), test.want)
	}
}

func checkFault(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("refused: %v", err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Errorf("got %v, want %s", err, want)
	case err != nil && strings.Contains(err.Error(), "secret"):
		t.Errorf("a secret is in %v", err)
	}
}

// TestStartNeedsItsFiles names files that are not there or not what they should
// be. Nothing is asked of any server.
func TestStartNeedsItsFiles(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "two lines")
	if err := os.WriteFile(file, []byte("a\nb\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	holder := snapshot.NewHolder(time.Now)
	etcd := func(c EtcdConfig) Source { c.Prefix = "s/"; return NewEtcd(c, holder, obs.Discard()) }
	consul := func(c ConsulConfig) Source { c.Prefix = "s/"; return NewConsul(c, holder, obs.Discard()) }
	http, https := "http://127.0.0.1:1", "https://127.0.0.1:1"
	for want, source := range map[string]Source{
		"--etcd-endpoints":                     etcd(EtcdConfig{}),
		"--etcd-password-file: open":           etcd(EtcdConfig{Endpoints: []string{http}, Username: "u", PasswordFile: "nowhere"}),
		"--etcd-password-file " + file:         etcd(EtcdConfig{Endpoints: []string{http}, Username: "u", PasswordFile: file}),
		"--etcd-ca-file: open":                 etcd(EtcdConfig{Endpoints: []string{https}, CAFile: "nowhere"}),
		"want certificates in PEM":             etcd(EtcdConfig{Endpoints: []string{https}, CAFile: file}),
		"--etcd-cert-file and --etcd-key-file": etcd(EtcdConfig{Endpoints: []string{https}, CertFile: file, KeyFile: file}),
		"--consul-addr":                        consul(ConsulConfig{}),
		"--consul-token-file: open":            consul(ConsulConfig{Addr: http, TokenFile: "nowhere"}),
		"--consul-ca-file: open":               consul(ConsulConfig{Addr: https, CAFile: "nowhere"}),
	} {
		checkFault(t, source.Start(t.Context()), want)
	}
}
