package follow

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/gen/go/strata/serving/v1/servingv1connect"
	"github.com/strata-exp/strata/sdk/go/accesskey"
	"github.com/strata-exp/strata/sdk/go/view"
)

// service answers over HTTP with what a test has prepared.
type service struct {
	frames  chan *servingv1.WatchResponse
	reports chan *servingv1.ReportStatusRequest
}

func (s *service) Watch(ctx context.Context, _ *servingv1.WatchRequest, out *connect.ServerStream[servingv1.WatchResponse]) error {
	for {
		select {
		case frame, ok := <-s.frames:
			if !ok {
				return failure(connect.CodeUnavailable, servingv1.ErrorReason_ERROR_REASON_BEHIND, nil)
			}
			if err := out.Send(frame); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *service) Fetch(context.Context, *servingv1.FetchRequest) (*servingv1.FetchResponse, error) {
	return nil, connect.NewError(connect.CodeUnimplemented, errors.New("not in this test"))
}

func (s *service) ReportStatus(_ context.Context, r *servingv1.ReportStatusRequest) (*servingv1.ReportStatusResponse, error) {
	select {
	case s.reports <- r:
	default:
	}
	return new(servingv1.ReportStatusResponse), nil
}

func TestProtocols(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		protocol Protocol
		h2       bool
		tls      bool
		major    int
	}{
		"connect":          {Connect, false, false, 1},
		"connect over h2":  {Connect, true, false, 2},
		"connect over tls": {Connect, false, true, 2},
		"grpc":             {GRPC, false, false, 2},
		"grpc over tls":    {GRPC, false, true, 2},
		"grpc-web":         {GRPCWeb, false, false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			served := &service{make(chan *servingv1.WatchResponse), make(chan *servingv1.ReportStatusRequest, 1)}
			_, handler := servingv1connect.NewConfigServiceHandler(served)
			var major, signed atomic.Int64
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				major.Store(int64(r.ProtoMajor))
				if r.Header.Get("Strata-Audience") == "control-plane" && r.Header.Get("Signature") != "" {
					signed.Add(1)
				}
				handler.ServeHTTP(w, r)
			}))
			server.Config.Protocols = new(http.Protocols)
			server.Config.Protocols.SetHTTP1(true)
			server.Config.Protocols.SetHTTP2(true)
			server.Config.Protocols.SetUnencryptedHTTP2(true)
			server.EnableHTTP2 = true
			if test.tls {
				server.StartTLS()
			} else {
				server.Start()
			}
			t.Cleanup(server.Close)
			key, err := accesskey.Generate()
			if err != nil {
				t.Fatal(err)
			}
			s := newScript(t)
			config := Config{
				URL: server.URL, Environment: "prod", Instance: "one", Key: key, Sink: s,
				Protocol: test.protocol, ClearHTTP2: test.h2, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
			}
			if test.tls {
				config.TLS = server.Client().Transport.(*http.Transport).TLSClientConfig
				config.TLS.NextProtos = nil
			}
			f, err := New(config)
			if err != nil {
				t.Fatal(err)
			}
			run(t, f)
			until := func(want func(Status) bool) {
				t.Helper()
				for {
					changed := f.Changed()
					if want(f.Status()) {
						return
					}
					select {
					case <-changed:
					case <-t.Context().Done():
						t.Fatalf("still %+v", f.Status())
					}
				}
			}
			served.frames <- hello()
			for _, frame := range append(update(nil, one), update(one, two)...) {
				served.frames <- frame
			}
			served.frames <- beat(two)
			until(func(s Status) bool { return s.Active == two.Position() && s.Confirmed && s.State == synced })
			if r := <-served.reports; r.GetStreamId() != "stream" {
				t.Errorf("reported %v", r)
			}
			close(served.frames)
			until(func(s Status) bool { return s.Err != nil })
			if got := causeOf(f.Status().Err).cause; got != behind {
				t.Errorf("the ending is %v: %v", got, f.Status().Err)
			}
			if major.Load() != int64(test.major) || signed.Load() == 0 {
				t.Errorf("HTTP/%d, %d calls were signed", major.Load(), signed.Load())
			}
		})
	}
}

// cutter is an HTTP client whose streams end after so many bytes.
type cutter struct {
	body  []byte
	cut   int
	clean bool // the connection is closed as if that were all

	calls chan struct{}
}

func (c *cutter) Do(r *http.Request) (*http.Response, error) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return nil, err
	}
	if r.URL.Path != servingv1connect.ConfigServiceWatchProcedure {
		return nil, errors.New("there is nobody")
	}
	select {
	case c.calls <- struct{}{}:
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	body := io.Reader(bytes.NewReader(c.body[:c.cut]))
	if !c.clean {
		body = io.MultiReader(body, torn{})
	}
	return &http.Response{
		StatusCode: http.StatusOK, ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"application/connect+proto"}}, Body: io.NopCloser(body),
	}, nil
}

type torn struct{}

func (torn) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// wire encodes frames as Connect does.
func wire(t *testing.T, frames ...*servingv1.WatchResponse) []byte {
	t.Helper()
	var b []byte
	for _, frame := range frames {
		data, err := proto.Marshal(frame)
		if err != nil {
			t.Fatal(err)
		}
		b = binary.BigEndian.AppendUint32(append(b, 0), uint32(len(data)))
		b = append(b, data...)
	}
	return b
}

// TestCut has the stream of a whole configuration, and of a change, end at each
// byte: before the last one, nothing of it is to be seen.
func TestCut(t *testing.T) {
	t.Parallel()
	for _, clean := range []bool{false, true} {
		start := append([]*servingv1.WatchResponse{hello()}, update(nil, one)...)
		for name, test := range map[string]struct {
			frames  []*servingv1.WatchResponse
			before  *view.View
			prepare int // frames of before
		}{
			"full":      {start, nil, 1},
			"full anew": {append(slices.Clip(start), update(nil, three)...), one, len(start)},
			"delta":     {append(slices.Clip(start), update(one, three)...), one, len(start)},
		} {
			body, least := wire(t, test.frames...), len(wire(t, test.frames[:test.prepare]...))
			for cut := least; cut < len(body); cut++ {
				synctest.Test(t, func(t *testing.T) {
					s := newScript(t)
					c := &cutter{body, cut, clean, make(chan struct{})}
					f, err := New(Config{URL: "http://test", Environment: "prod", Instance: "one", HTTPClient: c, Sink: s})
					if err != nil {
						t.Fatal(err)
					}
					run(t, f)
					for range 2 {
						select {
						case <-c.calls:
						case <-time.After(never):
							t.Fatal("it does not come back")
						}
					}
					if got := f.Status(); s.active() != position(test.before) || got.Replicated != position(test.before) {
						t.Fatalf("%s, %d of %d bytes: %v is active, %v is replicated", name, cut, len(body), s.active(), got.Replicated)
					}
				})
			}
		}
	}
}
