package follow

import (
	"math/rand/v2"
	"time"
)

// pace decides when to come back, and how, after a stream has ended. It is for
// one goroutine.
type pace struct {
	timers Timers
	// failures counts endings since the last stream that has lasted.
	failures int
	// anew says that the next stream has to bring everything.
	anew bool
	// lost says that the last stream has lost something, and nothing has come
	// right since.
	lost bool
	// lastAnew is when everything was asked for last, and an answer had begun.
	lastAnew time.Time
	// random returns a random time below a positive one.
	random func(time.Duration) time.Duration
}

func newPace(timers Timers) *pace { return &pace{timers: timers, random: rand.N[time.Duration]} }

// next is what comes after an ending.
type next struct {
	wait time.Duration
	// polls says to fetch, and not to stream.
	polls bool
}

func (p *pace) next(e ending, now time.Time) next {
	if e.lasted >= p.timers.Healthy {
		p.failures = 0
	}
	if e.settled {
		p.anew, p.lost = false, false
	}
	if e.anew && e.answered {
		p.lastAnew = now.Add(-e.lasted)
	}
	switch e.cause {
	case mute:
		return next{polls: true}
	case due:
		return next{}
	case window:
		return next{wait: e.least + p.below(e.most-e.least)}
	case behind:
		p.anew = false // what is held is right; it is this server that lacks it
	case doubtful:
		p.anew = true
	case missed:
		p.anew = p.anew || p.lost
		p.lost = true
	}
	longest := p.timers.LongestWait
	if e.cause == refused {
		longest = p.timers.RefusedWait
	}
	wait := p.below(p.backoff(longest))
	if p.anew && !p.lastAnew.IsZero() {
		wait = max(wait, p.timers.Anew-now.Sub(p.lastAnew))
	}
	return next{wait: wait}
}

// backoff returns the longest wait after another failure.
func (p *pace) backoff(longest time.Duration) time.Duration {
	wait := p.timers.FirstWait
	for range p.failures {
		if wait >= longest {
			break
		}
		wait *= 2
	}
	p.failures++
	return min(wait, longest)
}

// below returns a random time of at least zero, and at most another one.
func (p *pace) below(most time.Duration) time.Duration {
	if most <= 0 {
		return 0
	}
	return p.random(most + 1)
}
