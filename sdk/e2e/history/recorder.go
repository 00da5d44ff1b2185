package history

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"sync"
	"time"
)

// Recorder puts events in the order in which they came. It is safe for
// concurrent use.
type Recorder struct {
	began time.Time

	mu     sync.Mutex
	events []Event
	wake   chan struct{}
}

// NewRecorder begins a recording.
func NewRecorder() *Recorder { return &Recorder{began: time.Now(), wake: make(chan struct{})} }

// Add records an event as of now.
func (r *Recorder) Add(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e.At = time.Since(r.began)
	r.events = append(r.events, e)
	close(r.wake)
	r.wake = make(chan struct{})
}

// Changed returns a channel that is closed at the next event.
func (r *Recorder) Changed() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.wake
}

// Now is how long the recording has gone on.
func (r *Recorder) Now() time.Duration { return time.Since(r.began) }

// Events returns a copy of what was recorded.
func (r *Recorder) Events() []Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.events)
}

// Since returns what was recorded after the first n events, and how many there
// are.
func (r *Recorder) Since(n int) ([]Event, int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.events[n:]), len(r.events)
}

// WriteFile writes the events as lines of JSON.
func (r *Recorder) WriteFile(name string) (err error) {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := bufio.NewWriter(f)
	encoder := json.NewEncoder(w)
	for _, e := range r.Events() {
		if err := encoder.Encode(e); err != nil {
			return err
		}
	}
	return w.Flush()
}

// ReadFile reads what WriteFile wrote.
func ReadFile(name string) (events []Event, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	decoder := json.NewDecoder(bufio.NewReader(f))
	for decoder.More() {
		var e Event
		if err := decoder.Decode(&e); err != nil {
			return nil, err
		}
		events = append(events, e)
	}
	return events, nil
}
