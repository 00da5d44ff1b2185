package source

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/strata-exp/strata/dataplane/internal/snapshot"
)

// certificates makes a certificate for 127.0.0.1 that is its own authority, of
// servers and of clients.
func certificates(t *testing.T) (cert, key string) {
	t.Helper()
	secret, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "strata test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &secret.PublicKey, secret)
	if err != nil {
		t.Fatal(err)
	}
	secretDER, err := x509.MarshalPKCS8PrivateKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, block := range map[string]*pem.Block{"cert": {Type: "CERTIFICATE", Bytes: der}, "key": {Type: "PRIVATE KEY", Bytes: secretDER}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "cert"), filepath.Join(dir, "key")
}

// secureEtcd is a server with TLS and users.
type secureEtcd struct {
	*etcdFixture
	config EtcdConfig
}

func (f *secureEtcd) source(holder *snapshot.Holder, log *slog.Logger) Source {
	etcd := NewEtcd(f.config, holder, log)
	etcd.times = etcdTimes{answer: 2 * time.Second, beat: 50 * time.Millisecond, silence: time.Second, audit: time.Hour}
	return etcd
}

// TestEtcdSecure has a server that asks for a certificate and a password, the
// latter of which is wrong at first and changed later.
func TestEtcdSecure(t *testing.T) {
	t.Parallel()
	cert, key := certificates(t)
	server := startEtcd(t, "--client-cert-auth", "--trusted-ca-file="+cert, "--cert-file="+cert, "--key-file="+key)
	secrets, err := tlsFiles{ca: cert, cert: cert, key: key, secure: true}.read()
	if err != nil {
		t.Fatal(err)
	}
	password := filepath.Join(t.TempDir(), "password")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(password, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	admin := server.login(secrets, "", "")
	for _, do := range []func() error{
		func() error { _, err := admin.UserAdd(server.context(), "root", "root-secret"); return err },
		func() error { _, err := admin.UserGrantRole(server.context(), "root", "root"); return err },
		func() error { _, err := admin.UserAdd(server.context(), "plane", "right-secret"); return err },
		func() error { _, err := admin.RoleAdd(server.context(), "reader"); return err },
		func() error {
			_, err := admin.RoleGrantPermission(server.context(), "reader", "s/", clientv3.GetPrefixRangeEnd("s/"), clientv3.PermissionType(clientv3.PermRead))
			return err
		},
		func() error { _, err := admin.UserGrantRole(server.context(), "plane", "reader"); return err },
		func() error { _, err := admin.AuthEnable(server.context()); return err },
	} {
		if err := do(); err != nil {
			t.Fatal(err)
		}
	}
	server.client = server.login(secrets, "root", "root-secret")
	f := &secureEtcd{&etcdFixture{newProxy(t, server.address()), server, "s/"}, EtcdConfig{
		Prefix: "s/", CAFile: cert, CertFile: cert, KeyFile: key, Username: "plane", PasswordFile: password,
	}}
	f.config.Endpoints = []string{"https://" + f.address}
	c := newContract(t, f)
	c.basics("one")
	write("wrong-secret")
	c.beginAside()
	c.await("a refused password", func() bool { return c.log.count("authentication failed") > 0 })
	write("right-secret")
	c.awaitAnswer(value("one"))
	c.put(edit{"experiments/1.json", experiment("two")})
	c.awaitAnswer(value("two"))
	if strings.Contains(c.log.text(), "-secret") {
		t.Error("a password is in the log")
	}
}

// login returns a client that ends with the test.
func (s *etcdServer) login(secrets *tls.Config, user, password string) *clientv3.Client {
	s.t.Helper()
	client, err := clientv3.New(clientv3.Config{
		Endpoints: []string{s.url}, TLS: secrets, Username: user, Password: password, Logger: zap.NewNop(), DialTimeout: limit,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = client.Close() })
	return client
}

// TestConsulSecure has an agent that asks for a certificate.
func TestConsulSecure(t *testing.T) {
	t.Parallel()
	cert, key := certificates(t)
	secrets, err := tlsFiles{ca: cert, cert: cert, key: key, secure: true}.read()
	if err != nil {
		t.Fatal(err)
	}
	secrets.ClientCAs, secrets.ClientAuth = secrets.RootCAs, tls.RequireAndVerifyClientCert
	c, f := newConsulContract(t)
	server := httptest.NewUnstartedServer(http.HandlerFunc(f.server.server.Config.Handler.ServeHTTP))
	server.TLS = secrets
	server.StartTLS()
	t.Cleanup(server.Close)
	f.config.Addr = server.URL
	f.config.CAFile, f.config.CertFile, f.config.KeyFile = cert, cert, key
	c.begin("one")
	if got := answer(c.holder.Current()); got != value("one") {
		t.Errorf("it answers %s", got)
	}
}
