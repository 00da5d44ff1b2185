// Command swarm is many SDKs in one process: each follows a server on a connection
// of its own, and notes when it has which revision. Nothing is evaluated. It
// reads commands from standard input and answers each by a line of JSON; package
// fleet talks to it.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/sdk/e2e/fleet"
	"github.com/strata-exp/strata/sdk/go/accesskey"
	"github.com/strata-exp/strata/sdk/go/follow"
	"github.com/strata-exp/strata/sdk/go/view"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	url := flag.String("url", "", "URL of the server")
	streams := flag.Int("streams", 1, "how many follow")
	flag.Parse()
	key, err := accesskey.Parse(os.Getenv(accesskey.AccessKeyVariable), os.Getenv(accesskey.SecretKeyVariable))
	if err != nil {
		return err
	}
	s := newSwarm(*url, key)
	ctx, cancel := context.WithCancel(context.Background())
	var wait sync.WaitGroup
	for i := range *streams {
		f, err := s.follower(i)
		if err != nil {
			cancel()
			return err
		}
		wait.Go(func() { _ = f.Run(ctx) }) // nil where it runs once
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var q fleet.SwarmQuestion
		if err := json.Unmarshal(lines.Bytes(), &q); err != nil {
			cancel()
			return err
		}
		if err := out.Encode(s.answer(&q)); err != nil {
			cancel()
			return err
		}
	}
	cancel()
	wait.Wait()
	return lines.Err()
}

// swarm is what all of its followers share.
type swarm struct {
	url       string
	key       *accesskey.Key
	calls     *http.Client
	mu        sync.Mutex
	arrivals  map[int64][]int64 // by revision: when each follower had it, in Unix nanoseconds
	followers []*follow.Follower
	ended     atomic.Int64
	causes    map[string]int64
}

func newSwarm(url string, key *accesskey.Key) *swarm {
	s := &swarm{url: url, key: key, arrivals: map[int64][]int64{}, causes: map[string]int64{}}
	s.calls = &http.Client{Transport: s.signed(&http.Transport{MaxIdleConnsPerHost: 64, MaxConnsPerHost: 64})}
	return s
}

func (s *swarm) signed(next http.RoundTripper) http.RoundTripper {
	return &accesskey.Transport{Key: s.key, Audience: "data-plane", Next: next, Sessions: func(string) bool { return true }}
}

// split sends streams over connections of their own, and all other calls over
// those that the swarm shares: else it would need two files for each follower.
type split struct{ streams, calls connect.HTTPClient }

func (c split) Do(r *http.Request) (*http.Response, error) {
	if strings.HasSuffix(r.URL.Path, "/Watch") {
		return c.streams.Do(r)
	}
	return c.calls.Do(r)
}

func (s *swarm) follower(i int) (*follow.Follower, error) {
	transport := &http.Transport{
		DisableKeepAlives: true, DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		ReadBufferSize: 1 << 10, WriteBufferSize: 1 << 10, DisableCompression: true,
	}
	f, err := follow.New(follow.Config{
		URL: s.url, Environment: fleet.Environment, Instance: fmt.Sprint("swarm-", i), Client: "swarm/1", Key: s.key, Audience: "data-plane",
		HTTPClient: split{&http.Client{Transport: s.signed(transport)}, s.calls}, Sink: &sink{swarm: s}, Log: slog.New(causes{s}),
	})
	s.followers = append(s.followers, f)
	return f, err
}

// sink notes when something has arrived.
type sink struct {
	swarm *swarm
	last  int64
}

// Replicated implements follow.Sink.
func (k *sink) Replicated(v *view.View) {
	now, at := time.Now().UnixNano(), v.Position().Revision
	k.swarm.mu.Lock()
	defer k.swarm.mu.Unlock()
	from := k.last + 1
	if k.last == 0 {
		from = at // what was before it is not known to this one
	}
	for r := from; r <= at; r++ { // with what was merged into it
		k.swarm.arrivals[r] = append(k.swarm.arrivals[r], now)
	}
	k.last = at
}

// Activate implements follow.Sink.
func (*sink) Activate(*view.View) error { return nil }

// Keys implements follow.Sink.
func (*sink) Keys(int64, []*servingv1.PublicKey) {}

// Confirm implements follow.Sink.
func (*sink) Confirm(time.Duration) {}

// Followers implements follow.Sink.
func (*sink) Followers() []*servingv1.Followers { return nil }

// causes counts why streams end.
type causes struct{ swarm *swarm }

func (causes) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }

func (c causes) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "cause" {
			c.swarm.mu.Lock()
			c.swarm.causes[a.Value.String()]++
			c.swarm.mu.Unlock()
		}
		return true
	})
	return nil
}

func (c causes) WithAttrs([]slog.Attr) slog.Handler { return c }
func (c causes) WithGroup(string) slog.Handler      { return c }

// answer says how the followers are, and how long after each publish they had it.
func (s *swarm) answer(q *fleet.SwarmQuestion) *fleet.SwarmAnswer {
	a := &fleet.SwarmAnswer{Ended: map[string]int64{}}
	for _, f := range s.followers {
		status := f.Status()
		if !status.Connected.IsZero() {
			a.Connected++
		}
		if status.Active.Revision >= q.Revision {
			a.AtRevision++
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for cause, n := range s.causes {
		a.Ended[cause] = n
	}
	var delays []int64
	for revision, published := range q.Published {
		for _, at := range s.arrivals[revision] {
			delays = append(delays, at-published)
		}
	}
	a.Arrivals = len(delays)
	if len(delays) == 0 {
		return a
	}
	slices.Sort(delays)
	quantile := func(q float64) time.Duration { return time.Duration(delays[int(q*float64(len(delays)-1))]) }
	a.P50, a.P99, a.Longest = quantile(0.5), quantile(0.99), quantile(1)
	return a
}
