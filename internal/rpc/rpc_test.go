package rpc_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"go.uber.org/goleak"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/types/known/wrapperspb"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/internal/rpc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	unary  = "/test.v1.Test/Unary"
	stream = "/test.v1.Test/Stream"
)

type message = wrapperspb.StringValue

// bundle is a server whose calls end as the text of their request says.
type bundle struct {
	url string
	log *syncBuffer

	mu    sync.Mutex
	calls []string
}

func (b *bundle) observe(procedure string, code connect.Code) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls = append(b.calls, fmt.Sprintf("%s %d", procedure, code))
}

func (b *bundle) observed() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.calls)
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

var outcomes = map[string]error{
	"invalid":       &rpc.Invalid{Violations: []rpc.Violation{{Field: "a", Problem: "p"}, {Field: "b", Problem: "q"}}},
	"too large":     fmt.Errorf("wrapped: %w", &rpc.TooLarge{What: "the answer", MaxBytes: 64 << 20}),
	"not available": &rpc.NotAvailable{Problem: "revision 3 is not at hand"},
	"unknown":       errors.New("dial tcp 10.0.0.1: password hunter2"),
	"canceled":      fmt.Errorf("hunter2: %w", context.Canceled),
	"deadline":      fmt.Errorf("hunter2: %w", context.DeadlineExceeded),
	"coded":         fmt.Errorf("wrapped: %w", connect.NewError(connect.CodeAborted, errors.New("as it was"))),
	"coded context": connect.NewError(connect.CodeAborted, context.Canceled),

	"unauthenticated": fmt.Errorf("hunter2: %w", rpc.Declinef(servingv1.ErrorReason_ERROR_REASON_UNAUTHENTICATED, "not signed")),
	"clock skew": &rpc.Declined{
		Reason: servingv1.ErrorReason_ERROR_REASON_CLOCK_SKEW, Problem: "too late", Metadata: map[string]string{"server_time_millis": "1"},
	},
	"replayed":   rpc.Declinef(servingv1.ErrorReason_ERROR_REASON_REPLAYED, "used before"),
	"denied":     rpc.Declinef(servingv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED, "not allowed"),
	"not served": rpc.Declinef(servingv1.ErrorReason_ERROR_REASON_NOT_SERVED, "not here"),
	"behind":     rpc.Declinef(servingv1.ErrorReason_ERROR_REASON_BEHIND, "behind you"),
	"overloaded": rpc.Overloaded(time.Second, 5*time.Second),
	"no reason":  rpc.Declinef(0, "hunter2"),
}

func end(text string) error {
	if text == "panic" {
		panic("hunter2")
	}
	return outcomes[text]
}

func setup(t *testing.T) *bundle {
	t.Helper()
	b := &bundle{log: &syncBuffer{}}
	edge := rpc.NewEdge(slog.New(slog.NewTextHandler(b.log, nil)), b.observe)
	mux := http.NewServeMux()
	mux.Handle(unary, edge.Unary(unary, connect.NewUnaryHandlerSimple(unary,
		func(_ context.Context, m *message) (*message, error) {
			if err := end(m.GetValue()); err != nil {
				return nil, err
			}
			return m, nil
		}, edge.UnaryOptions(unary), connect.WithIdempotency(connect.IdempotencyNoSideEffects))))
	mux.Handle(stream, rpc.Stream(t.Context().Done(), connect.NewServerStreamHandlerSimple(stream,
		func(_ context.Context, m *message, s *connect.ServerStream[message]) error {
			if err := s.Send(m); err != nil {
				return err
			}
			return end(m.GetValue())
		}, edge.StreamOptions(stream))))
	server := httptest.NewUnstartedServer(nil)
	server.Config = rpc.NewServer(mux, slog.New(slog.DiscardHandler))
	server.Start()
	t.Cleanup(server.Close)
	b.url = server.URL
	return b
}

// TestSlowReadersAreCutOff calls without reading, next to a stream, which goes on
// after the time is up.
func TestSlowReadersAreCutOff(t *testing.T) {
	t.Parallel()
	for name, transport := range map[string]http.RoundTripper{"HTTP/1.1": &http.Transport{}, "HTTP/2": client(t).Transport} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cut, next := make(chan error, 1), make(chan struct{})
			mux := http.NewServeMux()
			mux.HandleFunc("/stalled", func(w http.ResponseWriter, _ *http.Request) {
				_, err := w.Write(make([]byte, 64<<20)) // more than any buffer takes
				cut <- err
			})
			edge := rpc.NewEdge(slog.New(slog.DiscardHandler), func(string, connect.Code) {})
			mux.Handle(stream, rpc.Stream(t.Context().Done(), connect.NewServerStreamHandlerSimple(stream,
				func(ctx context.Context, m *message, s *connect.ServerStream[message]) error {
					err := s.Send(m)
					select {
					case <-next:
					case <-ctx.Done(): // the test has failed
					}
					return errors.Join(err, s.Send(m))
				}, edge.StreamOptions(stream))))
			server := httptest.NewUnstartedServer(nil)
			server.Config = rpc.NewServer(mux, slog.New(slog.DiscardHandler))
			server.Config.WriteTimeout = 200 * time.Millisecond
			server.Start()
			defer server.Close()
			defer server.CloseClientConnections() // so that a stream ends even if the test fails
			c := &http.Client{Transport: transport}
			defer c.CloseIdleConnections()

			s, err := connect.NewClient[message, message](c, server.URL+stream).
				CallServerStream(t.Context(), connect.NewRequest(wrapperspb.String("hello")))
			if err != nil || !s.Receive() {
				t.Fatal(err, s.Err())
			}
			response, err := c.Get(server.URL + "/stalled")
			if err == nil { // else it was cut off before its headers
				defer func() { _ = response.Body.Close() }()
			}
			if err := <-cut; err == nil {
				t.Error("the answer was written though nobody read it")
			}
			close(next) // by now the stream is older than the timeout
			if !s.Receive() {
				t.Errorf("the stream was cut off: %v", s.Err())
			}
			if s.Receive() || s.Err() != nil {
				t.Errorf("the stream did not end well: %v", s.Err())
			}
			_ = s.Close()
		})
	}
}

func client(t *testing.T) *http.Client {
	t.Helper()
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func reasons(err error) (reason string, fields []string) {
	coded := new(connect.Error)
	if !errors.As(err, &coded) {
		return "", nil
	}
	for _, detail := range coded.Details() {
		value, err := detail.Value()
		if err != nil {
			return err.Error(), nil
		}
		switch value := value.(type) {
		case *errdetails.ErrorInfo:
			reason = value.GetDomain() + " " + value.GetReason()
			parts := []string{reason}
			for _, name := range slices.Sorted(maps.Keys(value.GetMetadata())) {
				if name != "reference" {
					parts = append(parts, name+"="+value.GetMetadata()[name])
				}
			}
			reason = strings.Join(parts, " ")
		case *errdetails.BadRequest:
			for _, v := range value.GetFieldViolations() {
				fields = append(fields, v.GetField()+": "+v.GetDescription())
			}
		}
	}
	return reason, fields
}

func TestErrorsBecomeAnswers(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		text    string
		code    connect.Code
		message string
		reason  string
		fields  []string
	}{
		{"invalid", connect.CodeInvalidArgument, "a: p; b: q", "strata ERROR_REASON_INVALID_REQUEST", []string{"a: p", "b: q"}},
		{"too large", connect.CodeResourceExhausted, "wrapped: the answer is larger than 64 MiB: send less at a time", "strata ERROR_REASON_TOO_LARGE", nil},
		{"not available", connect.CodeNotFound, "revision 3 is not at hand", "strata ERROR_REASON_REVISION_NOT_AVAILABLE", nil},
		{"unknown", connect.CodeInternal, "a fault of the server; its log has more under the reference ", "strata ERROR_REASON_INTERNAL", nil},
		{"panic", connect.CodeInternal, "a fault of the server; its log has more under the reference ", "strata ERROR_REASON_INTERNAL", nil},
		{"canceled", connect.CodeCanceled, "context canceled", "", nil},
		{"deadline", connect.CodeDeadlineExceeded, "context deadline exceeded", "", nil},
		{"coded", connect.CodeAborted, "as it was", "", nil},
		{"coded context", connect.CodeAborted, "context canceled", "", nil},
		{"unauthenticated", connect.CodeUnauthenticated, "not signed", "strata ERROR_REASON_UNAUTHENTICATED", nil},
		{"clock skew", connect.CodeUnauthenticated, "too late", "strata ERROR_REASON_CLOCK_SKEW server_time_millis=1", nil},
		{"replayed", connect.CodeUnauthenticated, "used before", "strata ERROR_REASON_REPLAYED", nil},
		{"denied", connect.CodePermissionDenied, "not allowed", "strata ERROR_REASON_PERMISSION_DENIED", nil},
		{"not served", connect.CodeNotFound, "not here", "strata ERROR_REASON_NOT_SERVED", nil},
		{"behind", connect.CodeUnavailable, "behind you", "strata ERROR_REASON_BEHIND", nil},
		{
			"overloaded", connect.CodeResourceExhausted, "too many at once: come back after a random time between 1s and 5s",
			"strata ERROR_REASON_OVERLOADED retry_max_millis=5000 retry_min_millis=1000", nil,
		},
		{"no reason", connect.CodeInternal, "a fault of the server; its log has more under the reference ", "strata ERROR_REASON_INTERNAL", nil},
	} {
		t.Run(test.text, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			calls := map[string]func() error{
				unary: func() error {
					c := connect.NewClient[message, message](client(t), b.url+unary, connect.WithGRPC())
					_, err := c.CallUnary(t.Context(), connect.NewRequest(wrapperspb.String(test.text)))
					return err
				},
				stream: func() error {
					c := connect.NewClient[message, message](client(t), b.url+stream)
					s, err := c.CallServerStream(t.Context(), connect.NewRequest(wrapperspb.String(test.text)))
					if err != nil {
						return err
					}
					for s.Receive() {
					}
					return errors.Join(s.Err(), s.Close())
				},
			}
			for procedure, call := range calls {
				err := call()
				coded := new(connect.Error)
				if !errors.As(err, &coded) {
					t.Fatalf("%s: got %v", procedure, err)
				}
				if coded.Code() != test.code || !strings.HasPrefix(coded.Message(), test.message) {
					t.Errorf("%s: got %v", procedure, coded)
				}
				reason, fields := reasons(err)
				if reason != test.reason || !slices.Equal(fields, test.fields) {
					t.Errorf("%s: got reason %q, fields %q", procedure, reason, fields)
				}
				if strings.Contains(err.Error(), "hunter2") {
					t.Errorf("%s: leaked: %v", procedure, err)
				}
				if test.code == connect.CodeInternal {
					reference := strings.TrimPrefix(coded.Message(), test.message)
					if log := b.log.String(); len(reference) != 8 || !strings.Contains(log, reference) || !strings.Contains(log, "hunter2") {
						t.Errorf("%s: reference %q, log:\n%s", procedure, reference, log)
					}
				}
				if want := fmt.Sprintf("%s %d", procedure, test.code); !slices.Contains(b.observed(), want) {
					t.Errorf("observed %q, want %q", b.observed(), want)
				}
			}
		})
	}
}

func TestEveryReasonHasAnAnswer(t *testing.T) {
	t.Parallel()
	edge := rpc.NewEdge(slog.New(slog.DiscardHandler), func(string, connect.Code) {})
	seen := map[string]bool{}
	for _, err := range outcomes {
		reason, _ := reasons(edge.Coded(t.Context(), unary, err))
		name, _, _ := strings.Cut(strings.TrimPrefix(reason, "strata "), " ")
		seen[name] = true
	}
	for number, name := range servingv1.ErrorReason_name {
		if number != 0 && !seen[name] {
			t.Errorf("no error has the reason %s", name)
		}
	}
	m := edge.Message(t.Context(), unary, rpc.Invalidf("services", "want at least one"))
	if m.GetCode() != "invalid_argument" || m.GetMessage() != "services: want at least one" ||
		m.GetReason() != servingv1.ErrorReason_ERROR_REASON_INVALID_REQUEST {
		t.Errorf("got %v", m)
	}
}

func compress(data []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(data)
	_ = w.Close()
	return b.Bytes()
}

// sized is a JSON string of n bytes, its quotes counted.
func sized(n int) []byte { return []byte(`"` + strings.Repeat("a", n-2) + `"`) }

func TestUnaryRefusesWhatItCanNotRead(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, test := range []struct {
		name    string
		method  string
		query   string
		header  map[string]string
		body    []byte
		unknown bool // length not announced
		status  int
		field   string
	}{
		{name: "as large as may be", body: sized(4 << 20), status: 200},
		{name: "too large", body: sized(4<<20 + 1), status: 400, field: "body: larger than 4 MiB"},
		{name: "too large, not announced", body: sized(4<<20 + 1), unknown: true, status: 400, field: "body: larger than 4 MiB"},
		{name: "not announced", body: sized(4 << 20), unknown: true, status: 200},
		{
			name: "compressed", header: map[string]string{"Content-Encoding": "gzip"},
			body: compress(sized(4 << 20)), status: 200,
		},
		{
			name: "bomb", header: map[string]string{"Content-Encoding": "gzip"},
			body: compress(sized(4<<20 + 1)), status: 400, field: "body: larger than 4 MiB after decompression",
		},
		{
			name: "not gzip", header: map[string]string{"Content-Encoding": "gzip"},
			body: []byte(`"a"`), status: 400, field: "body: not valid gzip",
		},
		{
			name: "gzip cut off", header: map[string]string{"Content-Encoding": "gzip"},
			body: compress(sized(1000))[:20], status: 400, field: "body: not valid gzip",
		},
		{
			name: "protocol version", header: map[string]string{"Connect-Protocol-Version": "2"},
			body: []byte(`"a"`), status: 400, field: `Connect-Protocol-Version: want 1, got "2"`,
		},
		{
			name: "timeout", header: map[string]string{"Connect-Timeout-Ms": "soon"},
			body: []byte(`"a"`), status: 400, field: `Connect-Timeout-Ms: want at most 10 digits, got "soon"`,
		},
		{name: "get", method: "GET", query: "?encoding=json&message=%22a%22", status: 200},
		{name: "get in base64", method: "GET", query: "?encoding=json&base64=1&message=ImEi", status: 200},
		{
			name: "get with a timeout", method: "GET", query: "?encoding=json&message=%22a%22",
			header: map[string]string{"Connect-Timeout-Ms": "soon"},
			status: 400, field: `Connect-Timeout-Ms: want at most 10 digits, got "soon"`,
		},
		{
			name: "get in bad base64", method: "GET", query: "?encoding=json&base64=1&message=*",
			status: 400, field: "message: not valid URL-safe base64",
		},
		{
			name: "get without message", method: "GET", query: "?encoding=json",
			status: 400, field: "message: want the request, URL-encoded, got nothing",
		},
		{
			name: "get without encoding", method: "GET", query: "?message=1",
			status: 400, field: "encoding: want json or proto, got nothing",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			method := test.method
			if method == "" {
				method = "POST"
			}
			var body io.Reader = bytes.NewReader(test.body)
			if test.unknown {
				body = struct{ io.Reader }{body}
			}
			request, err := http.NewRequestWithContext(t.Context(), method, b.url+unary+test.query, body)
			if err != nil {
				t.Fatal(err)
			}
			if method == "POST" {
				request.Header.Set("Content-Type", "application/json")
			}
			for name, value := range test.header {
				request.Header.Set(name, value)
			}
			transport := &http.Transport{}
			defer transport.CloseIdleConnections()
			response, err := transport.RoundTrip(request)
			if err != nil {
				t.Fatal(err)
			}
			data, err := io.ReadAll(response.Body)
			if err := errors.Join(err, response.Body.Close()); err != nil {
				t.Fatal(err)
			}
			if response.StatusCode != test.status {
				t.Fatalf("status %d: %.200s", response.StatusCode, data)
			}
			if test.field == "" {
				return
			}
			var answer struct {
				Code, Message string
				Details       []struct{ Type, Value string }
			}
			if err := json.Unmarshal(data, &answer); err != nil {
				t.Fatal(err)
			}
			if answer.Code != "invalid_argument" || answer.Message != test.field || len(answer.Details) != 2 {
				t.Errorf("got %s", data)
			}
		})
	}
}

func TestUnaryBoundsGRPC(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, option := range []connect.ClientOption{connect.WithGRPC(), connect.WithGRPCWeb()} {
		c := connect.NewClient[message, message](client(t), b.url+unary, option)
		// A tag and a length of four bytes stand before the text.
		most := strings.Repeat("a", rpc.MaxRequestBytes-5)
		if _, err := c.CallUnary(t.Context(), connect.NewRequest(wrapperspb.String(most))); err != nil {
			t.Errorf("the largest request: %v", err)
		}
		_, err := c.CallUnary(t.Context(), connect.NewRequest(wrapperspb.String(most+"a")))
		if connect.CodeOf(err) != connect.CodeInvalidArgument {
			t.Errorf("got %v", err)
		}
		if reason, fields := reasons(err); reason != "strata ERROR_REASON_INVALID_REQUEST" || len(fields) != 1 {
			t.Errorf("got %q, %q", reason, fields)
		}
	}
}

func TestServerSpeaksBothVersions(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, c := range []connect.HTTPClient{client(t), &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}} {
		answer, err := connect.NewClient[message, message](c, b.url+unary).
			CallUnary(t.Context(), connect.NewRequest(wrapperspb.String("hello")))
		if err != nil || answer.Msg.GetValue() != "hello" {
			t.Errorf("got %v, %v", answer, err)
		}
	}
	if want := []string{unary + " 0", unary + " 0"}; !slices.Equal(b.observed(), want) {
		t.Errorf("observed %q", b.observed())
	}
}

// TestRestOfABodyIsNoRequest sends a request inside of a body that is refused
// before it is read.
func TestRestOfABodyIsNoRequest(t *testing.T) {
	t.Parallel()
	b := setup(t)
	conn, err := net.Dial("tcp", strings.TrimPrefix(b.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	inner := "POST " + unary + " HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 3\r\n\r\n\"a\""
	_, err = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		unary, 10<<20, strings.Repeat(inner, 100))
	if err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(conn)
	response, err := http.ReadResponse(reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()
	if response.StatusCode != http.StatusBadRequest || !response.Close {
		t.Errorf("status %d, close %v", response.StatusCode, response.Close)
	}
	if rest, _ := io.ReadAll(reader); len(rest) > 0 {
		t.Errorf("more answers:\n%s", rest)
	}
	if want := []string{unary + " 3"}; !slices.Equal(b.observed(), want) {
		t.Errorf("observed %q", b.observed())
	}
}
