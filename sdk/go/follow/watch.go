package follow

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
)

// watch follows a stream until it ends, or ctx does.
func (f *Follower) watch(ctx context.Context, anew bool) ending {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	frames := f.read(ctx, f.request(anew))
	s := f.newSession(anew, false)
	quiet := time.NewTimer(f.config.Timers.Hello)
	defer quiet.Stop()
	for {
		select {
		case <-ctx.Done():
			return s.end(ending{err: ctx.Err()})
		case <-watchdog(quiet):
			if s.hello == nil {
				return s.end(ending{cause: mute, err: errMute})
			}
			return s.end(ending{cause: silent, err: errSilence})
		case received := <-frames:
			if received.err != nil {
				return s.end(causeOf(received.err))
			}
			if end := s.take(received.frame); end != nil {
				return s.end(*end)
			}
			// From here on, so that the time that activation took is no silence.
			if s.hello != nil {
				quiet.Reset(patience * s.heartbeat)
			}
		}
	}
}

// received is a frame, or why there are no more.
type received struct {
	frame *servingv1.WatchResponse
	err   error
}

// read yields the frames of a stream until it or ctx ends. It reads the next one
// when the one before was taken.
func (f *Follower) read(ctx context.Context, request *servingv1.WatchRequest) <-chan received {
	frames := make(chan received)
	pass := func(r received) bool {
		select {
		case frames <- r:
			return r.err == nil
		case <-ctx.Done():
			return false
		}
	}
	f.readers.Go(func() {
		s, err := f.client.Watch(ctx, request)
		if err != nil {
			pass(received{err: err})
			return
		}
		defer func() { _ = s.Close() }()
		for {
			if frame, err := s.Receive(); !pass(received{frame, err}) {
				return
			}
		}
	})
	return frames
}

// poll fetches again and again, where a stream does not get through, until that
// fails or a stream is to be tried again.
func (f *Follower) poll(ctx context.Context, anew bool) ending {
	until := time.Now().Add(jittered(f.config.Timers.WatchAgain))
	sum := ending{anew: anew}
	began := time.Now()
	for {
		s, e := f.fetch(ctx, anew && !sum.settled)
		sum.answered, sum.settled = sum.answered || s.hello != nil, sum.settled || s.settled
		sum.lasted = time.Since(began)
		if e != nil {
			sum.cause, sum.err, sum.least, sum.most = e.cause, e.err, e.least, e.most
			return sum
		}
		if !time.Now().Before(until) {
			sum.cause = due
			return sum
		}
		select {
		case <-ctx.Done():
			sum.err = ctx.Err()
			return sum
		case <-time.After(jittered(s.heartbeat)):
		}
	}
}

// fetch takes what one fetch brings. The ending is nil if that is right.
func (f *Follower) fetch(ctx context.Context, anew bool) (*session, *ending) {
	s := f.newSession(anew, true)
	ctx, cancel := context.WithTimeout(ctx, f.config.Timers.Fetch)
	defer cancel()
	response, err := f.client.Fetch(ctx, &servingv1.FetchRequest{Watch: f.request(anew)})
	if err != nil {
		e := causeOf(err)
		return s, &e
	}
	for _, frame := range response.GetFrames() {
		if e := s.take(frame); e != nil {
			return s, e
		}
	}
	if s.hello == nil || s.staging {
		return s, &ending{cause: doubtful, err: errors.New("what was fetched is not whole")}
	}
	return s, nil
}

// jittered returns a random time around another one.
func jittered(d time.Duration) time.Duration { return d*3/4 + rand.N(d/2+1) }
