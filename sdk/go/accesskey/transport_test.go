package accesskey

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// clock is a clock that stands still.
type clock struct {
	mu   sync.Mutex
	time time.Time
}

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

// remote is a server without a network, with a clock of its own.
type remote struct {
	t        *testing.T
	clock    *clock
	key      *Key
	audience string
	tell     func() time.Time // what it says the time is

	seen     []*http.Request
	contents []string
	closed   int
}

func (s *remote) RoundTrip(r *http.Request) (*http.Response, error) {
	s.t.Helper()
	var content []byte
	if r.Body != nil {
		content, _ = io.ReadAll(r.Body)
		_ = r.Body.Close()
	}
	s.seen, s.contents = append(s.seen, r), append(s.contents, string(content))
	signature, err := ParseSignature(r.Header.Get(HeaderInput), r.Header.Get(HeaderSignature))
	if err != nil {
		s.t.Error(err)
		return nil, err
	}
	if !signature.Verify(s.key.PublicKey(), Message{
		Method: r.Method, Path: path(r), ContentType: r.Header.Get("Content-Type"), Digest: Digest(content), Audience: s.audience,
	}) {
		s.t.Error("the signature does not hold")
	}
	response := &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: &closing{strings.NewReader("answer"), &s.closed}}
	if now := s.clock.now().Unix(); signature.Created > now+300 || signature.Expires <= now {
		response.Header.Set(HeaderError, ClockSkew)
		response.Header.Set(HeaderServerTime, strconv.FormatInt(s.tell().UnixMilli(), 10))
	}
	return response, nil
}

type closing struct {
	io.Reader
	count *int
}

func (c *closing) Close() error {
	*c.count++
	return nil
}

func setup(t *testing.T, sessions bool) (*Transport, *remote, *clock) {
	t.Helper()
	key, local, far := generate(t), &clock{time: time.Unix(1767225600, 5e8)}, &clock{time: time.Unix(1767225600, 0)}
	server := &remote{t: t, clock: far, key: key, audience: "here", tell: far.now}
	return &Transport{
		Key: key, Audience: "here", Sessions: func(string) bool { return sessions }, Next: server, Now: local.now,
	}, server, local
}

// post makes a request like the framework does: it says how it is sent again.
func post(t *testing.T, body io.Reader) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://host/a.Service/Call", body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/proto")
	return r
}

// send returns the headers of the answer.
func send(t *testing.T, transport *Transport, r *http.Request) http.Header {
	t.Helper()
	response, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	return response.Header
}

func TestTransportCorrectsItsClock(t *testing.T) {
	t.Parallel()
	for _, sessions := range []bool{false, true} {
		for _, ahead := range []time.Duration{10 * time.Minute, -15 * time.Minute, time.Hour, -23 * time.Hour} {
			transport, server, local := setup(t, sessions)
			local.add(ahead)
			for call := range 3 {
				if header := send(t, transport, post(t, strings.NewReader("content"))); header.Get(HeaderError) != "" {
					t.Errorf("%s ahead, call %d: %v", ahead, call, header)
				}
			}
			if len(server.seen) != 4 { // the first one twice
				t.Errorf("%s ahead: sent %d times", ahead, len(server.seen))
			}
			for _, content := range server.contents {
				if content != "content" {
					t.Errorf("sent %q", content)
				}
			}
			if server.closed != 4 {
				t.Errorf("closed %d answers", server.closed)
			}
			local.add(-ahead) // and back again
			if header := send(t, transport, post(t, nil)); header.Get(HeaderError) != "" {
				t.Errorf("%s ahead and back: %v", ahead, header)
			}
		}
	}
}

func TestTransportSendsTwiceAtMost(t *testing.T) {
	t.Parallel()
	for name, tell := range map[string]func() time.Time{
		"wrong":     func() time.Time { return time.Unix(1767225600, 0).Add(2 * time.Hour) },
		"too far":   func() time.Time { return time.Unix(1767225600, 0).Add(2 * 365 * 24 * time.Hour) },
		"before":    func() time.Time { return time.Unix(-1, 0) },
		"very late": func() time.Time { return time.Unix(maxTime+1, 0) },
	} {
		transport, server, local := setup(t, false)
		local.add(time.Hour)
		server.tell = tell
		want := 1
		if name == "wrong" {
			want = 2
		}
		if header := send(t, transport, post(t, nil)); header.Get(HeaderError) != ClockSkew || len(server.seen) != want {
			t.Errorf("%s: %v, sent %d times, want %d", name, header, len(server.seen), want)
		}
	}
}

func TestSessionIsUsedAgain(t *testing.T) {
	t.Parallel()
	transport, server, local := setup(t, true)
	for range 10 {
		send(t, transport, post(t, nil))
		local.add(61 * time.Second)
		server.clock.add(61 * time.Second)
	}
	distinct := map[string]bool{}
	for _, r := range server.seen {
		distinct[r.Header.Get(HeaderSignature)] = true
		if r.Header.Get(HeaderDigest) != "" {
			t.Error("a session has a digest")
		}
	}
	if len(distinct) != 2 || len(server.seen) != 10 {
		t.Errorf("%d signatures for %d calls", len(distinct), len(server.seen))
	}
}

// TestContentThatCanNotBeSentAgain sends a stream. The answer stands, and the
// next call is signed by the right clock.
func TestContentThatCanNotBeSentAgain(t *testing.T) {
	t.Parallel()
	transport, server, local := setup(t, true)
	local.add(time.Hour)
	if header := send(t, transport, post(t, io.MultiReader(strings.NewReader("stream")))); header.Get(HeaderError) != ClockSkew {
		t.Errorf("got %v", header)
	}
	if header := send(t, transport, post(t, io.MultiReader(strings.NewReader("stream")))); header.Get(HeaderError) != "" || len(server.seen) != 2 {
		t.Errorf("got %v, sent %d times", header, len(server.seen))
	}
}

func TestRequestIsNotChanged(t *testing.T) {
	t.Parallel()
	for _, sessions := range []bool{false, true} {
		transport, server, _ := setup(t, sessions)
		closed := 0
		r := post(t, nil)
		body := &closing{strings.NewReader("content"), &closed}
		r.Body, r.ContentLength = body, -1
		r.Header.Set(HeaderAudience, "forged")
		r.Header.Add(HeaderInput, "forged")
		r.Header.Add(HeaderDigest, "forged")
		headers := r.Header.Clone()
		send(t, transport, r)
		if len(r.Header) != len(headers) || r.Header.Get(HeaderInput) != "forged" || r.Body != body || r.GetBody != nil || r.ContentLength != -1 {
			t.Error("the request was changed")
		}
		if closed != 1 {
			t.Errorf("the body was closed %d times", closed)
		}
		sent := server.seen[0]
		for _, name := range []string{HeaderAudience, HeaderInput, HeaderSignature} {
			if len(sent.Header[name]) != 1 || sent.Header[name][0] == "forged" {
				t.Errorf("%s: %q", name, sent.Header[name])
			}
		}
		if sessions {
			continue
		}
		again, err := sent.GetBody()
		if err != nil {
			t.Fatal(err)
		}
		if text, _ := io.ReadAll(again); string(text) != "content" || sent.ContentLength != 7 {
			t.Errorf("%q, length %d", text, sent.ContentLength)
		}
	}
}

func TestTransportRefuses(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*Transport, *http.Request){
		"with a query":            func(_ *Transport, r *http.Request) { r.URL.RawQuery = "a=b" },
		"a request with a query":  func(_ *Transport, r *http.Request) { r.URL.ForceQuery = true },
		"is not redirected":       func(_ *Transport, r *http.Request) { r.Response = &http.Response{} },
		"without a key":           func(s *Transport, _ *http.Request) { s.Key = nil },
		"content-type can not":    func(_ *Transport, r *http.Request) { r.Header.Del("Content-Type") },
		"strata-audience can not": func(s *Transport, _ *http.Request) { s.Audience = "" },
		"broken":                  func(_ *Transport, r *http.Request) { r.Body = io.NopCloser(broken{}) },
	} {
		transport, server, _ := setup(t, false)
		closed := 0
		r := post(t, nil)
		r.Body = &closing{bytes.NewReader(nil), &closed}
		body := r.Body
		change(transport, r)
		response, err := transport.RoundTrip(r)
		if err == nil || !strings.Contains(err.Error(), want) || len(server.seen) > 0 {
			t.Errorf("got %v, want %q", err, want)
		}
		if err == nil {
			_ = response.Body.Close()
		}
		if closed == 0 && r.Body == body {
			t.Errorf("%s: the body was not closed", want)
		}
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("broken") }
