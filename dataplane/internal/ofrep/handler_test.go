package ofrep

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"

	"github.com/strata-exp/strata/dataplane/internal/ingest"
	"github.com/strata-exp/strata/dataplane/internal/metrics"
	"github.com/strata-exp/strata/dataplane/internal/snapshot"
	"github.com/strata-exp/strata/internal/obs"
	"github.com/strata-exp/strata/internal/rpc"
	"github.com/strata-exp/strata/sdk/go/engine"
)

// served is a handler with one parameter, behind a server, and its clock.
type served struct {
	*Handler
	url string
	now atomic.Pointer[time.Time]
}

// direct is one without the server.
func direct(t *testing.T, configure ...func(*Config)) *served {
	t.Helper()
	s := new(served)
	s.now.Store(new(time.Unix(1_700_000_000, 0)))
	clock := func() time.Time { return *s.now.Load() }
	holder := snapshot.NewHolder(clock)
	measured := metrics.New(obs.NewRegistry(), holder)
	sink := ingest.NewCounted(obs.NewRegistry(), ingest.NewLog(obs.Discard()), func(string) bool { return true })
	c := Config{
		Holder: holder, Metrics: measured, Sink: sink, Edge: rpc.NewEdge(slog.New(slog.DiscardHandler), measured.Observe), Now: clock,
		StaleAfter: 45 * time.Second, Heartbeat: time.Millisecond,
	}
	for _, f := range configure {
		f(&c)
	}
	s.Handler = New(c)
	s.publish(t, 1)
	return s
}

func serve(t *testing.T, configure ...func(*Config)) *served {
	t.Helper()
	s := direct(t, configure...)
	mux, stop := http.NewServeMux(), make(chan struct{})
	s.Mount(mux, stop)
	server := rpc.NewServer(mux, obs.Discard())
	listening := httptest.NewUnstartedServer(nil)
	listening.Config = server
	listening.Start()
	s.url = listening.URL
	t.Cleanup(func() {
		close(stop)
		listening.Close()
	})
	return s
}

func (s *served) publish(t *testing.T, revision int64) {
	t.Helper()
	ruleset, err := engine.Compile(nil, &configv1.Snapshot{
		Revision: revision,
		Layers: []*configv1.Layer{{
			LayerId: "l", HashKey: "user_id", Salt: "s", Enabled: true, Ranges: []*configv1.Range{{Start: 0, End: 10_000, Vid: 1}},
		}},
		Experiments: []*configv1.Experiment{{Eid: 1, Service: "svc", Variants: []*configv1.Variant{{Vid: 1, ParamsJson: `{"a":1}`}}}},
	})
	if err == nil {
		err = s.config.Holder.Publish(1, ruleset)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// reply is an answer without its body.
type reply struct {
	StatusCode int
	Header     http.Header
}

func (s *served) post(t *testing.T, path string) (reply, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+path, strings.NewReader(`{"context":{"user_id":"u"}}`))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{response.StatusCode, response.Header}, string(data)
}

// TestStale says so once nothing has been heard for too long, which is another
// answer.
func TestStale(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.config.Holder.Confirm(0)
	etags := map[string]bool{}
	for _, test := range []struct {
		after time.Duration
		want  string
	}{{0, reasonSplit}, {45 * time.Second, reasonSplit}, {46 * time.Second, reasonStale}} {
		s.now.Store(new(time.Unix(1_700_000_000, 0).Add(test.after)))
		if _, text := s.post(t, bulkPath+"/svc.a"); !strings.Contains(text, `"reason":"`+test.want+`"`) {
			t.Errorf("after %v: got %s", test.after, text)
		}
		response, _ := s.post(t, bulkPath)
		etags[response.Header.Get("ETag")] = true
	}
	if len(etags) != 2 {
		t.Errorf("got the tags %v", etags)
	}
}

func TestTooManyAtOnce(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.calls = make(chan struct{}, 1)
	leave, ok := s.begin()
	if !ok {
		t.Fatal("there is no place")
	}
	for _, path := range []string{bulkPath, bulkPath + "/svc.a"} {
		response, text := s.post(t, path)
		if response.StatusCode != http.StatusTooManyRequests || response.Header.Get("Retry-After") != "1" {
			t.Errorf("%s: got %d %s", path, response.StatusCode, text)
		}
	}
	leave()
	if response, text := s.post(t, bulkPath); response.StatusCode != http.StatusOK {
		t.Errorf("got %d %s", response.StatusCode, text)
	}
}

// TestSlowSendersHoldNoPlace reads what is sent after the only place was taken and
// left again.
func TestSlowSendersHoldNoPlace(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.calls = make(chan struct{}, 1)
	for _, path := range []string{bulkPath, bulkPath + "/svc.a"} {
		body, send := io.Pipe()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+path, body)
		if err != nil {
			t.Fatal(err)
		}
		reading := make(chan struct{})
		// Expect makes the server say when the handler reads.
		r.Header.Set("Expect", "100-continue")
		r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{Got100Continue: func() { close(reading) }}))
		answered := make(chan error, 1)
		go func() {
			transport := &http.Transport{ExpectContinueTimeout: time.Minute}
			defer transport.CloseIdleConnections()
			response, err := (&http.Client{Transport: transport}).Do(r)
			if err == nil {
				err = response.Body.Close()
				if response.StatusCode != http.StatusOK {
					err = errors.New(response.Status)
				}
			}
			answered <- err
		}()
		<-reading
		if response, text := s.post(t, path); response.StatusCode != http.StatusOK {
			t.Errorf("%s: got %d %s", path, response.StatusCode, text)
		}
		if _, err := io.WriteString(send, `{"context":{}}`); err != nil {
			t.Fatal(err)
		}
		_ = send.Close()
		if err := <-answered; err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestTooManyWaiting answers at once with what there is, where others wait for
// what may never come.
func TestTooManyWaiting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := direct(t)
		s.waiting = make(chan struct{}, 1)
		call := func() (answered chan int) {
			answered = make(chan int, 1)
			go func() {
				w := httptest.NewRecorder()
				_ = s.bulk(w, httptest.NewRequest(http.MethodPost, bulkPath+"?flagConfigEtag=1-999", strings.NewReader(`{"context":{}}`)))
				answered <- w.Code
			}()
			return answered
		}
		first := call()
		synctest.Wait()
		if len(first) != 0 || len(s.waiting) != 1 {
			t.Fatal("the first one does not wait")
		}
		second := call()
		synctest.Wait()
		if len(second) != 1 || <-second != http.StatusOK || len(first) != 0 {
			t.Error("the second one waits, too")
		}
		<-time.After(catchUp) // of the bubble
		synctest.Wait()
		if len(first) != 1 || <-first != http.StatusOK || len(s.waiting) != 0 {
			t.Error("the first one has no answer")
		}
	})
}

func TestTooManyStreams(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.streams = make(chan struct{}, 1)
	open := func() *http.Response {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+eventsPath, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = response.Body.Close() })
		return response
	}
	first := open() //nolint:bodyclose // it is closed at the end
	// Heartbeats come where nothing else does.
	if got, err := io.ReadAll(io.LimitReader(first.Body, 20)); err != nil || !regexp.MustCompile("^retry: [23]\\d{3}\n\n:\n\n:\n\n:$").Match(got) {
		t.Errorf("%v: got %q", err, got)
	}
	second := open() //nolint:bodyclose // as above
	if second.StatusCode != http.StatusTooManyRequests || second.Header.Get("Retry-After") == "" {
		t.Errorf("got %d", second.StatusCode)
	}
}

// TestFaultsKeepTheirText answers a reference to the log.
func TestFaultsKeepTheirText(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	s := serve(t, func(c *Config) {
		c.Edge = rpc.NewEdge(slog.New(slog.NewTextHandler(&log, nil)), c.Metrics.Observe)
		c.Now = func() time.Time { panic("secret") }
	})
	r := httptest.NewRequest(http.MethodPost, bulkPath+"/svc.a", strings.NewReader(`{"context":{"user_id":"u"}}`))
	r.Header.Set(ExposuresHeader, recordExposures)
	r.SetPathValue("key", "svc.a")
	w := httptest.NewRecorder()
	s.handler(singlePath, func(w http.ResponseWriter, r *http.Request) *failure { return s.single(w, r, "svc.a") }).ServeHTTP(w, r)
	if w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "secret") || !strings.Contains(w.Body.String(), "reference") {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	if !strings.Contains(log.String(), "secret") {
		t.Errorf("the log has %s", &log)
	}
	if len(s.calls) != 0 {
		t.Error("the place was not left")
	}
}
