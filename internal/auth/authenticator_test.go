package auth

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/internal/rpc"
	"github.com/strata-exp/strata/sdk/go/accesskey"
)

func setupEdge() *rpc.Edge {
	return rpc.NewEdge(slog.New(slog.DiscardHandler), func(string, connect.Code) {})
}

// TestVectors has the requests that other SDKs make, and those that none must.
func TestVectors(t *testing.T) {
	t.Parallel()
	type request struct {
		Method  string              `json:"method"`
		Path    string              `json:"path"`
		Content string              `json:"content_hex"`
		Headers map[string][]string `json:"headers"`
	}
	var vectors struct {
		Keys []struct {
			Public    string `json:"public_key_hex"`
			AccessKey string `json:"access_key"`
		} `json:"keys"`
		Signatures []struct {
			Name     string  `json:"name"`
			Audience string  `json:"audience"`
			Created  int64   `json:"created"`
			Request  request `json:"request"`
		} `json:"signatures"`
		Refused []struct {
			Name     string  `json:"name"`
			Audience string  `json:"audience"`
			Time     int64   `json:"server_time"`
			Reason   string  `json:"reason"`
			Request  request `json:"request"`
		} `json:"refused_requests"`
	}
	data, err := os.ReadFile("../../sdk/conformance/signatures/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &vectors); err != nil {
		t.Fatal(err)
	}
	decode := func(text string) []byte {
		data, err := hex.DecodeString(text)
		if err != nil {
			t.Error(err)
		}
		return data
	}
	keys := NewKeyring()
	var list []*servingv1.PublicKey
	for _, key := range vectors.Keys {
		list = append(list, &servingv1.PublicKey{AccessKey: key.AccessKey, PublicKey: decode(key.Public), Role: servingv1.Role_ROLE_SDK})
	}
	if err := keys.Set(1, list); err != nil {
		t.Fatal(err)
	}
	try := func(audience string, now int64, v request) string {
		content := decode(v.Content)
		r := httptest.NewRequest(v.Method, v.Path, bytes.NewReader(content))
		r.Header = v.Headers
		a := &Authenticator{
			Keys: keys, Nonces: NewMemoryNonces(0, nil), Audience: audience,
			Now: func() time.Time { return time.Unix(now, 0) },
		}
		got, failed := a.authenticate(httptest.NewRecorder(), r, Policy{Roles: roles, Sessions: true})
		if failed != nil {
			if declined, ok := errors.AsType[*rpc.Declined](failed.answer); ok {
				return declined.Reason.String()
			}
			return failed.answer.Error()
		}
		if rest, err := io.ReadAll(got.Body); err != nil || !bytes.Equal(rest, content) {
			t.Errorf("the handler got %q, %v", rest, err)
		}
		return "ok"
	}
	for _, v := range vectors.Signatures {
		if got := try(v.Audience, v.Created, v.Request); got != "ok" {
			t.Errorf("%s: %s", v.Name, got)
		}
	}
	for _, v := range vectors.Refused {
		if got := try(v.Audience, v.Time, v.Request); got != v.Reason {
			t.Errorf("%s: got %s, want %s", v.Name, got, v.Reason)
		}
	}
	if len(vectors.Signatures) < 10 || len(vectors.Refused) < 30 {
		t.Error("vectors are missing")
	}
}

// TestSessions uses one session for many calls, until it must not be used.
func TestSessions(t *testing.T) {
	t.Parallel()
	b := setup(t)
	between := &wire{next: network(t, true)}
	client := b.signing(between)
	client.Sessions = func(string) bool { return true }
	call := func() string { return outcome(invoke(t.Context(), client, b.url, report, connect.WithGRPC())) }
	signatures := map[string]bool{}
	var header http.Header
	between.request = func(r *http.Request) {
		header = r.Header.Clone()
		signatures[header.Get(accesskey.HeaderSignature)] = true
	}
	for range 3 {
		if got := call(); got != "ok" {
			t.Error(got)
		}
	}
	if len(signatures) != 1 || len(b.auth.sessions.young) != 1 {
		t.Errorf("%d signatures, %d remembered", len(signatures), len(b.auth.sessions.young))
	}
	input := header.Get(accesskey.HeaderInput)
	for name, change := range map[string]func(http.Header){
		"a longer lifetime": func(h http.Header) {
			created := strings.Index(input, "created=17672256") + len("created=17672256")
			h.Set(accesskey.HeaderInput, input[:created]+"01"+input[created+2:])
		},
		"another key": func(h http.Header) {
			h.Set(accesskey.HeaderInput, strings.Replace(input, b.key.AccessKey(), generate(t).AccessKey(), 1))
		},
		"another audience": func(h http.Header) { h.Set(accesskey.HeaderAudience, "there") },
	} {
		between.request = func(r *http.Request) { change(r.Header) }
		if got := call(); got != unauthenticatedOutcome {
			t.Errorf("%s: %s", name, got)
		}
	}
	// The very same headers, from a client that does not renew them.
	between.request = func(r *http.Request) {
		for name := range header {
			r.Header[name] = header[name]
		}
	}
	b.clock.add(599 * time.Second)
	if got := call(); got != "ok" {
		t.Error(got)
	}
	b.set(2)
	if got := call(); got != unauthenticatedOutcome {
		t.Errorf("revoked: %s", got)
	}
	b.set(3, public(b.key, servingv1.Role_ROLE_VIEWER))
	if got := call(); got != deniedOutcome {
		t.Errorf("another role: %s", got)
	}
	b.set(4, public(b.key, servingv1.Role_ROLE_SDK))
	if got := call(); got != "ok" {
		t.Error(got)
	}
	b.clock.add(time.Second)
	between.response = deaf
	if got := call(); got != skewOutcome {
		t.Errorf("expired: %s", got)
	}
}

func TestSessionsAreBounded(t *testing.T) {
	t.Parallel()
	var s sessions
	signature := &accesskey.Signature{}
	s.put("kept", "kept", signature)
	for i := range 5 * sessionsEach {
		s.put("input", strconv.Itoa(i), signature)
		if i%1000 == 0 && s.get("kept", "kept") == nil {
			t.Fatal("one that is used was forgotten")
		}
	}
	if len(s.young) > sessionsEach || len(s.old) > sessionsEach {
		t.Errorf("holds %d and %d", len(s.young), len(s.old))
	}
	if s.get("input", "0") != nil || s.get("other input", "kept") != nil || s.get("input", strconv.Itoa(5*sessionsEach-1)) == nil {
		t.Error("holds others")
	}
}

// TestOneOfManyReplays sends the same request many times at once.
func TestOneOfManyReplays(t *testing.T) {
	t.Parallel()
	b := setup(t)
	between := &wire{next: network(t, true)}
	var signed atomic.Pointer[http.Header]
	between.request = func(r *http.Request) {
		signed.CompareAndSwap(nil, new(r.Header.Clone()))
		r.Header = signed.Load().Clone()
	}
	client := b.signing(between)
	var good atomic.Int32
	var wait sync.WaitGroup
	for range 30 {
		wait.Go(func() {
			switch got := outcome(invoke(t.Context(), client, b.url, fetch)); got {
			case "ok":
				good.Add(1)
			case replayedOutcome:
			default:
				t.Error(got)
			}
		})
	}
	wait.Wait()
	if good.Load() != 1 || b.called() != 1 {
		t.Errorf("good %d times, called %d times", good.Load(), b.called())
	}
	families, err := b.registry.Gather()
	if err != nil || len(families) != 1 || families[0].GetName() != "strata_auth_failures_total" || len(families[0].GetMetric()) != len(causes) {
		t.Errorf("%v, %v", families, err)
	}
	for _, metric := range families[0].GetMetric() {
		want := map[bool]float64{true: 29}[metric.GetLabel()[0].GetValue() == string(causeReplay)]
		if got := metric.GetCounter().GetValue(); got != want {
			t.Errorf("counted %v: %v", got, metric)
		}
	}
}

// unread fails a test that reads.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the content of a stranger was read")
	return 0, io.EOF
}

func TestStrangersAreNotRead(t *testing.T) {
	t.Parallel()
	for name, test := range cases {
		if test.want != unauthenticatedOutcome || strings.HasSuffix(name, " content") {
			continue
		}
		s := &scene{bundle: setup(t), wire: &wire{}}
		s.client = s.signing(s.wire)
		s.wire.next = roundTrip(func(r *http.Request) (*http.Response, error) {
			r.Body = io.NopCloser(unread{t})
			if _, failed := s.auth.authenticate(httptest.NewRecorder(), r, Policy{Roles: roles}); failed != nil {
				return nil, failed.answer
			}
			t.Errorf("%s: let through", name)
			return nil, errors.New("no answer")
		})
		test.change(s)
		_ = invoke(t.Context(), s.client, s.url, fetch)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// raw writes to a server and returns the status of its answer, and what follows.
func raw(t *testing.T, url, text string) (status int, rest *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	rest = bufio.NewReader(conn)
	return next(t, rest), rest
}

// next reads an answer and returns its status.
func next(t *testing.T, reader *bufio.Reader) (status int) {
	t.Helper()
	response, err := http.ReadResponse(reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()
	return response.StatusCode
}

// head returns the head of a signed request of Fetch, as it is sent.
func (b *bundle) head(content string) string {
	b.t.Helper()
	m := accesskey.Message{
		Method: "POST", Path: fetch, ContentType: "application/json", Digest: accesskey.Digest([]byte(content)), Audience: audience,
	}
	now := b.clock.now().Unix()
	s, err := b.key.Sign(accesskey.Params{Profile: accesskey.Request, Created: now, Expires: now + 60}, m)
	if err != nil {
		b.t.Fatal(err)
	}
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Digest: %s\r\n"+
		"Strata-Audience: %s\r\nSignature-Input: %s\r\nSignature: %s\r\n", fetch, m.Digest, audience, s.Input(), s.Text())
}

func TestSlowContent(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.auth.ContentTimeout = 10 * time.Millisecond
	status, reader := raw(t, b.url, b.head("{}")+"Content-Length: 2\r\n\r\n{")
	if rest, _ := io.ReadAll(reader); status != http.StatusBadRequest || len(rest) > 0 || b.called() > 0 {
		t.Errorf("status %d, then %q", status, rest)
	}
}

// TestRestOfContentIsNoRequest hides a request in what a refused one has left.
func TestRestOfContentIsNoRequest(t *testing.T) {
	t.Parallel()
	b := setup(t)
	content := `{"watch":{"instance":"instance"}}`
	hidden := b.head(content) + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(content), content)
	for name, head := range map[string]string{
		"not signed": "POST " + fetch + " HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n",
		"signed":     b.head("another content"),
	} {
		status, reader := raw(t, b.url, head+fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(hidden), hidden)+
			"GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		if after := next(t, reader); status != http.StatusUnauthorized || after != http.StatusNotFound || b.called() > 0 {
			t.Errorf("%s: status %d, then %d, called %d times", name, status, after, b.called())
		}
	}
	if status, _ := raw(t, b.url, hidden); status != http.StatusOK {
		t.Errorf("what was hidden is not good: %d", status)
	}
}

// TestHandlersMayTakeTheirTime has a handler that works for longer than the
// content may take to arrive: what ends the one must not end the other.
func TestHandlersMayTakeTheirTime(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.auth.ContentTimeout = 300 * time.Millisecond
	server := httptest.NewServer(b.auth.Require(b.edge, fetch, Policy{Roles: roles}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
			w.WriteHeader(http.StatusInternalServerError)
		case <-time.After(400 * time.Millisecond):
		}
	})))
	defer server.Close()
	if status, _ := raw(t, server.URL, b.head("{}")+"Content-Length: 2\r\n\r\n{}"); status != http.StatusOK {
		t.Errorf("status %d", status)
	}
}

// TestLargeContent is answered before it is sent, or when it turns out to be too
// large.
func TestLargeContent(t *testing.T) {
	t.Parallel()
	for _, http2 := range []bool{false, true} {
		for _, announced := range []bool{false, true} {
			b := setup(t)
			b.auth.MaxContent = 100 << 10
			between := &wire{next: network(t, http2)}
			between.request = func(r *http.Request) {
				if !announced {
					r.ContentLength = -1
				}
			}
			for size, want := range map[int]int{50 << 10: http.StatusOK, 150 << 10: http.StatusBadRequest} {
				content := fmt.Sprintf(`{"watch":{"instance":"instance"}%*s}`, size, "")
				response, err := (&http.Client{Transport: b.signing(between)}).Post(b.url+fetch, "application/json", strings.NewReader(content))
				if err != nil {
					t.Fatal(err)
				}
				_ = response.Body.Close()
				if response.StatusCode != want {
					t.Errorf("%d bytes: status %d", size, response.StatusCode)
				}
			}
		}
	}
}

// TestService lets nothing through that has no policy.
func TestService(t *testing.T) {
	t.Parallel()
	b := setup(t)
	handler := b.auth.Service(b.edge, map[string]Policy{fetch: {Roles: roles}},
		http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for path, want := range map[string]int{fetch: http.StatusUnauthorized, watch: http.StatusNotFound, "/": http.StatusNotFound} {
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, httptest.NewRequest(http.MethodPost, path, nil))
		if recorder.Code != want {
			t.Errorf("%s: %d", path, recorder.Code)
		}
	}
	for name, wrong := range map[string]func(){
		"no roles": func() { b.auth.Require(b.edge, fetch, Policy{}, handler) },
		"no role":  func() { b.auth.Require(b.edge, fetch, Policy{Roles: []servingv1.Role{0}}, handler) },
		"no audience": func() {
			(&Authenticator{Keys: b.keys, Nonces: b.auth.Nonces}).Require(b.edge, fetch, Policy{Roles: roles}, handler)
		},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			wrong()
		}()
	}
}
