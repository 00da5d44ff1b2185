package auth

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/sdk/go/accesskey"
)

// content replaces what is sent.
func content(t *testing.T, r *http.Request, change func([]byte) []byte) {
	t.Helper()
	sent, err := io.ReadAll(r.Body)
	if err != nil {
		t.Error(err)
	}
	sent = change(sent)
	r.Body, r.ContentLength, r.GetBody = io.NopCloser(bytes.NewReader(sent)), int64(len(sent)), nil
}

// deaf keeps from the client's transport what would make it try again.
func deaf(r *http.Response) { r.Header.Del(accesskey.HeaderError) }

// scene is a bundle with one client.
type scene struct {
	*bundle
	client *accesskey.Transport
	wire   *wire
	call   func() error
}

// cases are calls and how they end, in each protocol alike.
var cases = map[string]struct {
	change func(s *scene)
	want   string
}{
	"good": {func(*scene) {}, "ok"},
	"good, with a key that ends": {func(s *scene) {
		key := public(s.key, servingv1.Role_ROLE_PLANE)
		key.NotBefore, key.ExpiresAt = at(s.clock.now()), at(s.clock.now().Add(time.Nanosecond))
		s.set(2, key)
	}, "ok"},
	"more headers": {func(s *scene) {
		s.wire.request = func(r *http.Request) { r.Header.Set("X-Forwarded-For", "10.0.0.1") }
	}, "ok"},
	"replayed": {func(s *scene) {
		var first http.Header
		s.wire.request = func(r *http.Request) { first = r.Header.Clone() }
		if err := s.call(); err != nil {
			s.t.Error(err)
		}
		s.wire.request = func(r *http.Request) { r.Header = first }
	}, replayedOutcome},
	"altered content": {func(s *scene) {
		s.wire.request = func(r *http.Request) {
			content(s.t, r, func(b []byte) []byte { b[len(b)-2] ^= 1; return b })
		}
	}, unauthenticatedOutcome},
	"more content": {func(s *scene) {
		s.wire.request = func(r *http.Request) { content(s.t, r, func(b []byte) []byte { return append(b, ' ') }) }
	}, unauthenticatedOutcome},
	"no content": {func(s *scene) {
		s.wire.request = func(r *http.Request) { content(s.t, r, func([]byte) []byte { return nil }) }
	}, unauthenticatedOutcome},
	"altered path": {func(s *scene) {
		s.wire.request = func(r *http.Request) {
			if r.URL.Path == watch {
				r.URL.Path = fetch
			} else {
				r.URL.Path = watch
			}
		}
	}, unauthenticatedOutcome},
	"altered content type": {func(s *scene) {
		var was string
		s.wire.request = func(r *http.Request) {
			was = r.Header.Get("Content-Type")
			r.Header.Set("Content-Type", strings.NewReplacer("proto", "json", "json", "proto").Replace(was))
			if was == "application/grpc" {
				r.Header.Set("Content-Type", "application/grpc+json")
			}
		}
		s.wire.response = func(r *http.Response) { // as the client insists on its own
			if t := r.Header.Get("Content-Type"); strings.HasPrefix(t, "application/grpc") || strings.HasPrefix(t, "application/connect") {
				r.Header.Set("Content-Type", was)
			}
		}
	}, unauthenticatedOutcome},
	"expired": {func(s *scene) {
		s.client.Now = func() time.Time { return s.clock.now().Add(-61 * time.Second) }
		s.wire.response = deaf
	}, skewOutcome},
	"from the future": {func(s *scene) {
		s.client.Now = func() time.Time { return s.clock.now().Add(302 * time.Second) }
		s.wire.response = deaf
	}, skewOutcome},
	"slow clock, corrected": {func(s *scene) {
		s.client.Now = func() time.Time { return s.clock.now().Add(-10 * time.Minute) }
	}, "ok"},
	"fast clock, corrected": {func(s *scene) {
		s.client.Now = func() time.Time { return s.clock.now().Add(time.Hour) }
	}, "ok"},
	"another audience": {func(s *scene) { s.client.Audience = "there" }, unauthenticatedOutcome},
	"altered audience": {func(s *scene) {
		s.client.Audience = "there"
		s.wire.request = func(r *http.Request) { r.Header.Set(accesskey.HeaderAudience, audience) }
	}, unauthenticatedOutcome},
	"unknown key": {func(s *scene) { s.client.Key = generate(s.t) }, unauthenticatedOutcome},
	"revoked key": {func(s *scene) { s.set(2) }, unauthenticatedOutcome},
	"expired key": {func(s *scene) {
		s.change(func(k *servingv1.PublicKey) { k.ExpiresAt = at(s.clock.now()) })
	}, unauthenticatedOutcome},
	"key to come": {func(s *scene) {
		s.change(func(k *servingv1.PublicKey) { k.NotBefore = at(s.clock.now().Add(1)) })
	}, unauthenticatedOutcome},
	"foreign role": {func(s *scene) {
		s.change(func(k *servingv1.PublicKey) { k.Role = servingv1.Role_ROLE_VIEWER })
	}, deniedOutcome},
	"no role": {func(s *scene) { s.change(func(k *servingv1.PublicKey) { k.Role = 0 }) }, deniedOutcome},
	"foreign role, not proven": {func(s *scene) {
		s.change(func(k *servingv1.PublicKey) { k.Role = servingv1.Role_ROLE_VIEWER })
		s.wire.request = func(r *http.Request) {
			r.Header.Set(accesskey.HeaderSignature, "strata=:"+strings.Repeat("A", 86)+"==:")
		}
	}, unauthenticatedOutcome},
	"no signature": {func(s *scene) {
		s.wire.request = func(r *http.Request) {
			for _, name := range []string{accesskey.HeaderInput, accesskey.HeaderSignature, accesskey.HeaderDigest, accesskey.HeaderAudience} {
				r.Header.Del(name)
			}
		}
	}, unauthenticatedOutcome},
	"two signatures": {func(s *scene) {
		s.wire.request = func(r *http.Request) {
			for _, name := range []string{accesskey.HeaderInput, accesskey.HeaderSignature} {
				r.Header.Set(name, r.Header.Get(name)+", b"+strings.TrimPrefix(r.Header.Get(name), "strata"))
			}
		}
	}, unauthenticatedOutcome},
	"two headers": {func(s *scene) {
		s.wire.request = func(r *http.Request) {
			r.Header.Add(accesskey.HeaderSignature, r.Header.Get(accesskey.HeaderSignature))
		}
	}, unauthenticatedOutcome},
	"another label": {func(s *scene) {
		s.wire.request = func(r *http.Request) {
			for _, name := range []string{accesskey.HeaderInput, accesskey.HeaderSignature} {
				r.Header.Set(name, "sig1"+strings.TrimPrefix(r.Header.Get(name), "strata"))
			}
		}
	}, unauthenticatedOutcome},
	"a query": {func(s *scene) {
		s.wire.request = func(r *http.Request) { r.URL.RawQuery = "a=b" }
	}, unauthenticatedOutcome},
	"a session": {func(s *scene) { s.client.Sessions = func(string) bool { return true } }, unauthenticatedOutcome},
	"too many": {func(s *scene) {
		nonces := NewMemoryNonces(1, s.clock.now)
		_, _ = nonces.Use(s.t.Context(), "", "", s.clock.now().Add(time.Minute))
		s.auth.Nonces = nonces
	}, overloadedOutcome},
	"too large": {func(s *scene) { s.auth.MaxContent = 1 }, invalidOutcome},
}

func (b *bundle) change(change func(*servingv1.PublicKey)) {
	key := public(b.key, servingv1.Role_ROLE_SDK)
	change(key)
	b.set(2, key)
}

func TestEveryProtocol(t *testing.T) {
	t.Parallel()
	for _, protocol := range []struct {
		name    string
		http2   bool
		options []connect.ClientOption
	}{
		{"gRPC", true, []connect.ClientOption{connect.WithGRPC()}},
		{"gRPC, gzip", true, []connect.ClientOption{connect.WithGRPC(), connect.WithSendGzip()}},
		{"gRPC-Web", false, []connect.ClientOption{connect.WithGRPCWeb()}},
		{"gRPC-Web", true, []connect.ClientOption{connect.WithGRPCWeb()}},
		{"Connect", false, nil},
		{"Connect", true, nil},
		{"Connect, gzip", false, []connect.ClientOption{connect.WithSendGzip()}},
		{"Connect, JSON", false, []connect.ClientOption{connect.WithProtoJSON()}},
		{"Connect, JSON", true, []connect.ClientOption{connect.WithProtoJSON()}},
	} {
		version := map[bool]string{false: "HTTP/1.1", true: "HTTP/2"}[protocol.http2]
		for kind, procedure := range map[string]string{"unary": fetch, "stream": watch} {
			t.Run(protocol.name+" "+version+" "+kind, func(t *testing.T) {
				t.Parallel()
				for name, test := range cases {
					b := setup(t)
					between := &wire{next: network(t, protocol.http2)}
					s := &scene{bundle: b, client: b.signing(between), wire: between}
					s.call = func() error { return invoke(t.Context(), s.client, b.url, procedure, protocol.options...) }
					test.change(s)
					before := b.called()
					if got := outcome(s.call()); got != test.want {
						t.Errorf("%s: got %s, want %s", name, got, test.want)
					}
					if called := b.called() > before; called != (test.want == "ok") {
						t.Errorf("%s: the handler was called: %v", name, called)
					}
				}
			})
		}
	}
}

// TestAnswersNameTheTime looks at what transports see.
func TestAnswersNameTheTime(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"expired": "clock_skew", "replayed": "replayed", "unknown key": "unauthenticated", "foreign role": "", "too large": "",
	} {
		b := setup(t)
		between := &wire{next: network(t, true)}
		s := &scene{bundle: b, client: b.signing(between), wire: between}
		s.call = func() error { return invoke(t.Context(), s.client, b.url, watch, connect.WithGRPC()) }
		cases[name].change(s)
		var header http.Header
		between.response = func(r *http.Response) { header = r.Header.Clone(); deaf(r) }
		err := s.call()
		wantTime := map[bool]string{false: "1767225600500"}[want == ""]
		if header.Get("Strata-Auth-Error") != want || header.Get("Strata-Server-Time") != wantTime {
			t.Errorf("%s: %v: got %v", name, err, header)
		}
	}
}

// TestStrangersAreAlike compares what is answered to those who prove nothing.
func TestStrangersAreAlike(t *testing.T) {
	t.Parallel()
	answers := map[string]string{}
	for _, name := range []string{"unknown key", "revoked key", "expired key", "key to come", "altered audience", "foreign role, not proven"} {
		b := setup(t)
		between := &wire{next: network(t, false)}
		s := &scene{bundle: b, client: b.signing(between), wire: between}
		s.call = func() error { return invoke(t.Context(), s.client, b.url, fetch) }
		cases[name].change(s)
		answers[s.call().Error()] = name
	}
	if len(answers) != 1 {
		t.Errorf("got %q", answers)
	}
}
