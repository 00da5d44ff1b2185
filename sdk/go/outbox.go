package strata

import (
	"crypto/rand"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
)

const (
	// maxWaiting is how many entries wait to be sent.
	maxWaiting = 10_000
	// A batch is sent when there is so much, or when its first entry has waited
	// for so long.
	batchEntries = 500
	batchBytes   = 1 << 20
	batchDelay   = 5 * time.Second
)

// entry is an exposure or an event that waits to be sent.
type entry struct {
	exposure *servingv1.Exposure
	event    *servingv1.Event
	since    time.Time
	bytes    int
}

// outbox holds exposures and events until a delivery has sent them. Nobody who
// puts something in waits for that.
type outbox struct {
	log    *slog.Logger
	prefix string        // of insert_ids
	due    chan struct{} // there may be a batch

	mu      sync.Mutex
	waiting []entry // the oldest first; what is being sent is still there
	count   uint64  // of all that was put
	lost    int64
	told    map[string]bool // why entries were dropped, as far as the log knows
	closed  bool
}

func newOutbox(log *slog.Logger) *outbox {
	return &outbox{log: log, prefix: rand.Text() + "-", due: make(chan struct{}, 1), told: map[string]bool{}}
}

// put adds an exposure or an event, which it owns then, and completes what all of
// them have. What is too much is dropped, and not taken.
func (o *outbox) put(exposure *servingv1.Exposure, event *servingv1.Event) (taken bool) {
	e := entry{exposure: exposure, event: event, since: time.Now()}
	problem := o.add(e)
	if problem != "" {
		o.drop(1, problem)
	}
	return problem == ""
}

func (o *outbox) add(e entry) (problem string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.closed:
		return "the client is closed"
	case len(o.waiting) >= maxWaiting:
		return "too many wait to be sent"
	}
	o.count++
	id, at := o.prefix+strconv.FormatUint(o.count, 10), timestamppb.New(e.since)
	if e.exposure != nil {
		e.exposure.InsertId, e.exposure.Time = id, at
		e.bytes = proto.Size(e.exposure)
	} else {
		e.event.InsertId, e.event.Time = id, at
		e.bytes = proto.Size(e.event)
	}
	o.waiting = append(o.waiting, e)
	if n := len(o.waiting); n == 1 || n == batchEntries {
		select {
		case o.due <- struct{}{}:
		default: // it has been told
		}
	}
	return ""
}

// drop counts what is not sent, and logs the first of each reason.
func (o *outbox) drop(n int, why string) {
	o.mu.Lock()
	o.lost += int64(n)
	first := !o.told[why]
	o.told[why] = true
	o.mu.Unlock()
	if first {
		o.log.Warn("exposures or events are dropped; it is counted from now on, and not logged again", "reason", why)
	}
}

// dropped returns how many entries were not sent.
func (o *outbox) dropped() int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.lost
}

// batch returns what is to be sent next, and when that is due: in the past if it
// is as much as a batch may be. They stay where they are.
func (o *outbox) batch() (batch []entry, due time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	bytes := 0
	for i, e := range o.waiting {
		if i > 0 && (i == batchEntries || bytes+e.bytes > batchBytes) {
			return o.waiting[:i:i], time.Time{}
		}
		bytes += e.bytes
	}
	if len(o.waiting) == 0 {
		return nil, time.Time{}
	}
	if len(o.waiting) == batchEntries {
		return o.waiting, time.Time{}
	}
	return o.waiting, o.waiting[0].since.Add(batchDelay)
}

// remove takes out the first entries.
func (o *outbox) remove(n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	clear(o.waiting[:n])
	o.waiting = o.waiting[n:]
	if len(o.waiting) == 0 {
		o.waiting = nil
	}
}

// shut has put drop everything from now on.
func (o *outbox) shut() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
}
