package strata

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/gen/go/strata/serving/v1/servingv1connect"
)

// events is the real handler of an event service, called without a network so
// that its time can be a test's, and the delivery to it.
type events struct {
	*outbox
	delivery *delivery
	log      strings.Builder

	mu      sync.Mutex
	answers []error // of the next calls; nil and none is taken
	refuse  int     // how many entries the next call refuses
	batches []int   // how many entries each call had
	at      []time.Duration
	began   time.Time
	hang    bool // until the caller has had enough
}

func deliver(t *testing.T) *events {
	t.Helper()
	e := &events{began: time.Now()}
	e.outbox = newOutbox(slog.New(slog.NewTextHandler(&e.log, nil)))
	_, handler := servingv1connect.NewEventServiceHandler(e)
	e.delivery = newDelivery(settings{Config: Config{URL: "http://events"}}, e.outbox)
	e.delivery.service = servingv1connect.NewEventServiceClient(direct{handler}, "http://events")
	e.delivery.start()
	return e
}

// direct is an HTTP client that calls a handler.
type direct struct{ handler http.Handler }

func (d direct) Do(r *http.Request) (*http.Response, error) {
	recorder := httptest.NewRecorder()
	d.handler.ServeHTTP(recorder, r)
	return recorder.Result(), r.Context().Err()
}

func (e *events) Record(ctx context.Context, r *servingv1.RecordRequest) (*servingv1.RecordResponse, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.batches = append(e.batches, len(r.GetExposures())+len(r.GetEvents()))
	e.at = append(e.at, time.Since(e.began))
	if e.hang {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	response := new(servingv1.RecordResponse)
	for range e.refuse {
		response.Refusals = append(response.Refusals, &servingv1.Refusal{Problem: "it is malformed"})
	}
	e.refuse = 0
	if len(e.answers) == 0 {
		return response, nil
	}
	answer := e.answers[0]
	e.answers = e.answers[1:]
	return response, answer
}

func (e *events) record(n int) {
	for range n {
		e.put(nil, &servingv1.Event{Name: "n"})
	}
}

// sent returns how many entries each call had since the last time.
func (e *events) sent() []int {
	e.mu.Lock()
	defer e.mu.Unlock()
	batches := e.batches
	e.batches, e.at = nil, nil
	return batches
}

func equal(t *testing.T, what string, got []int, want ...int) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: batches of %v, want %v", what, got, want)
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("%s: batches of %v, want %v", what, got, want)
		}
	}
}

func (e *events) end(t *testing.T) {
	t.Helper()
	if err := e.delivery.close(); err != nil {
		t.Error(err)
	}
}

func TestBatches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := deliver(t)
		e.record(3)
		time.Sleep(batchDelay - time.Millisecond) //nolint:forbidigo // of a bubble
		synctest.Wait()
		equal(t, "before it is due", e.sent())
		time.Sleep(time.Millisecond) //nolint:forbidigo // of a bubble
		synctest.Wait()
		equal(t, "after 5 s", e.sent(), 3)

		e.record(batchEntries)
		synctest.Wait()
		equal(t, "as soon as a batch is full", e.sent(), batchEntries)

		e.record(2*batchEntries + 7)
		synctest.Wait()
		equal(t, "two at once", e.sent(), batchEntries, batchEntries)

		large := strings.Repeat("x", batchBytes/3)
		for range 5 {
			e.put(nil, &servingv1.Event{Name: large})
		}
		e.end(t)
		equal(t, "at the end, no larger than a batch may be", e.sent(), 9, 2, 1)
		if got := e.dropped(); got != 0 {
			t.Errorf("%d are dropped", got)
		}
	})
}

func TestTriesAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := deliver(t)
		for range 9 {
			e.answers = append(e.answers, connect.NewError(connect.CodeUnavailable, errors.New("not now")))
		}
		e.answers = append(e.answers, connect.NewError(connect.CodeUnauthenticated, errors.New("not yet")))
		e.record(2)
		time.Sleep(10 * time.Minute) //nolint:forbidigo // of a bubble
		synctest.Wait()
		pause := firstPause
		for i := 1; i < len(e.at); i++ {
			if waited := e.at[i] - e.at[i-1]; waited < pause/2 || waited > pause {
				t.Errorf("pause %d is %v, want %v to %v", i, waited, pause/2, pause)
			}
			pause = min(2*pause, longestPause)
		}
		equal(t, "the same batch again and again", e.sent(), 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2)
		e.record(1)
		e.end(t)
		equal(t, "and it goes on", e.sent(), 1)
		if got := e.dropped(); got != 0 {
			t.Errorf("%d are dropped", got)
		}
	})
}

func TestFinalAnswers(t *testing.T) {
	t.Parallel()
	for _, code := range []connect.Code{
		connect.CodeUnimplemented, connect.CodeNotFound, connect.CodePermissionDenied, connect.CodeInvalidArgument,
	} {
		synctest.Test(t, func(t *testing.T) {
			e := deliver(t)
			e.answers = []error{connect.NewError(code, errors.New("no")), connect.NewError(code, errors.New("no"))}
			e.record(2 * batchEntries)
			synctest.Wait()
			e.end(t)
			equal(t, code.String(), e.sent(), batchEntries, batchEntries)
			if got := e.dropped(); got != 2*batchEntries {
				t.Errorf("%v: %d are dropped", code, got)
			}
			if got := strings.Count(e.log.String(), code.String()); got != 1 {
				t.Errorf("%v is logged %d times: %s", code, got, e.log.String())
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := deliver(t)
		e.refuse = 2
		e.record(5)
		e.end(t)
		equal(t, "once", e.sent(), 5)
		if got := e.dropped(); got != 2 {
			t.Errorf("%d are dropped, want those that were refused", got)
		}
	})
}

func TestTooMany(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := deliver(t)
		e.answers = []error{connect.NewError(connect.CodeUnavailable, errors.New("not now"))}
		e.record(batchEntries)
		synctest.Wait() // it is in a pause
		e.record(maxWaiting)
		if got := e.dropped(); got != batchEntries {
			t.Errorf("%d are dropped, want %d", got, batchEntries)
		}
		e.end(t)
		sum := 0
		for _, n := range e.sent() {
			sum += n
		}
		if sum != batchEntries+maxWaiting {
			t.Errorf("%d are sent, want the first ones twice", sum)
		}
	})
}

// TestEnd closes while the server is in trouble, each time of another kind.
func TestEnd(t *testing.T) {
	t.Parallel()
	unavailable := func(n int) (errs []error) {
		for range n {
			errs = append(errs, connect.NewError(connect.CodeUnavailable, errors.New("not now")))
		}
		return errs
	}
	for name, test := range map[string]struct {
		prepare func(e *events)
		lost    bool
		least   time.Duration
	}{
		"a few failures":     {func(e *events) { e.answers = unavailable(3) }, false, 0},
		"nothing but those":  {func(e *events) { e.answers = unavailable(1000) }, true, closeTimeout},
		"no answer":          {func(e *events) { e.hang = true }, true, closeTimeout},
		"after a long pause": {func(e *events) { e.answers = unavailable(12) }, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				e := deliver(t)
				test.prepare(e)
				e.record(3)
				if name == "after a long pause" {
					time.Sleep(8 * time.Minute) //nolint:forbidigo // of a bubble
				}
				began := time.Now()
				err := e.delivery.close()
				if took := time.Since(began); took > closeTimeout || took < test.least {
					t.Errorf("it took %v", took)
				}
				switch lost := e.dropped(); {
				case test.lost && (lost != 3 || err == nil || !strings.Contains(err.Error(), "3 exposures and events")):
					t.Errorf("%d are dropped: %v", lost, err)
				case !test.lost && (lost != 0 || err != nil):
					t.Errorf("%d are dropped: %v", lost, err)
				}
			})
		})
	}
}
