package dataplane_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/strata-exp/strata/dataplane"
)

const (
	flags      = "/ofrep/v1/evaluate/flags"
	someone    = `{"context": {"targetingKey": "t", "user_id": "user_12345", "country": "US", "age": 25}}`
	nobody     = `{"context": {"targetingKey": "t"}}`
	ruled      = `"reason":"TARGETING_MATCH","variant":"1002","metadata":{"version":"1","flagSetId":"ranker_svc","layer":"click_experiment","experiment":100,"slot":7622}`
	unanswered = `"reason":"DEFAULT","metadata":{"version":"1","flagSetId":"ranker_svc"}`
)

// reply is an answer without its body.
type reply struct {
	StatusCode int
	Header     http.Header
}

// send sends a POST with headers, and returns the answer and its body.
func (p *plane) send(path, body string, headers ...string) (reply, string) {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, p.api+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	response, err := p.client.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return reply{response.StatusCode, response.Header}, string(data)
}

func TestOFREPSingle(t *testing.T) {
	t.Parallel()
	p := start(t)
	for _, test := range []struct {
		name, key, body string
		status          int
		want            string
	}{
		{"a string", "ranker_svc.algorithm", someone, 200, `{"key":"ranker_svc.algorithm","value":"new_model",` + ruled + `}`},
		{"a number", "ranker_svc.timeout", someone, 200, `{"key":"ranker_svc.timeout","value":200,` + ruled + `}`},
		{"all of it", "ranker_svc", someone, 200, `{"key":"ranker_svc","value":{"algorithm":"new_model","timeout":200},` + ruled + `}`},
		{"escaped", "ranker%5Fsvc.timeout", someone, 200, `{"key":"ranker_svc.timeout","value":200,` + ruled + `}`},
		{"nobody set it", "ranker_svc.timeout", nobody, 200, `{"key":"ranker_svc.timeout",` + unanswered + `}`},
		{"nobody set any of it", "ranker_svc", nobody, 200, `{"key":"ranker_svc",` + unanswered + `}`},
		{"more than a context", "ranker_svc.timeout", `{"for": ["later"], "context": {}}`, 200, `{"key":"ranker_svc.timeout",` + unanswered + `}`},
		{"an unknown path", "ranker_svc.nothing", someone, 404, `{"key":"ranker_svc.nothing","errorCode":"FLAG_NOT_FOUND","errorDetails":"no variant`},
		{"an unknown service", "other.timeout", someone, 404, `{"key":"other.timeout","errorCode":"FLAG_NOT_FOUND",`},
		{"the beginning of a service", "ranker", someone, 404, `{"key":"ranker","errorCode":"FLAG_NOT_FOUND",`},
		{"an empty path", "ranker_svc.", someone, 404, `{"key":"ranker_svc.","errorCode":"FLAG_NOT_FOUND",`},
		{"no key", "", someone, 404, `{"errorCode":"FLAG_NOT_FOUND",`},
		{"not UTF-8", "a%ff", someone, 404, "{\"key\":\"a\uFFFD\",\"errorCode\":\"FLAG_NOT_FOUND\","},
		{"no JSON", "ranker_svc", `{`, 400, `{"key":"ranker_svc","errorCode":"PARSE_ERROR","errorDetails":"not valid JSON at byte 1`},
		{"nothing", "ranker_svc", ``, 400, `{"key":"ranker_svc","errorCode":"PARSE_ERROR","errorDetails":"`},
		{"too much", "ranker_svc", `{"context":{"a":"` + strings.Repeat("a", 1<<20) + `"}}`, 400, `{"key":"ranker_svc","errorCode":"PARSE_ERROR","errorDetails":"the body is larger than 1 MiB"}`},
		{"no context", "ranker_svc", `{}`, 400, `{"key":"ranker_svc","errorCode":"INVALID_CONTEXT","errorDetails":"context: want an object, got nothing"}`},
		{"another context", "ranker_svc", `{"context":[]}`, 400, `{"key":"ranker_svc","errorCode":"INVALID_CONTEXT","errorDetails":"context: want an object, got a list"}`},
		{"a huge number", "ranker_svc", `{"context":{"n":1e999}}`, 400, `{"key":"ranker_svc","errorCode":"INVALID_CONTEXT","errorDetails":"context.n: the number`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			response, got := p.send(flags+"/"+test.key, test.body, "Content-Type", "application/json; charset=utf-8")
			if response.StatusCode != test.status || !strings.HasPrefix(got, test.want) {
				t.Errorf("got  %d %s\nwant %d %s", response.StatusCode, got, test.status, test.want)
			}
			if !json.Valid([]byte(got)) || response.Header.Get("Content-Type") != "application/json" {
				t.Errorf("%s: %s", response.Header.Get("Content-Type"), got)
			}
		})
	}
	if response, _ := p.send(flags+"/ranker_svc", someone, "Content-Encoding", "gzip"); response.StatusCode != http.StatusBadRequest {
		t.Errorf("compressed: %d", response.StatusCode)
	}
	// The protocol had this once.
	if status, _ := p.do(http.MethodGet, p.api+"/ofrep/v1/configuration", "", nil); status != http.StatusNotFound {
		t.Errorf("configuration: %d", status)
	}
}

func TestOFREPTargetingKey(t *testing.T) {
	t.Parallel()
	p := start(t, func(c *dataplane.Config) { c.OFREPTargetingKey = "user_id" })
	for body, want := range map[string]string{
		`{"context": {"targetingKey": "user_12345", "country": "US"}}`:                 `"variant":"1002"`,
		`{"context": {"targetingKey": "t", "user_id": "user_12345", "country": "US"}}`: `"variant":"1002"`,
		`{"context": {"country": "US"}}`:                                               `"reason":"DEFAULT"`,
	} {
		body = strings.Replace(body, `"country"`, `"age": 25, "country"`, 1)
		if _, got := p.send(flags+"/ranker_svc.algorithm", body); !strings.Contains(got, want) {
			t.Errorf("%s: got %s", body, got)
		}
	}
}

// TestOFREPExposures are those of the path that was read, if the caller wants it.
func TestOFREPExposures(t *testing.T) {
	t.Parallel()
	p := start(t)
	const metric = `strata_exposures_total{hidden="false",service="ranker_svc"}`
	p.send(flags+"/ranker_svc.algorithm", someone)
	p.send(flags, someone, "Strata-Exposures", "record")
	if got := p.metric(metric); got != "" {
		t.Errorf("%s exposures that nobody asked for", got)
	}
	p.send(flags+"/ranker_svc.algorithm", someone, "Strata-Exposures", "record")
	p.send(flags+"/ranker_svc.algorithm", nobody, "Strata-Exposures", "record")
	if got := p.metric(metric); got != "1" {
		t.Errorf("%s exposures, want 1", got)
	}
	if response, got := p.send(flags+"/ranker_svc", someone, "Strata-Exposures", "all"); response.StatusCode != http.StatusBadRequest {
		t.Errorf("got %d %s", response.StatusCode, got)
	}
}

// bulk is an answer of the bulk evaluation.
type bulk struct {
	Flags        []map[string]any
	Metadata     map[string]any
	EventStreams []struct {
		Type     string
		Endpoint struct{ RequestURI string }
	}
}

func (p *plane) bulk(body string, headers ...string) (reply, *bulk) {
	p.t.Helper()
	response, text := p.send(flags, body, headers...)
	b := new(bulk)
	if err := json.Unmarshal([]byte(text), b); err != nil && response.StatusCode != http.StatusNotModified {
		p.t.Fatalf("%v: %s", err, text)
	}
	return response, b
}

func (b *bulk) keys() string {
	var keys []string
	for _, flag := range b.Flags {
		keys = append(keys, fmt.Sprint(flag["key"]))
	}
	return strings.Join(keys, " ")
}

const nested = `{"eid": 100, "service": "a", "variants": [
	{"vid": 1001, "params": {"only": 1, "b": {"c": true}}},
	{"vid": 1002, "params": {"b": {"c": {"d": [1]}}, "n": {"x.y": null}, "": 1}}]}`

func TestOFREPBulk(t *testing.T) {
	t.Parallel()
	p := start(t, func(c *dataplane.Config) {
		c.Environment = "prod"
		save(t, strings.TrimSuffix(c.Files.LayersDir, "/layers"), experimentFile, nested)
		save(t, strings.TrimSuffix(c.Files.LayersDir, "/layers"), "layers/b.json", `{"layer_id": "b", "version": "v1", "priority": 1,
			"hash_key": "user_id", "salt": "b", "enabled": true, "ranges": [{"start": 0, "end": 10000, "vid": 1}]}`)
		save(t, strings.TrimSuffix(c.Files.LayersDir, "/layers"), "experiments/b.json", `{"eid": 1, "service": "a.b", "variants": [{"vid": 1, "params": {"c": "of a.b"}}]}`)
	})
	response, b := p.bulk(someone)
	etag := response.Header.Get("ETag")
	// What begins with "a.b" are keys of the service a.b, the rest is of a. The variant
	// leaves out "only".
	if got := b.keys(); got != `a a.n a.n.x\.y a.only a.b a.b.c` {
		t.Fatalf("got %s", got)
	}
	if got := b.Flags[5]["value"]; got != "of a.b" {
		t.Errorf("a.b.c is %v", got)
	}
	for _, i := range []int{2, 3} { // null, and nothing
		if _, ok := b.Flags[i]["value"]; ok {
			t.Errorf("%v has a value", b.Flags[i])
		}
	}
	if want := map[string]any{"version": "1"}; !reflect.DeepEqual(b.Metadata, want) {
		t.Errorf("got %v, want %v", b.Metadata, want)
	}
	if want := map[string]any{"version": "1", "flagSetId": "a"}; !reflect.DeepEqual(b.Flags[3]["metadata"], want) {
		t.Errorf("got %v, want %v", b.Flags[3]["metadata"], want)
	}
	if len(b.EventStreams) != 1 || b.EventStreams[0].Type != "sse" || !strings.HasPrefix(b.EventStreams[0].Endpoint.RequestURI, "/ofrep/v1/events?since=") {
		t.Errorf("event streams: %+v", b.EventStreams)
	}
	// Each answer of the bulk is that of its own call.
	for _, flag := range b.Flags {
		_, text := p.send(flags+"/"+fmt.Sprint(flag["key"]), someone)
		if !reflect.DeepEqual(plain(t, []byte(text)), any(flag)) {
			t.Errorf("alone it is %s, in the bulk %v", text, flag)
		}
	}

	for name, c := range map[string]struct{ body, services, keys string }{
		"one service":     {someone, "a.b", `a.b a.b.c`},
		"some services":   {someone, "a.b, nothing,a.b", `a.b a.b.c nothing`},
		"nobody":          {nobody, "", `a a.b`},
		"another context": {strings.Replace(someone, "25", "26", 1), "", `a a.n a.n.x\.y a.only a.b a.b.c`},
	} {
		headers := []string{"If-None-Match", etag}
		if c.services != "" {
			headers = append(headers, "Strata-Services", c.services)
		}
		response, b := p.bulk(c.body, headers...)
		if got := b.keys(); response.StatusCode != http.StatusOK || got != c.keys {
			t.Errorf("%s: %d: got %s, want %s", name, response.StatusCode, got, c.keys)
		}
		if response.Header.Get("ETag") == etag {
			t.Errorf("%s: has the same tag", name)
		}
	}
	reordered := `{"context": {"age": 25.0, "country": "US", "user_id": "user_12345", "targetingKey": "t"}}`
	for _, tag := range []string{etag, "W/" + etag, strings.Trim(etag, `"`), `"other", ` + etag} {
		response, _ := p.bulk(reordered, "If-None-Match", tag)
		if response.StatusCode != http.StatusNotModified || response.Header.Get("ETag") != etag {
			t.Errorf("%s: %d", tag, response.StatusCode)
		}
	}
	if response, text := p.send(flags, `{"context": 1}`); response.StatusCode != http.StatusBadRequest || text != `{"errorCode":"INVALID_CONTEXT","errorDetails":"context: want an object, got a number"}` {
		t.Errorf("got %d %s", response.StatusCode, text)
	}
	for _, services := range []string{"a,,b", strings.Repeat("s", 257), strings.Repeat("s,", 100) + "t"} {
		response, text := p.send(flags, someone, "Strata-Services", services)
		if tooMany := services[1] == ','; tooMany && len(services) > 10 {
			if response.StatusCode != http.StatusOK {
				t.Errorf("one name many times: %d %s", response.StatusCode, text)
			}
		} else if response.StatusCode != http.StatusBadRequest || !strings.HasPrefix(text, `{"errorCode":"GENERAL",`) {
			t.Errorf("%.10s: got %d %s", services, response.StatusCode, text)
		}
	}
}

// TestOFREPBulkIsBounded asks for more flags than one answer has.
func TestOFREPBulkIsBounded(t *testing.T) {
	t.Parallel()
	var params strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&params, `"p%d":1,`, i)
	}
	p := start(t, func(c *dataplane.Config) {
		save(t, strings.TrimSuffix(c.Files.LayersDir, "/layers"), experimentFile,
			`{"eid": 100, "service": "a", "variants": [{"vid": 1001, "params": {}}, {"vid": 1002, "params": {`+params.String()+`"q": 1}}]}`)
	})
	response, text := p.send(flags, someone)
	if response.StatusCode != http.StatusBadRequest || !strings.Contains(text, "more than 10000 flags") || response.Header.Get("ETag") != "" {
		t.Errorf("got %d %.200s", response.StatusCode, text)
	}
}

// events opens an event stream, and returns what reads a line that is not empty.
func (p *plane) events(uri string, headers ...string) (next func() string, ended func() error) {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, p.api+uri, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	response, err := p.client.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = response.Body.Close() })
	if got := response.Header.Get("Content-Type"); response.StatusCode != http.StatusOK || got != "text/event-stream" {
		p.t.Fatalf("%d %s", response.StatusCode, got)
	}
	lines := bufio.NewScanner(response.Body)
	next = func() string {
		p.t.Helper()
		for lines.Scan() {
			if text := lines.Text(); text != "" && text != ":" {
				return text
			}
		}
		p.t.Fatalf("the stream has ended: %v", lines.Err())
		return ""
	}
	return next, func() error {
		for lines.Scan() {
		}
		return lines.Err()
	}
}

// TestOFREPEvents changes what runs, and reads what a provider would then.
func TestOFREPEvents(t *testing.T) {
	t.Parallel()
	p := start(t)
	before, b := p.bulk(someone)
	uri := b.EventStreams[0].Endpoint.RequestURI
	next, ended := p.events(uri)
	if got := next(); !regexp.MustCompile(`^retry: [23]\d{3}$`).MatchString(got) {
		t.Errorf("got %s", got)
	}
	p.save(experimentText("newer_model"))
	id, ok := strings.CutPrefix(next(), "id: ")
	if !ok || !strings.HasSuffix(id, "-2") {
		t.Fatalf("got %s", id)
	}
	if got := next(); got != "event: message" {
		t.Errorf("got %s", got)
	}
	var event struct {
		Type, Etag   string
		LastModified int64
	}
	data := next()
	if err := json.Unmarshal([]byte(strings.TrimPrefix(data, "data: ")), &event); err != nil || event.Type != "refetchEvaluation" || event.Etag != id ||
		time.Since(time.Unix(event.LastModified, 0)) > limit {
		t.Fatalf("%v: %s", err, data)
	}
	after, b := p.bulkAt("?flagConfigEtag="+event.Etag, someone, "If-None-Match", before.Header.Get("ETag"))
	if after.StatusCode != http.StatusOK || b.Flags[1]["value"] != "newer_model" {
		t.Errorf("%d %v", after.StatusCode, b.Flags)
	}

	// Who has missed something is told at once; who has not, is not.
	for _, test := range []struct {
		uri     string
		headers []string
		told    bool
	}{
		{uri, nil, true}, {uri, []string{"Last-Event-ID", id}, false}, {"/ofrep/v1/events", nil, false}, {"/ofrep/v1/events?since=x", nil, true},
	} {
		next, _ := p.events(test.uri, test.headers...)
		next() // retry
		if test.told {
			if got := next(); got != "id: "+id {
				t.Errorf("%s %v: got %s", test.uri, test.headers, got)
			}
		} else {
			defer func() {
				if got := next(); !strings.HasSuffix(got, "-3") {
					t.Errorf("%s %v: got %s", test.uri, test.headers, got)
				}
			}()
		}
	}
	p.save(experimentText("newest_model"))
	if got := next(); !strings.HasSuffix(got, "-3") {
		t.Errorf("got %s", got)
	}
	defer func() {
		// The end of the plane ends the stream, in good order.
		go p.stop()
		if err := ended(); err != nil {
			t.Error(err)
		}
	}()
}

func (p *plane) bulkAt(query, body string, headers ...string) (reply, *bulk) {
	p.t.Helper()
	response, text := p.send(flags+query, body, headers...)
	b := new(bulk)
	if err := json.Unmarshal([]byte(text), b); err != nil {
		p.t.Fatalf("%v: %s", err, text)
	}
	return response, b
}

// TestOFREPWaitsForWhatWasTold answers who was told of a revision by another data
// plane once it is here.
func TestOFREPWaitsForWhatWasTold(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	u.publish(1, "first")
	p := follow(t, "http://"+u.addr, "control-plane", u.key)
	p.until(`"status":"healthy"`)
	_, b := p.bulk(someone)
	now := strings.TrimPrefix(b.EventStreams[0].Endpoint.RequestURI, "/ofrep/v1/events?since=")
	told := strings.TrimSuffix(now, "-1") + "-2"
	got := make(chan any, 1)
	go func() {
		_, b := p.bulkAt("?flagConfigEtag="+told, someone)
		got <- b.Flags[1]["value"]
	}()
	u.publish(2, "second")
	if value := <-got; value != "second" {
		t.Errorf("got %v", value)
	}
	for _, other := range []string{"", "x", "1-7", now, "9-9-9"} {
		if _, b := p.bulkAt("?flagConfigEtag="+other, someone); b.Flags[1]["value"] != "second" {
			t.Errorf("%s: got %v", other, b.Flags[1])
		}
	}
}

// TestOFREPWithoutConfiguration answers an error that providers understand.
func TestOFREPWithoutConfiguration(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	u.stop()
	p := follow(t, "http://"+u.addr, "control-plane", u.key)
	for _, path := range []string{flags, flags + "/a.b"} {
		response, text := p.send(path, someone)
		if response.StatusCode != http.StatusInternalServerError || !strings.Contains(text, `"errorCode":"GENERAL","errorDetails":"this data plane has no configuration yet`) {
			t.Errorf("%s: %d %s", path, response.StatusCode, text)
		}
	}
}

// TestCORS has a page of another origin evaluate, record and read flags.
func TestCORS(t *testing.T) {
	t.Parallel()
	p := start(t, func(c *dataplane.Config) { c.CORSOrigins = []string{"https://app.example.com"} })
	for _, path := range []string{flags, flags + "/ranker_svc", "/experiment", recordPath, "/strata.serving.v1.EvaluationService/Evaluate"} {
		for origin, want := range map[string]string{"https://app.example.com": "https://app.example.com", "https://evil.example.com": ""} {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, p.api+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Origin", origin)
			r.Header.Set("Access-Control-Request-Method", http.MethodPost)
			response, err := p.client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = response.Body.Close()
			allowed := response.Header.Get("Access-Control-Allow-Headers")
			if got := response.Header.Get("Access-Control-Allow-Origin"); got != want || response.StatusCode != http.StatusNoContent {
				t.Errorf("%s from %s: %d, %s", path, origin, response.StatusCode, got)
			}
			for _, header := range []string{"If-None-Match", "X-API-Key", "Authorization", "Content-Type", "Connect-Protocol-Version", "Strata-Services"} {
				if strings.Contains(allowed, header) != (want != "") {
					t.Errorf("%s from %s: %s is in %q", path, origin, header, allowed)
				}
			}
		}
	}
	response, _ := p.send(flags, someone, "Origin", "https://app.example.com")
	if got := response.Header.Get("Access-Control-Expose-Headers"); !strings.Contains(got, "ETag") || !strings.Contains(got, "Retry-After") || !strings.Contains(got, "Strata-Stale-Seconds") {
		t.Errorf("exposed: %s", got)
	}
	bad := config(p.root)
	bad.CORSOrigins = []string{"app.example.com"}
	if err := bad.Validate(); err == nil || !strings.Contains(err.Error(), "--cors-origin") {
		t.Errorf("got %v", err)
	}
}
