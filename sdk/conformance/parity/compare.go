package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// mismatch is a line to which an engine answers something else than Go, or
// nothing.
type mismatch struct {
	engine string
	batch  *batch
	// index is that of the first request that is answered otherwise, -1 if the
	// line as a whole is.
	index int
	got   []byte
}

// compareAll compares all engines with Go over a number of cases, and stops at
// the first mismatch. It returns how many cases all of them have answered.
//
// Each engine has a goroutine that writes to it and one that reads from it, so
// that none waits for another one but when it is far ahead, and no pipe can fill
// while nobody reads it.
func compareAll(ctx context.Context, engines map[string]engineCommand, cases int, seed uint64, log io.Writer) (int, *mismatch, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var (
		wg      sync.WaitGroup
		once    sync.Once
		found   *mismatch
		failure error
	)
	stop := func(m *mismatch, err error) {
		once.Do(func() { found, failure = m, err })
		cancel()
	}
	var lanes []*lane
	for name, engine := range engines {
		c, err := startChild(ctx, name, engine)
		if err != nil {
			cancel()
			for _, l := range lanes {
				_ = l.child.close()
			}
			return 0, nil, err
		}
		lanes = append(lanes, &lane{child: c, queue: make(chan *batch, 8), sent: make(chan *batch, 8)})
	}
	for _, l := range lanes {
		wg.Go(func() { l.write(ctx) })
		wg.Go(func() { l.read(ctx, stop) })
	}
	wg.Go(func() {
		if err := feed(ctx, newSource(seed, cases), lanes); err != nil {
			stop(nil, err)
		}
	})
	finished := make(chan struct{})
	go func() { wg.Wait(); close(finished) }()
	report(finished, lanes, cases, log)
	done := cases
	for _, l := range lanes {
		done = min(done, int(l.done.Load()))
	}
	if found == nil && failure == nil && done < cases {
		failure = fmt.Errorf("stopped after %d cases", done)
	}
	return done, found, failure
}

// report writes how far all engines are, until they have finished.
func report(finished <-chan struct{}, lanes []*lane, cases int, log io.Writer) {
	every := time.NewTicker(5 * time.Second)
	defer every.Stop()
	for {
		select {
		case <-finished:
			return
		case <-every.C:
			for _, l := range lanes {
				fmt.Fprintf(log, "fuzz-parity: %s has answered %d of %d cases, and refused %d configurations\n",
					l.child.name, l.done.Load(), cases, l.refused.Load())
			}
		}
	}
}

// feed makes batches, has Go answer them, and hands them to all lanes.
func feed(ctx context.Context, from *source, lanes []*lane) error {
	defer func() {
		for _, l := range lanes {
			close(l.queue)
		}
	}()
	golang := &goEngine{}
	for {
		b := from.batch()
		if b == nil {
			return nil
		}
		var err error
		if b.want, err = golang.answer(b.snapshot, b.requests); err == nil {
			b.line, err = line(b.snapshot, b.requests)
		}
		if err != nil {
			return fmt.Errorf("seed %d, configuration %d, revision %d: %w", from.seed, b.run, b.revision, err)
		}
		for _, l := range lanes {
			select {
			case l.queue <- b:
			case <-ctx.Done():
				return nil
			}
		}
	}
}

// lane is one engine with what it was asked.
type lane struct {
	child         *child
	queue, sent   chan *batch
	done, refused atomic.Int64 // cases, and configurations
}

// write hands over what is in the queue. If that fails, the engine has ended, of
// which its reader knows more.
func (l *lane) write(ctx context.Context) {
	defer close(l.sent)
	for b := range l.queue {
		select {
		case l.sent <- b: // first, so that there is a reader while we write
		case <-ctx.Done():
			return
		}
		if l.child.send(b.line) != nil {
			return
		}
	}
}

func (l *lane) read(ctx context.Context, stop func(*mismatch, error)) {
	defer func() { _ = l.child.close() }()
	for b := range l.sent {
		got, err := l.child.receive()
		if err != nil {
			if ctx.Err() == nil {
				stop(&mismatch{l.child.name, b, -1, []byte(err.Error())}, nil)
			}
			return
		}
		if index, same := compare(b.want, got); !same {
			stop(&mismatch{l.child.name, b, index, got}, nil)
			return
		}
		l.done.Add(int64(len(b.requests)))
		if len(b.requests) == 0 {
			l.refused.Add(1)
		}
	}
}

// compare compares two answers to a line as JSON. It returns the index of the
// first request at which they differ, -1 if they do as a whole.
func compare(want, got []byte) (index int, same bool) {
	if bytes.Equal(want, got) {
		return 0, true
	}
	var a, b struct {
		Refused bool
		Answers []any
		Changed []string
	}
	strict := json.NewDecoder(bytes.NewReader(got))
	strict.DisallowUnknownFields()
	if json.Unmarshal(want, &a) != nil || strict.Decode(&b) != nil || a.Refused != b.Refused || len(a.Answers) != len(b.Answers) {
		return -1, false
	}
	for i := range a.Answers {
		if !reflect.DeepEqual(a.Answers[i], b.Answers[i]) {
			return i, false
		}
	}
	if !slices.Equal(a.Changed, b.Changed) {
		return -1, false
	}
	return 0, true
}
