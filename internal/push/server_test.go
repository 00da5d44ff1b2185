package push

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/gen/go/strata/serving/v1/servingv1connect"
	"github.com/strata-exp/strata/internal/rpc"
	"github.com/strata-exp/strata/sdk/go/view"
)

// keyHeader stands for a signature.
const keyHeader = "Test-Key"

// live is a server that listens.
type live struct {
	*testing.T

	keys   *keys
	plane  string
	hub    *Hub
	world  *world
	oracle *oracle
	server *Server
	url    string
	ended  chan string // the procedures of calls that ended
	last   view.Position
}

func listen(t *testing.T, change func(*Config)) *live {
	t.Helper()
	l := &live{
		T: t, keys: newKeys(t), hub: NewHub(production, NewSealer(clusterKey)), oracle: newOracle(),
		world: newWorld(mathrand.New(mathrand.NewPCG(1, 8)), false), ended: make(chan string, 100), last: view.Position{Epoch: 1},
	}
	l.plane = l.keys.add(servingv1.Role_ROLE_PLANE)
	l.server = newServer(l.hub, l.keys, change)
	edge := rpc.NewEdge(slog.New(slog.DiscardHandler), func(procedure string, _ connect.Code) { l.ended <- procedure })
	stop := make(chan struct{})
	path, handler := NewHandler(l.server, edge, stop)
	mux := http.NewServeMux()
	mux.Handle(path, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler.ServeHTTP(w, r.WithContext(l.keys.context(r.Context(), r.Header.Get(keyHeader))))
	}))
	server := httptest.NewUnstartedServer(nil)
	server.Config = rpc.NewServer(mux, slog.New(slog.DiscardHandler))
	server.Start()
	l.url = server.URL
	t.Cleanup(func() {
		close(stop)
		server.Close()
	})
	return l
}

func (l *live) publish() {
	l.world.change()
	l.last.Revision++
	v := l.world.view(l.last)
	l.oracle.tell(v)
	l.hub.Publish(v)
}

// keyed adds the key of a caller to its requests.
type keyed struct {
	next http.RoundTripper
	key  string
}

func (k keyed) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set(keyHeader, k.key)
	return k.next.RoundTrip(r)
}

// client returns a client over HTTP/1.1 or HTTP/2.
func (l *live) client(http2 bool, key string, options ...connect.ClientOption) servingv1connect.ConfigServiceClient {
	transport := &http.Transport{Protocols: new(http.Protocols), HTTP2: &http.HTTP2Config{MaxReceiveBufferPerStream: 64 << 10}}
	transport.Protocols.SetHTTP1(!http2)
	transport.Protocols.SetUnencryptedHTTP2(http2)
	l.Cleanup(transport.CloseIdleConnections)
	return servingv1connect.NewConfigServiceClient(&http.Client{Transport: keyed{transport, key}}, l.url, options...)
}

// receive reads frames until something is so.
func receive(t *testing.T, stream *connect.ServerStreamForClient[servingv1.WatchResponse], r *reader, until func() bool) {
	t.Helper()
	for !until() {
		if !stream.Receive() {
			t.Fatalf("the stream ended after %s: %v", r.log(), stream.Err())
		}
		if err := r.Send(stream.Msg()); err != nil {
			t.Fatal(err)
		}
	}
}

func reasonOnWire(t *testing.T, err error) (connect.Code, servingv1.ErrorReason, map[string]string) {
	t.Helper()
	failed, ok := errors.AsType[*connect.Error](err)
	if !ok {
		t.Fatalf("no error of a call: %v", err)
	}
	for _, detail := range failed.Details() {
		if value, err := detail.Value(); err == nil {
			if info, ok := value.(*errdetails.ErrorInfo); ok {
				return failed.Code(), servingv1.ErrorReason(servingv1.ErrorReason_value[info.GetReason()]), info.GetMetadata()
			}
		}
	}
	t.Fatalf("no reason in %v", err)
	return 0, 0, nil
}

func TestProtocols(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		http2   bool
		options []connect.ClientOption
	}{
		{"connect over HTTP/1.1", false, nil},
		{"connect over HTTP/2", true, nil},
		{"connect in JSON", false, []connect.ClientOption{connect.WithProtoJSON()}},
		{"gRPC-Web over HTTP/1.1", false, []connect.ClientOption{connect.WithGRPCWeb()}},
		{"gRPC-Web over HTTP/2", true, []connect.ClientOption{connect.WithGRPCWeb()}},
		{"gRPC", true, []connect.ClientOption{connect.WithGRPC()}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := listen(t, nil)
			l.publish()
			sdk := l.keys.add(servingv1.Role_ROLE_SDK, "service-1", "service-2")
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			client := l.client(c.http2, sdk, c.options...)
			stream, err := client.Watch(ctx, watchRequest(nil, "service-1"))
			if err != nil {
				t.Fatal(err)
			}
			r := newReader(l.oracle, newScope([]string{"service-1"}, false))
			receive(t, stream, r, func() bool { return r.beats == 1 })
			for range 5 {
				l.publish()
				receive(t, stream, r, func() bool { return r.held.Position() == l.last })
			}
			if got := strings.Join(r.hello.GetServices(), " "); got != "service-1" {
				t.Errorf("services %s", got)
			}
			for name, want := range map[string]string{"X-Accel-Buffering": "no", "Cache-Control": "no-store, no-transform"} {
				if got := stream.ResponseHeader().Get(name); got != want {
					t.Errorf("%s: %q", name, got)
				}
			}
			_, err = client.ReportStatus(ctx, &servingv1.ReportStatusRequest{
				StreamId: r.hello.GetStreamId(), Status: &servingv1.Status{Instance: "i"},
			})
			if err != nil {
				t.Errorf("report: %v", err)
			}
			l.publish()
			fetched, err := client.Fetch(ctx, &servingv1.FetchRequest{Watch: watchRequest(r.token, "service-1")})
			if err != nil {
				t.Fatal(err)
			}
			polls := newReader(l.oracle, r.scope)
			polls.held = r.held
			for _, frame := range fetched.GetFrames() {
				if err := polls.Send(frame); err != nil {
					t.Fatal(err)
				}
			}
			if polls.at() != l.last || polls.hello.GetIntent() != servingv1.Hello_INTENT_DELTA {
				t.Errorf("fetched %s up to %v", polls.log(), polls.at())
			}

			refused, err := client.Watch(ctx, watchRequest(nil, "service-3"))
			if err == nil {
				refused.Receive()
				err = errors.Join(refused.Err(), refused.Close())
			}
			if code, reason, _ := reasonOnWire(t, err); code != connect.CodePermissionDenied || reason != servingv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED {
				t.Errorf("a service of others: %v", err)
			}
			_, err = client.Fetch(ctx, &servingv1.FetchRequest{Watch: &servingv1.WatchRequest{}})
			if code, _, _ := reasonOnWire(t, err); code != connect.CodeInvalidArgument {
				t.Errorf("an empty request: %v", err)
			}
			l.keys.revoke(sdk)
			receive(t, stream, r, r.left)
			if r.goodbye.GetReason() != servingv1.Goodbye_REASON_REVOKED || stream.Receive() || stream.Err() != nil {
				t.Errorf("after the key was revoked: %v, %v", r.goodbye, stream.Err())
			}
			if err := stream.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestDrainAndAdmissionOnWire(t *testing.T) {
	t.Parallel()
	l := listen(t, func(c *Config) { c.Options.MaxStreams = 1 })
	l.publish()
	client := l.client(true, l.plane, connect.WithGRPC())
	stream, err := client.Watch(t.Context(), watchRequest(nil))
	if err != nil {
		t.Fatal(err)
	}
	r := newReader(l.oracle, newScope(nil, true))
	receive(t, stream, r, func() bool { return r.beats == 1 })
	_, err = client.Fetch(t.Context(), &servingv1.FetchRequest{Watch: watchRequest(nil)})
	code, reason, metadata := reasonOnWire(t, err)
	if code != connect.CodeResourceExhausted || reason != servingv1.ErrorReason_ERROR_REASON_OVERLOADED ||
		metadata["retry_min_millis"] != "1000" || metadata["retry_max_millis"] != "10000" {
		t.Errorf("one too many: %v, %v", err, metadata)
	}
	drained := make(chan error)
	go func() { drained <- l.server.Drain(context.WithoutCancel(t.Context())) }()
	receive(t, stream, r, r.left)
	if err := <-drained; err != nil || r.goodbye.GetReason() != servingv1.Goodbye_REASON_DRAIN {
		t.Errorf("drained by %v, %v", r.goodbye, err)
	}
	_, err = client.Fetch(t.Context(), &servingv1.FetchRequest{Watch: watchRequest(nil)})
	if code, _, _ := reasonOnWire(t, err); code != connect.CodeUnavailable {
		t.Errorf("after the drain: %v", err)
	}
	if err := stream.Close(); err != nil {
		t.Error(err)
	}
}

// noise is a configuration that does not compress, of small parts: how long a
// frame may take depends on its size.
func noise(size int) *view.View {
	var puts []*view.Entity
	for i := range size >> 17 {
		payload := make([]byte, 1<<17)
		_, _ = rand.Read(payload)
		puts = append(puts, view.NewEntity(view.Key{Kind: 99, Name: strconv.Itoa(i)}, payload))
	}
	return view.Empty().With(view.Position{Epoch: 1, Revision: 1}, puts, nil)
}

// TestStalledReader says that a reader who takes nothing frees its stream.
func TestStalledReader(t *testing.T) {
	t.Parallel()
	setup := func(t *testing.T) *live {
		t.Helper()
		l := listen(t, func(c *Config) { c.Options.WriteTimeout = 300 * time.Millisecond })
		l.hub.Publish(noise(32 << 20))
		return l
	}
	freed := func(t *testing.T, l *live) {
		t.Helper()
		if got := <-l.ended; got != servingv1connect.ConfigServiceWatchProcedure {
			t.Fatalf("%s ended", got)
		}
		if got := l.server.roll.open(); got != 0 {
			t.Errorf("%d streams are left", got)
		}
	}
	t.Run("HTTP/2", func(t *testing.T) {
		t.Parallel()
		l := setup(t)
		stream, err := l.client(true, l.plane, connect.WithGRPC()).Watch(t.Context(), watchRequest(nil))
		if err != nil {
			t.Fatal(err)
		}
		freed(t, l)
		for stream.Receive() {
		}
		if stream.Err() == nil {
			t.Error("the stream ended well")
		}
		_ = stream.Close()
	})
	t.Run("HTTP/1.1", func(t *testing.T) {
		t.Parallel()
		l := setup(t)
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(l.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		message, err := proto.Marshal(watchRequest(nil))
		if err != nil {
			t.Fatal(err)
		}
		envelope := append([]byte{0, 0, 0, 0, byte(len(message))}, message...)
		_, err = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\n%s: %s\r\nContent-Type: application/connect+proto\r\nContent-Length: %d\r\n\r\n%s",
			servingv1connect.ConfigServiceWatchProcedure, keyHeader, l.plane, len(envelope), envelope)
		if err != nil {
			t.Fatal(err)
		}
		freed(t, l)
		if _, err := io.Copy(io.Discard, conn); err != nil && !strings.Contains(err.Error(), "reset") {
			t.Error(err)
		}
	})
}

func TestReadingTakesTime(t *testing.T) {
	t.Parallel()
	for size, want := range map[int]time.Duration{0: 0, 64 << 10: time.Second, 32 << 10: time.Second / 2, 64 << 20: 1024 * time.Second} {
		if got := reading(size); got != want {
			t.Errorf("%d bytes: %v, want %v", size, got, want)
		}
	}
}

// TestDeadlineIsLifted says that a stream that is silent for longer than a frame
// may take goes on.
func TestDeadlineIsLifted(t *testing.T) {
	t.Parallel()
	for _, http2 := range []bool{false, true} {
		l := listen(t, func(c *Config) {
			c.Options.WriteTimeout, c.Options.Heartbeat = 100*time.Millisecond, 400*time.Millisecond
		})
		l.publish()
		stream, err := l.client(http2, l.plane).Watch(t.Context(), watchRequest(nil))
		if err != nil {
			t.Fatal(err)
		}
		r := newReader(l.oracle, newScope(nil, true))
		receive(t, stream, r, func() bool { return r.beats == 4 })
		_ = stream.Close()
	}
}
