package follow

import (
	"context"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"connectrpc.com/connect"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/gen/go/strata/serving/v1/servingv1connect"
	"github.com/strata-exp/strata/sdk/go/accesskey"
	"github.com/strata-exp/strata/sdk/go/view"
)

const (
	defaultAudience = "control-plane"
	// Limits of the contract.
	maxNameBytes    = 256
	maxServices     = 1000
	maxRejections   = 20
	maxProblemBytes = 1024
	maxFollowers    = 1000

	// maxFrameBytes is how large a frame may be: a part that gzip could do nothing
	// about, and what stands around it.
	maxFrameBytes = view.MaxPartBytes + 1<<20
	// maxFetchBytes is how large all frames of a fetch may be.
	maxFetchBytes = 4 * maxFrameBytes
)

// client is a config service.
type client interface {
	// Watch returns a stream that ends with ctx, at the latest.
	Watch(ctx context.Context, request *servingv1.WatchRequest) (stream, error)
	Fetch(ctx context.Context, request *servingv1.FetchRequest) (*servingv1.FetchResponse, error)
	ReportStatus(ctx context.Context, request *servingv1.ReportStatusRequest) (*servingv1.ReportStatusResponse, error)
	// Close frees what no call needs any more.
	Close()
}

// stream is the frames of a Watch.
type stream interface {
	// Receive returns the next frame; io.EOF if the server has sent the last one.
	Receive() (*servingv1.WatchResponse, error)
	Close() error
}

// remote is a config service at a URL. The stream has connections of its own, one
// each time, so that other calls do not hold it up, and none is used again that
// may be dead.
type remote struct {
	streams, calls servingv1connect.ConfigServiceClient
	idle           []*http.Client
}

func dial(config Config) client {
	options := []connect.ClientOption{
		connect.WithAcceptCompression("gzip", nil, nil), // what is large is compressed already
	}
	switch config.Protocol {
	case GRPC:
		options = append(options, connect.WithGRPC())
	case GRPCWeb:
		options = append(options, connect.WithGRPCWeb())
	case Connect: // is the default
	}
	r := new(remote)
	forStreams, forCalls := config.HTTPClient, config.HTTPClient
	if forStreams == nil {
		streaming := newTransport(config)
		streaming.DisableKeepAlives = true
		calling := newTransport(config)
		calling.ResponseHeaderTimeout = config.Timers.Answer
		r.idle = []*http.Client{signing(config, streaming), signing(config, calling)}
		forStreams, forCalls = r.idle[0], r.idle[1]
	}
	r.streams = servingv1connect.NewConfigServiceClient(forStreams, config.URL,
		append(slices.Clip(options), connect.WithReadMaxBytes(maxFrameBytes))...)
	r.calls = servingv1connect.NewConfigServiceClient(forCalls, config.URL,
		append(slices.Clip(options), connect.WithReadMaxBytes(maxFetchBytes))...)
	return r
}

func newTransport(config Config) *http.Transport {
	protocols := new(http.Protocols)
	switch plain := strings.HasPrefix(config.URL, "http://"); {
	case plain && (config.ClearHTTP2 || config.Protocol == GRPC):
		protocols.SetUnencryptedHTTP2(true)
	case plain:
		protocols.SetHTTP1(true)
	default:
		protocols.SetHTTP1(config.Protocol != GRPC)
		protocols.SetHTTP2(true)
	}
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: config.Timers.Hello / 2, KeepAlive: 15 * time.Second}).DialContext,
		TLSClientConfig:     config.TLS.Clone(),
		TLSHandshakeTimeout: config.Timers.Answer,
		IdleConnTimeout:     90 * time.Second,
		DisableCompression:  true,
		Protocols:           protocols,
		// A connection that is dead is found by pings as well, as calls on it can
		// not tell.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 10 * time.Second},
	}
}

// signing returns an HTTP client that signs, if there is a key.
func signing(config Config, transport *http.Transport) *http.Client {
	c := &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if config.Key != nil {
		c.Transport = &accesskey.Transport{
			Key: config.Key, Audience: config.Audience, Next: transport,
			Sessions: func(string) bool { return true }, // no call changes anything
		}
	}
	return c
}

func (r *remote) Watch(ctx context.Context, request *servingv1.WatchRequest) (stream, error) {
	s, err := r.streams.Watch(ctx, request)
	if err != nil {
		return nil, err
	}
	return frames{s}, nil
}

func (r *remote) Fetch(ctx context.Context, request *servingv1.FetchRequest) (*servingv1.FetchResponse, error) {
	return r.calls.Fetch(ctx, request)
}

func (r *remote) ReportStatus(ctx context.Context, request *servingv1.ReportStatusRequest) (*servingv1.ReportStatusResponse, error) {
	return r.calls.ReportStatus(ctx, request)
}

func (r *remote) Close() {
	for _, c := range r.idle {
		c.CloseIdleConnections()
	}
}

type frames struct {
	*connect.ServerStreamForClient[servingv1.WatchResponse]
}

func (f frames) Receive() (*servingv1.WatchResponse, error) {
	if f.ServerStreamForClient.Receive() {
		return f.Msg(), nil
	}
	if err := f.Err(); err != nil {
		return nil, err
	}
	return nil, io.EOF
}
