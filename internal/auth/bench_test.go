package auth

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/sdk/go/accesskey"
)

// fresh takes each nonce for a new one.
type fresh struct{}

func (fresh) Use(context.Context, string, string, time.Time) (bool, error) { return true, nil }

// bench returns an authenticator and a request of 1 KiB that it lets through.
func bench(b *testing.B, profile accesskey.Profile) (*Authenticator, *http.Request, []byte) {
	b.Helper()
	key, clock, content := generate(b), newClock(), make([]byte, 1024)
	a := &Authenticator{Keys: NewKeyring(), Nonces: fresh{}, Audience: audience, Now: clock.now}
	if err := a.Keys.Set(1, []*servingv1.PublicKey{public(key, servingv1.Role_ROLE_SDK)}); err != nil {
		b.Fatal(err)
	}
	var signed *http.Request
	transport := &accesskey.Transport{
		Key: key, Audience: audience, Now: clock.now, Sessions: func(string) bool { return profile == accesskey.Session },
		Next: roundTrip(func(r *http.Request) (*http.Response, error) {
			signed = r
			return &http.Response{Body: http.NoBody}, nil
		}),
	}
	r := httptest.NewRequest(http.MethodPost, watch, bytes.NewReader(content))
	r.Header.Set("Content-Type", "application/grpc")
	response, err := transport.RoundTrip(r)
	if err != nil {
		b.Fatal(err)
	}
	_ = response.Body.Close()
	return a, signed, content
}

// BenchmarkVerifySession verifies a session that is known.
func BenchmarkVerifySession(b *testing.B) {
	a, r, _ := bench(b, accesskey.Session)
	policy, now := Policy{Roles: roles, Sessions: true}, a.now()
	b.ReportAllocs()
	for b.Loop() {
		if _, _, failed := a.verify(r, policy, now); failed != nil {
			b.Fatal(failed.detail)
		}
	}
}

func BenchmarkVerifySessionParallel(b *testing.B) {
	a, r, _ := bench(b, accesskey.Session)
	policy, now := Policy{Roles: roles, Sessions: true}, a.now()
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			if _, _, failed := a.verify(r, policy, now); failed != nil {
				b.Fatal(failed.detail)
			}
		}
	})
}

// BenchmarkMiddleware is all that stands before a handler.
func BenchmarkMiddleware(b *testing.B) {
	for _, profile := range []accesskey.Profile{accesskey.Request, accesskey.Session} {
		b.Run(profile.String(), func(b *testing.B) {
			a, r, content := bench(b, profile)
			calls := 0
			handler := a.Require(setupEdge(), watch, Policy{Roles: roles, Sessions: true},
				http.HandlerFunc(func(http.ResponseWriter, *http.Request) { calls++ }))
			recorder, reader := httptest.NewRecorder(), bytes.NewReader(nil)
			r.Body = io.NopCloser(reader)
			n := 0
			b.ReportAllocs()
			for b.Loop() {
				reader.Reset(content)
				handler.ServeHTTP(recorder, r)
				n++
			}
			if calls != n {
				b.Fatalf("%d of %d got through", calls, n)
			}
		})
	}
}

func BenchmarkMemoryNonces(b *testing.B) {
	clock := newClock()
	m := NewMemoryNonces(1<<30, clock.now)
	nonce := []byte("AAAAAAAAAAAAAAAAAAAAAA")
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		n++
		for i, rest := 0, n; rest > 0; i, rest = i+1, rest/26 {
			nonce[i] = byte('a' + rest%26)
		}
		if n%10000 == 0 {
			clock.add(time.Second)
		}
		_, _ = m.Use(b.Context(), "sak_", string(nonce), clock.now().Add(time.Minute))
	}
}
