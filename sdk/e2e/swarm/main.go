// Command swarm is many followers in one process: each reads the config stream of
// a server on a connection of its own, reports its status, and notes when it has
// which revision. So that they do not take the processor that the server needs,
// they read no more of a frame than where it leads, and keep nothing. It reads
// questions from standard input and answers each by a line of JSON; package fleet
// talks to it.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/strata-exp/strata/sdk/e2e/fleet"
	"github.com/strata-exp/strata/sdk/go/accesskey"
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
	report := flag.Duration("report", 10*time.Second, "how often each reports its status; 0 is never")
	flag.Parse()
	key, err := accesskey.Parse(os.Getenv(accesskey.AccessKeyVariable), os.Getenv(accesskey.SecretKeyVariable))
	if err != nil {
		return err
	}
	s := newSwarm(*url, key, *report)
	ctx, cancel := context.WithCancel(context.Background())
	var wait sync.WaitGroup
	defer wait.Wait()
	defer cancel()
	for i := range *streams {
		wait.Go(func() { s.follow(ctx, i) })
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var q fleet.SwarmQuestion
		if err := json.Unmarshal(lines.Bytes(), &q); err != nil {
			return err
		}
		if err := out.Encode(s.answer(&q)); err != nil {
			return err
		}
	}
	return lines.Err()
}

// answer says how the followers are, and how long after each publish they had it.
func (s *swarm) answer(q *fleet.SwarmQuestion) *fleet.SwarmAnswer {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := &fleet.SwarmAnswer{Connected: s.connected, Ended: maps.Clone(s.ended)}
	for _, at := range s.at {
		if at >= q.Revision {
			a.AtRevision++
		}
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
