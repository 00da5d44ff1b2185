package fleet

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/strata-exp/strata/sdk/e2e/history"
)

// Load asks a data plane at a rate. What changes in the answers is recorded, and
// every failure, and a sample of all others.
type Load struct {
	Asked, Failed atomic.Int64
	stop          func()
}

// workers is how many questions are asked at once.
const workers = 4

// Load begins to ask a data plane, until the test ends or Stop.
func (f *Fleet) Load(d *DataPlane, perSecond int) *Load {
	l := &Load{}
	transport := &http.Transport{MaxIdleConnsPerHost: workers, DialContext: (&net.Dialer{Timeout: time.Second}).DialContext}
	client := &http.Client{Transport: transport, Timeout: 5 * time.Second}
	l.stop = f.Go("load on "+d.Name, func(ctx context.Context) error {
		defer transport.CloseIdleConnections()
		var wait sync.WaitGroup
		defer wait.Wait()
		for w := range workers {
			wait.Go(func() { f.ask(ctx, l, client, d, w, float64(perSecond)/workers) })
		}
		return nil
	})
	return l
}

// Stop ends the load.
func (l *Load) Stop() { l.stop() }

// sample is one of how many answers is recorded although its revision is the one
// of the answer before.
const sample = 100

// ask asks in batches of a tick, since timers are not exact enough for each.
func (f *Fleet) ask(ctx context.Context, l *Load, client *http.Client, d *DataPlane, worker int, perSecond float64) {
	const every = 20 * time.Millisecond
	name := fmt.Sprintf("%s/load%d", d.Name, worker)
	tick := time.NewTicker(every)
	defer tick.Stop()
	began := time.Now()
	last := int64(-1)
	for n := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		due := int(time.Since(began).Seconds() * perSecond)
		for ; n < due && ctx.Err() == nil; n++ {
			q := question(n*workers + worker)
			revision, hash, err := Ask(ctx, client, d.HTTP, q)
			if ctx.Err() != nil {
				return
			}
			l.Asked.Add(1)
			switch {
			case err != nil:
				l.Failed.Add(1)
				f.Recorder.Add(history.Event{Observer: name, What: history.Failure, Key: q, Text: err.Error()})
			case revision != last || n%sample == 0:
				last = revision
				f.Recorder.Add(history.Event{Observer: name, What: history.Answer, Key: q, Revision: revision, Hash: hash})
			}
		}
	}
}

// Ask asks one question.
func Ask(ctx context.Context, client *http.Client, address, question string) (revision int64, hash string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+"/experiment", bytes.NewReader(body(question)))
	if err != nil {
		return 0, "", err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = response.Body.Close() }()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, "", err
	}
	if response.StatusCode != http.StatusOK {
		return 0, "", fmt.Errorf("%s: %s", response.Status, data)
	}
	return readAnswer(question, data)
}

// Readiness is what a data plane says of itself.
type Readiness struct {
	Status       string          `json:"status"`
	Epoch        int64           `json:"epoch"`
	Revision     int64           `json:"revision"`
	StaleSeconds *float64        `json:"stale_seconds"`
	LastFailure  json.RawMessage `json:"last_failure"`
}

var probes = &http.Client{
	Timeout:   2 * time.Second,
	Transport: &http.Transport{DisableKeepAlives: true},
}

// Ready asks a data plane how it is. It is not ok where it does not answer, or
// says that it is not ready.
func (d *DataPlane) Ready(ctx context.Context) (r Readiness, ok bool) {
	data, status, err := get(ctx, "http://"+d.Metrics+"/readyz")
	if err != nil || json.Unmarshal(data, &r) != nil {
		return Readiness{}, false
	}
	return r, status == http.StatusOK
}

func get(ctx context.Context, url string) (data []byte, status int, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, 0, err
	}
	response, err := probes.Do(request)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = response.Body.Close() }()
	data, err = io.ReadAll(response.Body)
	return data, response.StatusCode, err
}

// Ask asks a data plane all questions, once, and records the answers.
func (f *Fleet) Ask(ctx context.Context, d *DataPlane) error {
	for n := range users {
		q := question(n)
		revision, hash, err := Ask(ctx, probes, d.HTTP, q)
		if err != nil {
			return err
		}
		f.Recorder.Add(history.Event{Observer: d.Name + "/ask", What: history.Answer, Key: q, Revision: revision, Hash: hash})
	}
	return nil
}
