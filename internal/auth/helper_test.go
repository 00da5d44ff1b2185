package auth

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/types/known/timestamppb"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/gen/go/strata/serving/v1/servingv1connect"
	"github.com/strata-exp/strata/internal/rpc"
	"github.com/strata-exp/strata/sdk/go/accesskey"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const audience = "here"

const (
	watch  = servingv1connect.ConfigServiceWatchProcedure
	fetch  = servingv1connect.ConfigServiceFetchProcedure
	report = servingv1connect.ConfigServiceReportStatusProcedure
)

func generate(tb testing.TB) *accesskey.Key {
	tb.Helper()
	key, err := accesskey.Generate()
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

// public is a key as a server knows it.
func public(key *accesskey.Key, role servingv1.Role) *servingv1.PublicKey {
	return &servingv1.PublicKey{
		AccessKey: key.AccessKey(), PublicKey: key.PublicKey(), Name: "test", Role: role,
	}
}

// clock is a clock that stands still.
type clock struct {
	mu   sync.Mutex
	time time.Time
}

func newClock() *clock { return &clock{time: time.Unix(1767225600, 5e8)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.time
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.time = c.time.Add(d)
}

// bundle is a server, and a key that may call it.
type bundle struct {
	servingv1connect.UnimplementedConfigServiceHandler

	t        *testing.T
	auth     *Authenticator
	keys     *Keyring
	key      *accesskey.Key
	clock    *clock
	edge     *rpc.Edge
	registry *prometheus.Registry
	url      string

	mu    sync.Mutex
	calls int
}

var roles = []servingv1.Role{servingv1.Role_ROLE_PLANE, servingv1.Role_ROLE_SDK}

// setup serves Watch and Fetch, which want a signature each, and ReportStatus,
// for which a session will do.
func setup(t *testing.T) *bundle {
	t.Helper()
	b := &bundle{t: t, keys: NewKeyring(), key: generate(t), clock: newClock(), registry: prometheus.NewRegistry()}
	b.auth = &Authenticator{
		Keys: b.keys, Nonces: NewMemoryNonces(0, b.clock.now), Audience: audience, Now: b.clock.now, Failures: NewFailures(b.registry),
	}
	b.edge = rpc.NewEdge(slog.New(slog.DiscardHandler), func(string, connect.Code) {})
	b.set(1, public(b.key, servingv1.Role_ROLE_SDK))
	_, handler := servingv1connect.NewConfigServiceHandler(b, b.edge.StreamOptions("strata.serving.v1.ConfigService"))
	mux := http.NewServeMux()
	mux.Handle(watch, b.auth.Require(b.edge, watch, Policy{Roles: roles}, rpc.Stream(t.Context().Done(), handler)))
	mux.Handle(fetch, b.auth.Require(b.edge, fetch, Policy{Roles: roles}, b.edge.Unary(fetch, handler)))
	mux.Handle(report, b.auth.Require(b.edge, report, Policy{Roles: roles, Sessions: true}, b.edge.Unary(report, handler)))
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := rpc.NewServer(mux, slog.New(slog.DiscardHandler))
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	b.url = "http://" + listener.Addr().String()
	return b
}

func (b *bundle) set(version int64, keys ...*servingv1.PublicKey) {
	b.t.Helper()
	if err := b.keys.Set(version, keys); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bundle) called() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.calls
}

// call is the one handler: it wants to know who calls.
func (b *bundle) call(ctx context.Context, instance string) error {
	b.mu.Lock()
	b.calls++
	b.mu.Unlock()
	if p, ok := FromContext(ctx); !ok || p.AccessKey != b.key.AccessKey() || instance != "instance" {
		return errors.New("called by somebody else, or with something else")
	}
	return nil
}

func (b *bundle) Watch(ctx context.Context, r *servingv1.WatchRequest, s *connect.ServerStream[servingv1.WatchResponse]) error {
	if err := b.call(ctx, r.GetInstance()); err != nil {
		return err
	}
	return s.Send(&servingv1.WatchResponse{})
}

func (b *bundle) Fetch(ctx context.Context, r *servingv1.FetchRequest) (*servingv1.FetchResponse, error) {
	return &servingv1.FetchResponse{}, b.call(ctx, r.GetWatch().GetInstance())
}

func (b *bundle) ReportStatus(ctx context.Context, r *servingv1.ReportStatusRequest) (*servingv1.ReportStatusResponse, error) {
	return &servingv1.ReportStatusResponse{}, b.call(ctx, r.GetStatus().GetInstance())
}

// wire is the network between a client that signs and the server.
type wire struct {
	next     http.RoundTripper
	request  func(*http.Request) // changes what is sent; it owns the request
	response func(*http.Response)
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	if w.request != nil {
		w.request(r)
	}
	response, err := w.next.RoundTrip(r)
	if err == nil && w.response != nil {
		w.response(response)
	}
	return response, err
}

// network returns a transport for one version of HTTP.
func network(t *testing.T, http2 bool) *http.Transport {
	t.Helper()
	protocols := new(http.Protocols)
	protocols.SetHTTP1(!http2)
	protocols.SetUnencryptedHTTP2(http2)
	transport := &http.Transport{Protocols: protocols}
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}

// signing returns a transport that signs by the server's clock.
func (b *bundle) signing(next http.RoundTripper) *accesskey.Transport {
	return &accesskey.Transport{Key: b.key, Audience: audience, Next: next, Now: b.clock.now}
}

// invoke calls a procedure.
func invoke(ctx context.Context, transport http.RoundTripper, url, procedure string, options ...connect.ClientOption) error {
	client := servingv1connect.NewConfigServiceClient(&http.Client{Transport: transport}, url, options...)
	who := &servingv1.WatchRequest{Instance: "instance"}
	switch procedure {
	case fetch:
		_, err := client.Fetch(ctx, &servingv1.FetchRequest{Watch: who})
		return err
	case report:
		_, err := client.ReportStatus(ctx, &servingv1.ReportStatusRequest{Status: &servingv1.Status{Instance: "instance"}})
		return err
	default:
		stream, err := client.Watch(ctx, who)
		if err != nil {
			return err
		}
		received := 0
		for stream.Receive() {
			received++
		}
		if err := errors.Join(stream.Err(), stream.Close()); err != nil {
			return err
		}
		if received != 1 {
			return errors.New("not one frame")
		}
		return nil
	}
}

// outcome is how a call ended, for comparison: "ok", or code and reason.
func outcome(err error) string {
	if err == nil {
		return "ok"
	}
	coded, ok := errors.AsType[*connect.Error](err)
	if !ok {
		return err.Error()
	}
	for _, detail := range coded.Details() {
		value, err := detail.Value()
		if err != nil {
			return err.Error()
		}
		if info, ok := value.(*errdetails.ErrorInfo); ok {
			return coded.Code().String() + " " + info.GetReason()
		}
	}
	return coded.Error()
}

const (
	unauthenticatedOutcome = "unauthenticated ERROR_REASON_UNAUTHENTICATED"
	skewOutcome            = "unauthenticated ERROR_REASON_CLOCK_SKEW"
	replayedOutcome        = "unauthenticated ERROR_REASON_REPLAYED"
	deniedOutcome          = "permission_denied ERROR_REASON_PERMISSION_DENIED"
	invalidOutcome         = "invalid_argument ERROR_REASON_INVALID_REQUEST"
	overloadedOutcome      = "resource_exhausted ERROR_REASON_OVERLOADED"
)

func at(t time.Time) *timestamppb.Timestamp { return timestamppb.New(t) }
