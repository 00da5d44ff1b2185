package dataplane_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/strata-exp/strata/dataplane"
	"github.com/strata-exp/strata/gen/go/strata/serving/v1/servingv1connect"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// limit is how long a test waits for what must happen; it decides nothing
// unless the test fails.
const limit = 30 * time.Second

// plane is a data plane on real ports, with the configuration of the README.
type plane struct {
	t            testing.TB
	root         string
	api, metrics string // URLs
	client       *http.Client

	stop    context.CancelFunc
	stopped chan struct{}
	err     error // of Run, once stopped
}

const (
	layerFile      = "layers/click.json"
	experimentFile = "experiments/ranker.json"
	layerText      = `{"layer_id": "click_experiment", "version": "v1", "priority": 200, "hash_key": "user_id",
		"salt": "click_exp_2024", "enabled": true,
		"ranges": [{"start": 0, "end": 5000, "vid": 1001}, {"start": 5000, "end": 10000, "vid": 1002}]}`
)

func experimentText(algorithm string) string {
	return fmt.Sprintf(`{"eid": 100, "service": "ranker_svc",
		"rule": {"type": "and", "children": [
			{"type": "field", "field": "country", "op": "eq", "values": ["US"]},
			{"type": "not", "child": {"type": "field", "field": "age", "op": "lt", "values": [18]}}]},
		"variants": [{"vid": 1001, "params": {"algorithm": "baseline", "timeout": 100}},
			{"vid": 1002, "params": {"algorithm": %q, "timeout": 200}}]}`, algorithm)
}

// request is the README's; its answer is the second variant.
const request = `{"services": ["ranker_svc"], "context": {"user_id": "user_12345", "country": "US", "age": 25}}`

func folder(tb testing.TB) string {
	tb.Helper()
	root := tb.TempDir()
	for _, name := range []string{"layers", "experiments"} {
		if err := os.Mkdir(filepath.Join(root, name), 0o700); err != nil {
			tb.Fatal(err)
		}
	}
	save(tb, root, layerFile, layerText)
	save(tb, root, experimentFile, experimentText("new_model"))
	return root
}

// save writes a file in one step.
func save(tb testing.TB, root, name, text string) {
	tb.Helper()
	temporary := filepath.Join(root, ".saving")
	if err := os.WriteFile(temporary, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	if err := os.Rename(temporary, filepath.Join(root, name)); err != nil {
		tb.Fatal(err)
	}
}

func config(root string) dataplane.Config {
	c := dataplane.Default()
	c.HTTPAddr, c.MetricsAddr = "127.0.0.1:0", "127.0.0.1:0"
	c.Files.LayersDir, c.Files.ExperimentsDir = filepath.Join(root, "layers"), filepath.Join(root, "experiments")
	c.DrainDelay = 0
	return c
}

// start starts a data plane that is stopped when the test ends, if not before.
func start(tb testing.TB, configure ...func(*dataplane.Config)) *plane {
	tb.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}
	p := &plane{t: tb, root: folder(tb), client: &http.Client{Transport: transport}, stopped: make(chan struct{})}
	c := config(p.root)
	for _, f := range configure {
		f(&c)
	}
	listening := make(chan dataplane.Addresses, 1)
	c.OnListening = func(a dataplane.Addresses) { listening <- a }
	ctx, cancel := context.WithCancel(tb.Context())
	p.stop = cancel
	go func() {
		defer close(p.stopped)
		p.err = dataplane.Run(ctx, c)
	}()
	tb.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := p.wait(); err != nil {
			tb.Error(err)
		}
	})
	select {
	case a := <-listening:
		p.api, p.metrics = "http://"+a.HTTP.String(), "http://"+a.Metrics.String()
	case <-p.stopped:
		tb.Fatal(p.err)
	}
	return p
}

func (p *plane) wait() error {
	p.stop()
	<-p.stopped
	return p.err
}

// save replaces the file of the experiment.
func (p *plane) save(text string) { p.t.Helper(); save(p.t, p.root, experimentFile, text) }

// do sends a request and returns its status and its body.
func (p *plane) do(method, url, contentType string, body []byte) (int, []byte) {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), method, url, bytes.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	response, err := p.client.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	data, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		p.t.Fatal(err)
	}
	return response.StatusCode, data
}

func (p *plane) post(path, body string) (int, []byte) {
	p.t.Helper()
	return p.do(http.MethodPost, p.api+path, "application/json", []byte(body))
}

// answer is an EvaluateResponse as callers see it in JSON.
type answer struct {
	Results map[string]struct {
		Parameters    map[string]any
		VIDs          []int32  `json:"vids"`
		MatchedLayers []string `json:"matched_layers"`
	}
	Revision string
}

func (p *plane) evaluate(body string) answer {
	p.t.Helper()
	status, data := p.post("/experiment", body)
	var a answer
	if err := json.Unmarshal(data, &a); err != nil || status != http.StatusOK {
		p.t.Fatalf("status %d, %v: %s", status, err, data)
	}
	return a
}

// ready is what /readyz answers.
type ready struct {
	Status      string
	Revision    int64
	Layers      int
	Experiments int
	LastFailure *struct{ Faults []string } `json:"last_failure"`
}

func (p *plane) ready() (int, ready) {
	p.t.Helper()
	status, data := p.do(http.MethodGet, p.metrics+"/readyz", "", nil)
	var r ready
	if err := json.Unmarshal(data, &r); err != nil {
		p.t.Fatalf("%v: %s", err, data)
	}
	return status, r
}

// metric returns the value of a metric, "" if there is none.
func (p *plane) metric(name string) string {
	p.t.Helper()
	_, data := p.do(http.MethodGet, p.metrics+"/metrics", "", nil)
	for line := range strings.Lines(string(data)) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// await calls condition until it holds. It is for what a process shows only to
// those who ask.
func (p *plane) await(what string, condition func() bool) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), limit)
	defer cancel()
	for !condition() {
		if ctx.Err() != nil {
			p.t.Fatalf("not yet: %s", what)
		}
	}
}

// load evaluates the README's request from some goroutines until it is stopped,
// and counts.
type load struct {
	stop context.CancelFunc
	wg   sync.WaitGroup

	mu       sync.Mutex
	answers  int
	seen     map[string]int           // answers by algorithm
	awaited  map[string]chan struct{} // closed when the algorithm is first seen
	failures []string
}

func (p *plane) load(workers int) *load {
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{stop: cancel, seen: map[string]int{}, awaited: map[string]chan struct{}{}}
	for range workers {
		l.wg.Go(func() {
			for ctx.Err() == nil {
				l.note(p.once())
			}
		})
	}
	return l
}

// once evaluates like evaluate, from any goroutine.
func (p *plane) once() (algorithm string, err error) {
	r, err := http.NewRequest(http.MethodPost, p.api+"/experiment", strings.NewReader(request))
	if err != nil {
		return "", err
	}
	r.Header.Set("Content-Type", "application/json")
	// An evaluation has no side effects, so the client may send it again where a
	// connection is closed before any answer.
	r.Header.Set("Idempotency-Key", "")
	response, err := p.client.Do(r)
	if err != nil {
		return "", err
	}
	data, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return "", err
	}
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("status %d: %s", response.StatusCode, data)
	}
	var a answer
	if err := json.Unmarshal(data, &a); err != nil {
		return "", fmt.Errorf("%w in %s", err, data)
	}
	return fmt.Sprint(a.Results["ranker_svc"].Parameters["algorithm"]), nil
}

func (l *load) note(algorithm string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.failures = append(l.failures, err.Error())
		return
	}
	l.answers++
	if l.seen[algorithm]++; l.seen[algorithm] == 1 && l.awaited[algorithm] != nil {
		close(l.awaited[algorithm])
	}
}

// await waits for the first answer with an algorithm.
func (l *load) await(t *testing.T, algorithm string) {
	t.Helper()
	l.mu.Lock()
	seen := make(chan struct{})
	if l.seen[algorithm] > 0 {
		close(seen)
	} else {
		l.awaited[algorithm] = seen
	}
	l.mu.Unlock()
	select {
	case <-seen:
	case <-time.After(limit):
		t.Fatalf("no answer has %s", algorithm)
	}
}

// end stops the load and fails the test for every request that failed.
func (l *load) end(t *testing.T) {
	t.Helper()
	l.stop()
	l.wg.Wait()
	for _, failure := range l.failures {
		t.Error(failure)
	}
	t.Logf("%d answers", l.answers)
}

func TestEditsUnderLoad(t *testing.T) {
	t.Parallel()
	p := start(t)
	l := p.load(4)
	for i := range 20 {
		algorithm := fmt.Sprintf("model_%d", i)
		saved := time.Now()
		p.save(experimentText(algorithm))
		l.await(t, algorithm)
		t.Logf("%v from the write to an answer", time.Since(saved))
	}
	l.end(t)
	if got := p.evaluate(request).Revision; got != "21" {
		t.Errorf("revision %s after 20 edits", got)
	}
}

func TestABrokenFileChangesNothing(t *testing.T) {
	t.Parallel()
	var log syncBuffer
	p := start(t, func(c *dataplane.Config) { c.Log = slog.New(slog.NewJSONHandler(&log, nil)) })
	l := p.load(2)
	p.save(`{"eid": 100, "service": "ranker_svc", "variants": [{"vid": 1001, "params": {"a": 1e999}}]}`)
	p.await("the failure in /readyz", func() bool {
		status, r := p.ready()
		return status == http.StatusOK && r.Revision == 1 && r.LastFailure != nil &&
			strings.Contains(r.LastFailure.Faults[0], "ranker.json")
	})
	for name, want := range map[string]string{
		`experiment_layer_reload_total{result="failure"}`: "1",
		`experiment_layer_reload_total{result="success"}`: "1",
		`strata_config_last_reload_success`:               "0",
		`strata_config_revision`:                          "1",
	} {
		if got := p.metric(name); got != want {
			t.Errorf("%s is %q, want %s", name, got, want)
		}
	}
	if !strings.Contains(log.String(), "ranker.json") {
		t.Errorf("the log does not name the file:\n%s", log.String())
	}
	l.await(t, "new_model")
	l.end(t)
	if len(l.seen) != 1 {
		t.Errorf("answers changed: %v", l.seen)
	}

	p.save(experimentText("repaired"))
	p.await("the repaired answer", func() bool {
		a := p.evaluate(request)
		return a.Revision == "2" && a.Results["ranker_svc"].Parameters["algorithm"] == "repaired"
	})
	if _, r := p.ready(); r.LastFailure != nil {
		t.Errorf("the failure is still there: %v", r.LastFailure)
	}
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

// TestStopLosesNoRequest stops a plane under load. Clients that are told to
// close their connections do, and come back on new ones until nobody listens;
// every request that reached the plane is answered.
func TestStopLosesNoRequest(t *testing.T) {
	t.Parallel()
	p := start(t, func(c *dataplane.Config) { c.DrainDelay = 200 * time.Millisecond })
	l := p.load(8)
	l.await(t, "new_model")
	done := make(chan error, 1)
	go func() { done <- p.wait() }()
	p.await("not ready", func() bool {
		response, err := p.client.Get(p.metrics + "/readyz")
		if err != nil {
			return true // stopped already
		}
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
		return response.StatusCode == http.StatusServiceUnavailable
	})
	if err := <-done; err != nil {
		t.Error(err)
	}
	l.stop()
	l.wg.Wait()
	for _, failure := range l.failures {
		// Nobody listens, or never took the connection: the request was not sent.
		if !strings.Contains(failure, "connection refused") && !strings.Contains(failure, "connection reset by peer") {
			t.Error(failure)
		}
	}
	t.Logf("%d answers, %d refused connections", l.answers, len(l.failures))
}

// TestStopCutsOffWhoStalls stops a plane while a client does not send what it
// has announced.
func TestStopCutsOffWhoStalls(t *testing.T) {
	t.Parallel()
	var log syncBuffer
	p := start(t, func(c *dataplane.Config) {
		c.StopTimeout, c.Log = 50*time.Millisecond, slog.New(slog.NewJSONHandler(&log, nil))
	})
	conn, err := net.Dial("tcp", strings.TrimPrefix(p.api, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_, err = io.WriteString(conn, "POST /experiment HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"+
		"Content-Length: 100\r\nExpect: 100-continue\r\n\r\n")
	if err != nil {
		t.Fatal(err)
	}
	// It says so once the handler reads.
	if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.Contains(line, "100") {
		t.Fatalf("got %q, %v", line, err)
	}
	if err := p.wait(); err != nil {
		t.Error(err)
	}
	if got := log.String(); !strings.Contains(got, `"level":"WARN"`) || !strings.Contains(got, `"server":"API server"`) {
		t.Errorf("the log does not tell of it:\n%s", got)
	}
}

func TestRunRefuses(t *testing.T) {
	t.Parallel()
	root := folder(t)
	save(t, root, "layers/b.json", "{")
	save(t, root, "experiments/b.yaml", "eid: [1]")
	for _, test := range []struct {
		name  string
		spoil func(*dataplane.Config)
		want  []string
	}{
		{"bad files", func(*dataplane.Config) {}, []string{"layers/b.json:1", "experiments/b.yaml:1"}},
		{
			"bad settings", func(c *dataplane.Config) {
				c.HTTPAddr, c.Files.LayersDir, c.Files.ExperimentsDir, c.DrainDelay, c.StopTimeout = "8080", "", "", -1, 0
			},
			[]string{"--http-addr", "--layers-dir", "--experiments-dir", "--drain-delay", "--stop-timeout"},
		},
		{"no folder", func(c *dataplane.Config) { c.Files.LayersDir = filepath.Join(root, "nowhere") }, []string{"nowhere"}},
		{"no address", func(c *dataplane.Config) { c.HTTPAddr = "256.0.0.1:0" }, []string{"--http-addr"}},
		{"no address for metrics", func(c *dataplane.Config) { c.MetricsAddr = "256.0.0.1:0" }, []string{"--metrics-addr"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := config(root)
			test.spoil(&c)
			err := dataplane.Run(t.Context(), c)
			if err == nil {
				t.Fatal("it ran")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%s is not in:\n%v", want, err)
				}
			}
		})
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	p := start(t)
	p.evaluate(request)
	p.evaluate(request)
	p.post("/experiment", `{`)
	evaluate := `{procedure="` + strings.TrimPrefix(servingv1connect.EvaluationServiceEvaluateProcedure, "/") + `"}`
	for name, want := range map[string]string{
		"experiment_requests_total" + evaluate:                 "3",
		"experiment_request_errors_total" + evaluate:           "1",
		"experiment_request_duration_seconds_count" + evaluate: "3",
		"experiment_rule_evaluations_total":                    "2",
		`strata_layer_matches_total{layer="click_experiment"}`: "2",
		"strata_config_revision":                               "1",
		"strata_config_layers":                                 "1",
		"strata_config_experiments":                            "1",
	} {
		if got := p.metric(name); got != want {
			t.Errorf("%s is %q, want %s", name, got, want)
		}
	}
	for _, name := range []string{"go_goroutines", "process_start_time_seconds", "strata_config_loaded_timestamp_seconds"} {
		if p.metric(name) == "" {
			t.Errorf("%s is missing", name)
		}
	}
}

func get(procedure, encoding, message string) string {
	return procedure + "?connect=v1&encoding=" + encoding + "&message=" + url.QueryEscape(message)
}

func getBase64(procedure, encoding string, message []byte) string {
	return get(procedure, encoding, base64.RawURLEncoding.EncodeToString(message)) + "&base64=1"
}
