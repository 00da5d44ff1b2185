package openfeature

import (
	"sync"
	"time"

	"github.com/open-feature/go-sdk/openfeature"

	"github.com/strata-exp/strata/sdk/go"
)

const (
	// maxWaiting is how many events wait to be read.
	maxWaiting = 64
	// settling is how long the API of OpenFeature may take to call a provider
	// ready whose Init has returned.
	settling = 100 * time.Millisecond
)

// emitter puts events into a channel. Nobody who has one waits for its reader.
type emitter struct {
	channel chan openfeature.Event

	mu      sync.Mutex
	running bool
	stop    func()                // ends the client's calls
	status  openfeature.EventType // the last one that was told of
	settled *time.Timer           // nil for none
}

func newEmitter() *emitter {
	return &emitter{channel: make(chan openfeature.Event, maxWaiting)}
}

// start tells of the client's changes from now on, if it does not yet.
func (e *emitter) start(client *strata.Client) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.running {
		return
	}
	e.running, e.status = true, ""
	e.drain()
	e.stop = client.OnChange(e.take)
}

// drain takes out what nobody has read before the last end. A reader of that time
// may still be there, and be faster.
func (e *emitter) drain() {
	for {
		select {
		case <-e.channel:
		default:
			return
		}
	}
}

// end ends that.
func (e *emitter) end() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.running {
		return
	}
	e.running = false
	e.stop()
	if e.settled != nil {
		e.settled.Stop()
	}
}

// take tells of a change of the client.
func (e *emitter) take(change strata.Change) {
	if len(change.Keys) > 0 && change.StateBefore != stateNotReady {
		e.mu.Lock()
		e.put(openfeature.ProviderConfigChange, openfeature.ProviderEventDetails{FlagChanges: change.Keys})
		e.mu.Unlock()
	}
	switch change.StateAfter {
	case stateReady:
		e.become(openfeature.ProviderReady)
	case stateStale:
		e.become(openfeature.ProviderStale)
	case stateClosed:
		e.fail(openfeature.ProviderFatalCode, errClosed)
	}
}

// become tells of a status, unless it was told of last.
func (e *emitter) become(status openfeature.EventType) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.status != status {
		e.status = status
		e.put(status, openfeature.ProviderEventDetails{})
	}
}

// fail tells of an error.
func (e *emitter) fail(code openfeature.ErrorCode, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.status = openfeature.ProviderError
	e.put(e.status, openfeature.ProviderEventDetails{Message: err.Error(), ErrorCode: code})
}

// settle tells, in a moment, that the provider is stale, if it still is. The API
// calls a provider ready by itself once Init has returned, and what was told
// before that is forgotten.
func (e *emitter) settle(client *strata.Client) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.settled != nil {
		e.settled.Stop()
	}
	e.settled = time.AfterFunc(settling, func() {
		if client.Status().State == stateStale {
			e.become(openfeature.ProviderStale)
		}
	})
}

// put adds an event, in place of the oldest one if there are too many. The lock
// has to be held.
func (e *emitter) put(kind openfeature.EventType, details openfeature.ProviderEventDetails) {
	event := openfeature.Event{ProviderName: name, EventType: kind, ProviderEventDetails: details}
	for e.running {
		select {
		case e.channel <- event:
			return
		default:
		}
		select {
		case <-e.channel:
		default: // its reader was faster
		}
	}
}
