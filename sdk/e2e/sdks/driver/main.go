// Command driver drives the Go SDK: see package sdks.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	strata "github.com/strata-exp/strata/sdk/go"
)

type question struct {
	Do       string           `json:"do"`
	Service  string           `json:"service"`
	Context  strata.Context   `json:"context"`
	Paths    []string         `json:"paths"`
	Contexts []strata.Context `json:"contexts"`
	Millis   int64            `json:"millis"`
}

type parameter struct {
	Value   any    `json:"value"`
	Reason  string `json:"reason"`
	Error   string `json:"error"`
	LayerID string `json:"layer_id"`
	EID     int32  `json:"eid"`
	VID     int32  `json:"vid"`
	Slot    int32  `json:"slot"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	config := strata.Config{Log: slog.New(slog.NewTextHandler(os.Stderr, nil))}
	if services := os.Getenv("STRATA_SERVICES"); services != "" {
		config.Services = strings.Split(services, ",")
	}
	client, err := strata.New(config)
	if err != nil {
		return err
	}
	d := driver{client: client, out: json.NewEncoder(os.Stdout)}
	client.OnChange(func(c strata.Change) {
		d.say("change", map[string]any{
			"state": c.StateAfter, "revision": c.RevisionAfter, "keys": c.Keys, "at": time.Now().UnixMicro(),
		})
	})
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var q question
		if err := json.Unmarshal(lines.Bytes(), &q); err != nil {
			return err
		}
		d.say("answer", d.answer(q))
	}
	if err := client.Close(); err != nil { // nobody takes what was recorded
		fmt.Fprintln(os.Stderr, err)
	}
	return nil
}

type driver struct {
	client *strata.Client
	mu     sync.Mutex
	out    *json.Encoder
}

func (d *driver) say(what string, value any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.out.Encode(map[string]any{what: value}); err != nil {
		panic(err)
	}
}

func (d *driver) answer(q question) any {
	switch q.Do {
	case "evaluate":
		return d.evaluate(q)
	case "measure":
		return d.measure(q)
	default:
		s := d.client.Status()
		return map[string]any{
			"state": s.State, "revision": s.Revision, "stale_millis": s.StaleFor.Milliseconds(), "dropped": s.Dropped,
		}
	}
}

func (d *driver) evaluate(q question) any {
	e := d.client.Evaluate(q.Service, q.Context)
	parameters, revision := []parameter{}, int64(0)
	for _, path := range q.Paths {
		p := e.Lookup(path)
		revision = p.Revision
		parameters = append(parameters, parameter{p.Value, p.Reason, p.Error, p.LayerID, p.EID, p.VID, p.Slot})
	}
	return map[string]any{"revision": revision, "parameters": parameters}
}

// measure evaluates for each context in turn and reads the paths as integers. The
// time is the median of the rounds for one evaluation with its reads.
func (d *driver) measure(q question) any {
	var rounds []int64
	for until := time.Now().Add(time.Duration(q.Millis) * time.Millisecond); len(rounds) < 5 || time.Now().Before(until); {
		start := time.Now()
		for _, context := range q.Contexts {
			e := d.client.Evaluate(q.Service, context)
			for _, path := range q.Paths {
				if e.GetInt(path, -1) < 0 {
					panic("no value at " + path)
				}
			}
		}
		rounds = append(rounds, time.Since(start).Nanoseconds()/int64(len(q.Contexts)))
	}
	rounds = rounds[1:] // the first one fills caches
	slices.Sort(rounds)
	runtime.GC()
	debug.FreeOSMemory()
	return map[string]any{"nanos": rounds[len(rounds)/2], "memory": resident()}
}

// resident returns how much memory the process holds, in bytes.
func resident() int64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var total, pages int64
	if _, err := fmt.Sscan(string(text), &total, &pages); err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}
