//go:build faults

package faults_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/gen/go/strata/admin/v1/adminv1connect"
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/gen/go/strata/serving/v1/servingv1connect"
	"github.com/strata-exp/strata/sdk/e2e/fleet"
	"github.com/strata-exp/strata/sdk/e2e/history"
	"github.com/strata-exp/strata/sdk/go/accesskey"
)

// counter counts requests on their way.
type counter struct {
	next http.RoundTripper
	n    int
	last *http.Request
	body []byte
}

func (c *counter) RoundTrip(r *http.Request) (*http.Response, error) {
	c.n++
	if r.Body != nil {
		c.body, _ = io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(c.body))
	}
	c.last = r.Clone(context.WithoutCancel(r.Context()))
	return c.next.RoundTrip(r)
}

func plainTransport(t *testing.T) *http.Transport {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}

// TestF21 has callers whose clocks are wrong.
func TestF21(t *testing.T) {
	t.Parallel()
	s := setup(t, fleet.Options{ControlPlanes: 1, DataPlanes: 1})
	for _, off := range []time.Duration{10 * time.Minute, -10 * time.Minute, -time.Hour} {
		now := func() time.Time { return time.Now().Add(off) }
		for _, server := range []struct{ name, audience, url string }{
			{"cp0", "control-plane", s.push(0)()}, {"dp0", "data-plane", s.data(0)()},
		} {
			count := &counter{next: plainTransport(t)}
			client := servingv1connect.NewConfigServiceClient(&http.Client{Transport: &accesskey.Transport{
				Key: s.PlaneKey, Audience: server.audience, Next: count, Now: now, Sessions: func(string) bool { return true },
			}}, server.url)
			_, err := client.Fetch(t.Context(), &servingv1.FetchRequest{Watch: &servingv1.WatchRequest{Environment: fleet.Environment, Instance: "skewed"}})
			if err != nil || count.n != 2 {
				t.Errorf("%s, clock off by %v: %d requests and %v, want one that is refused and one that is not", server.name, off, count.n, err)
			}
			if _, err := client.Fetch(t.Context(), &servingv1.FetchRequest{Watch: &servingv1.WatchRequest{Environment: fleet.Environment, Instance: "skewed"}}); err != nil || count.n != 3 {
				t.Errorf("%s, clock off by %v: the correction does not last: %d requests and %v", server.name, off, count.n, err)
			}
		}
	}
}

// TestF22 sends signed requests again, elsewhere, and changed.
func TestF22(t *testing.T) {
	t.Parallel()
	s := setup(t, fleet.Options{ControlPlanes: 2})
	count := &counter{next: plainTransport(t)}
	key, err := s.Admin.NewKey(t.Context(), "tester", servingv1.Role_ROLE_ADMIN)
	s.must(err)
	s.pause(3 * time.Second) // until all control planes know the key
	client := adminv1connect.NewRevisionServiceClient(&http.Client{Transport: &accesskey.Transport{
		Key: key, Audience: "control-plane", Next: count,
	}}, "http://"+s.Control[0].HTTP)
	first, err := client.Apply(t.Context(), &adminv1.RevisionServiceApplyRequest{Environment: fleet.Environment, Changes: fieldChange("replayed"), Message: "replayed"})
	s.must(err)
	request, content := count.last, count.body
	send := func(change func(r *http.Request, body []byte) []byte) (int, string) {
		r := request.Clone(t.Context())
		body := change(r, bytes.Clone(content))
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		response, err := plainTransport(t).RoundTrip(r)
		s.must(err)
		defer func() { _ = response.Body.Close() }()
		text, err := io.ReadAll(response.Body)
		s.must(err)
		return response.StatusCode, string(text)
	}
	for name, change := range map[string]func(r *http.Request, body []byte) []byte{
		"again":                func(_ *http.Request, b []byte) []byte { return b },
		"on the other replica": func(r *http.Request, b []byte) []byte { r.URL.Host, r.Host = s.Control[1].HTTP, ""; return b },
		"with another bit":     func(_ *http.Request, b []byte) []byte { b[len(b)-1] ^= 1; return b },
		"on another path": func(r *http.Request, b []byte) []byte {
			r.URL.Path = "/strata.admin.v1.RevisionService/Rollback"
			return b
		},
		"for another audience":  func(r *http.Request, b []byte) []byte { r.Header.Set(accesskey.HeaderAudience, "data-plane"); return b },
		"without its signature": func(r *http.Request, b []byte) []byte { r.Header.Del(accesskey.HeaderSignature); return b },
		"as another type":       func(r *http.Request, b []byte) []byte { r.Header.Set("Content-Type", "application/json"); return b },
	} {
		if status, text := send(change); status != http.StatusUnauthorized {
			t.Errorf("a request sent %s is answered by %d %s", name, status, text)
		}
	}
	if head, err := s.Head(t.Context()); err != nil || head != first.GetRevision() {
		t.Errorf("the head is %d (%v), want %d: something was applied twice", head, err, first.GetRevision())
	}
}

// TestF23 revokes a key that has a stream, a session and a follower.
func TestF23(t *testing.T) {
	t.Parallel()
	s := setup(t, fleet.Options{ControlPlanes: 1, DataPlanes: 1})
	key, err := s.Admin.NewKey(t.Context(), "search", servingv1.Role_ROLE_SDK, "search")
	s.must(err)
	s.Tap("tap", "data-plane", key, []string{"search"}, s.data(0))
	s.Tap("direct", "control-plane", key, []string{"search"}, s.push(0))
	s.awaitEvents("tap", history.Update, "")
	s.awaitEvents("direct", history.Update, "")
	stop := s.Go("publisher", func(ctx context.Context) error { return s.NewPublisher("publisher").Run(ctx, 5, 1_000_000) })
	s.pause(time.Second)
	s.must(s.Admin.Revoke(t.Context(), key))
	s.fault("revoke the key of search")
	for _, name := range []string{"tap", "direct"} {
		s.Recorder.Add(history.Event{Observer: name, What: history.Revoked})
	}
	s.awaitEvents("tap", history.Goodbye, "REASON_REVOKED")
	s.awaitEvents("direct", history.Goodbye, "REASON_REVOKED")
	s.pause(6 * time.Second)
	stop()
	client := servingv1connect.NewConfigServiceClient(&http.Client{Transport: &accesskey.Transport{
		Key: key, Audience: "data-plane", Next: plainTransport(t), Sessions: func(string) bool { return true },
	}}, s.data(0)())
	if _, err := client.ReportStatus(t.Context(), &servingv1.ReportStatusRequest{Status: &servingv1.Status{Instance: "x"}}); err == nil {
		t.Error("a call with a revoked key is answered")
	}
	s.Check(10*time.Second, limits)
}

// TestF24 sends what is no request to the config stream, in all protocols.
func TestF24(t *testing.T) {
	t.Parallel()
	s := setup(t, fleet.Options{ControlPlanes: 1, DataPlanes: 1})
	random := s.Random("requests")
	bomb := new(bytes.Buffer)
	z := gzip.NewWriter(bomb)
	_, _ = z.Write(make([]byte, 64<<20))
	s.must(z.Close())
	watch, err := proto.Marshal(&servingv1.WatchRequest{Environment: fleet.Environment, Instance: "x"})
	s.must(err)
	noise := make([]byte, 2000)
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	bodies := map[string][]byte{
		"nothing": {}, "noise": noise, "message": watch, "cut": watch[:len(watch)-1],
		"envelope":        append([]byte{0, 0, 0, 0, byte(len(watch))}, watch...),
		"long envelope":   append([]byte{0, 0xff, 0xff, 0xff, 0xff}, watch...),
		"bomb":            bomb.Bytes(),
		"bomb enveloped":  append([]byte{1, byte(bomb.Len() >> 24), byte(bomb.Len() >> 16), byte(bomb.Len() >> 8), byte(bomb.Len())}, bomb.Bytes()...),
		"JSON":            []byte(`{"environment":{"a":[1,2`),
		"nested":          bytes.Repeat([]byte(`{"watch":`), 20000),
		"two megabytes":   bytes.Repeat([]byte("x"), 2<<20),
		"eight megabytes": bytes.Repeat([]byte("x"), 8<<20),
	}
	before := map[string]int64{"cp0": s.Control[0].RSS(), "dp0": s.Data[0].RSS()}
	for _, server := range []struct{ audience, url string }{{"control-plane", s.push(0)()}, {"data-plane", s.data(0)()}} {
		client := &http.Client{Timeout: 10 * time.Second, Transport: &accesskey.Transport{
			Key: s.PlaneKey, Audience: server.audience, Next: plainTransport(t), Sessions: func(string) bool { return true },
		}}
		for _, method := range []string{"Watch", "Fetch", "ReportStatus"} {
			for _, kind := range []string{"application/proto", "application/json", "application/connect+proto", "application/grpc", "application/grpc-web+proto", "text/plain", ""} {
				for name, body := range bodies {
					for _, encoding := range []string{"", "gzip", "br"} {
						if random.IntN(3) > 0 { // a third of all is enough each time
							continue
						}
						what := fmt.Sprintf("%s: %s of %q as %q, encoded by %q", server.audience, method, name, kind, encoding)
						s.malformed(client, what, server.url+servingv1connect.ConfigServiceWatchProcedure[:len(servingv1connect.ConfigServiceWatchProcedure)-len("Watch")]+method, kind, encoding, body)
					}
				}
			}
		}
	}
	if !s.Control[0].Running() || !s.Data[0].Running() {
		t.Error("a plane has ended")
	}
	for name, now := range map[string]int64{"cp0": s.Control[0].RSS(), "dp0": s.Data[0].RSS()} {
		t.Logf("%s: %d MiB before, %d MiB after", name, before[name]>>20, now>>20)
		if now-before[name] > 128<<20 {
			t.Errorf("%s has grown by %d MiB", name, (now-before[name])>>20)
		}
	}
	_, err = s.NewPublisher("publisher").Publish(t.Context())
	s.must(err)
	s.Check(10*time.Second, limits)
}

// malformed sends a request, and fails the test if it makes the server fail.
func (s *system) malformed(client *http.Client, what, url, kind, encoding string, body []byte) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 300*time.Millisecond)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	s.must(err)
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	for _, header := range []string{"Content-Encoding", "Connect-Content-Encoding", "Grpc-Encoding"} {
		if encoding != "" {
			r.Header.Set(header, encoding)
		}
	}
	response, err := client.Do(r)
	if err != nil {
		if ctx.Err() == nil && len(body) < 4<<20 {
			s.t.Errorf("%s: %v", what, err)
		}
		return // a stream that goes on, or a connection that was cut for its size
	}
	defer func() { _ = response.Body.Close() }()
	text, _ := io.ReadAll(io.LimitReader(response.Body, 1<<20)) // a stream may go on
	if response.StatusCode >= http.StatusInternalServerError && response.StatusCode != http.StatusNotImplemented || bytes.Contains(text, []byte(`"internal"`)) && !bytes.Contains(text, []byte(`"protocol error: `)) {
		s.t.Errorf("%s: %d %.200s", what, response.StatusCode, text)
	}
	if status := response.Header.Get("Grpc-Status") + response.Trailer.Get("Grpc-Status"); status == "13" {
		// Connect's library says so of envelopes that are none, as gRPC has it.
		if message := response.Header.Get("Grpc-Message") + response.Trailer.Get("Grpc-Message"); !strings.HasPrefix(message, "protocol error: ") {
			s.t.Errorf("%s: gRPC status internal: %s", what, message)
		}
	}
}
