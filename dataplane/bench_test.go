package dataplane_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/strata-exp/strata/dataplane"
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/gen/go/strata/serving/v1/servingv1connect"
	"github.com/strata-exp/strata/internal/rpc"
)

const (
	benchLayers = 10
	benchUsers  = 2000 // so that not one combination of variants is asked for again and again
	benchBatch  = 100
)

// BenchmarkServer measures a data plane over real loopback connections, client
// and server in one process. Each of its figures stands beside one of a bare
// handler, which writes an answer of the same bytes and does nothing else, taken
// in the same run: "of-bare" is the share of its rate that is left, and is what
// to compare between machines.
func BenchmarkServer(b *testing.B) {
	p := start(b, func(c *dataplane.Config) { benchConfiguration(b, c) })
	requests := make([]string, benchUsers)
	for i := range requests {
		requests[i] = fmt.Sprintf(`{"services":["svc"],"context":{"user_id":"user_%d","country":"US","age":%d}}`, i, 18+i%60)
	}
	_, same := p.post("/experiment", requests[0])
	api := strings.TrimPrefix(p.api, "http://")
	bare := bareServer(b, same)

	b.Run("evaluate", func(b *testing.B) {
		against(b, bare, raw(requests...), api, raw(requests...))
		b.ReportMetric(float64(len(same)), "answer-bytes")
	})
	b.Run("batch", func(b *testing.B) {
		batch := raw(`{"requests":[` + strings.Join(requests[:benchBatch], ",") + `]}`)
		for i := range batch {
			batch[i] = bytes.Replace(batch[i], []byte("/Evaluate "), []byte("/BatchEvaluate "), 1)
		}
		took := against(b, bare, raw(requests...), api, batch)
		b.ReportMetric(float64(benchBatch)/took.Seconds(), "evaluations/s")
	})
	b.Run("grpc", func(b *testing.B) {
		protocols := new(http.Protocols)
		protocols.SetUnencryptedHTTP2(true)
		transport := &http.Transport{Protocols: protocols}
		defer transport.CloseIdleConnections()
		h2 := &http.Client{Transport: transport}
		client := servingv1connect.NewEvaluationServiceClient(h2, p.api, connect.WithGRPC())
		message := message(b, requests[0], new(servingv1.EvaluateRequest))
		plain := func() error {
			response, err := h2.Post("http://"+bare, "application/grpc", strings.NewReader(requests[0]))
			if err != nil {
				return err
			}
			_, err = io.Copy(io.Discard, response.Body)
			return errors.Join(err, response.Body.Close())
		}
		before := timed(b, 2000, func() func() error { return plain })
		took := timed(b, 0, func() func() error {
			return func() error {
				_, err := client.Evaluate(b.Context(), message)
				return err
			}
		})
		report(b, before, timed(b, 2000, func() func() error { return plain }), took)
	})
}

// against measures requests to one server, and before and after it requests to
// a bare one.
func against(b *testing.B, bare string, bareRequests [][]byte, address string, requests [][]byte) time.Duration {
	b.Helper()
	const enough = 20_000
	before := timed(b, enough, func() func() error { return caller(b, bare, bareRequests) })
	took := timed(b, 0, func() func() error { return caller(b, address, requests) })
	after := timed(b, enough, func() func() error { return caller(b, bare, bareRequests) })
	report(b, before, after, took)
	return took
}

func report(b *testing.B, before, after, took time.Duration) {
	b.Helper()
	bare := (before + after) / 2
	b.ReportMetric(float64(bare)/float64(took), "of-bare")
	b.ReportMetric(float64(bare), "bare-ns/op")
	b.ReportMetric(1/took.Seconds(), "calls/s")
}

// timed returns the time per call, over n calls of some callers at once. If n is
// 0 it is b.N calls, and they are what the benchmark reports.
func timed(b *testing.B, n int, newCaller func() func() error) time.Duration {
	b.Helper()
	b.StopTimer()
	measured := n == 0
	if measured {
		n = b.N
	}
	callers := 8 * runtime.GOMAXPROCS(0)
	calls := make([]func() error, callers)
	for i := range calls {
		calls[i] = newCaller()
		if err := calls[i](); err != nil { // connects, and warms up
			b.Fatal(err)
		}
	}
	var wg sync.WaitGroup
	if measured {
		b.ResetTimer()
		b.StartTimer()
	}
	start := time.Now()
	for i, call := range calls {
		share := n / callers
		if i < n%callers {
			share++
		}
		wg.Go(func() {
			for range share {
				if err := call(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	took := time.Since(start)
	b.StopTimer()
	return took / time.Duration(n)
}

// caller returns a function that sends the next of some requests over a
// connection of its own, and reads the answer with as little effort as can be.
func caller(b *testing.B, address string, requests [][]byte) func() error {
	b.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close() })
	reader := bufio.NewReaderSize(conn, 64<<10)
	next := 0
	return func() error {
		if _, err := conn.Write(requests[next%len(requests)]); err != nil {
			return err
		}
		next++
		return readAnswer(reader)
	}
}

func readAnswer(reader *bufio.Reader) error {
	line, err := reader.ReadSlice('\n')
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(line, []byte("HTTP/1.1 200 ")) {
		return fmt.Errorf("got %s", line)
	}
	length, chunked := 0, false
	for {
		line, err := reader.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) <= 2 {
			break
		}
		if value, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return err
			}
		}
		chunked = chunked || bytes.HasPrefix(line, []byte("Transfer-Encoding: chunked"))
	}
	for chunked {
		line, err := reader.ReadSlice('\n')
		if err != nil {
			return err
		}
		size, err := strconv.ParseInt(string(bytes.TrimSpace(line)), 16, 64)
		if err != nil {
			return err
		}
		if _, err := reader.Discard(int(size) + 2); err != nil {
			return err
		}
		chunked = size > 0
	}
	_, err = reader.Discard(length)
	return err
}

// raw makes calls of Evaluate of requests.
func raw(requests ...string) [][]byte {
	calls := make([][]byte, len(requests))
	for i, r := range requests {
		calls[i] = fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: strata\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
			servingv1connect.EvaluationServiceEvaluateProcedure, len(r), r)
	}
	return calls
}

// bareServer answers everything with the same bytes.
func bareServer(b *testing.B, body []byte) (address string) {
	b.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	server := rpc.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(body)
	}), slog.New(slog.DiscardHandler))
	b.Cleanup(func() { _ = server.Close() })
	go func() { _ = server.Serve(listener) }()
	return listener.Addr().String()
}

// benchConfiguration replaces the configuration by ten layers of one service
// with two variants each, four of them with a rule.
func benchConfiguration(b *testing.B, c *dataplane.Config) {
	b.Helper()
	root := b.TempDir()
	c.Files.LayersDir, c.Files.ExperimentsDir = filepath.Join(root, "layers"), filepath.Join(root, "experiments")
	write := func(folder string, i int, text string) {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("%02d.json", i)), []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	for i := range benchLayers {
		write(c.Files.LayersDir, i, fmt.Sprintf(`{"layer_id": "layer_%02d", "priority": %d, "hash_key": "user_id", "salt": "salt_%d",
			"ranges": [{"start": 0, "end": 5000, "vid": %d}, {"start": 5000, "end": 10000, "vid": %d}]}`, i, 100-i, i, 2*i+1, 2*i+2))
		rule := ""
		if i%5 < 2 {
			rule = `"rule": {"type": "and", "children": [
				{"type": "field", "field": "country", "op": "in", "values": ["US", "CA"]},
				{"type": "field", "field": "age", "op": "gte", "values": [18]}]},`
		}
		write(c.Files.ExperimentsDir, i, fmt.Sprintf(`{"eid": %d, "service": "svc", %s "variants": [
			{"vid": %d, "params": {"p%d": {"enabled": true, "value": %d}}},
			{"vid": %d, "params": {"p%d": {"enabled": false, "value": %d}}}]}`, i+1, rule, 2*i+1, i, i, 2*i+2, i, 100+i))
	}
}
