package history

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/strata-exp/strata/sdk/go/view"
)

// Violation is a promise that was not kept.
type Violation struct {
	// Invariant is its number, such as "I1".
	Invariant string
	// Event is where it was seen, by its index; -1 if it is of the whole history.
	Event int
	// Problem says what is wrong.
	Problem string
}

func (v Violation) String() string {
	if v.Event < 0 {
		return v.Invariant + ": " + v.Problem
	}
	return fmt.Sprintf("%s: event %d: %s", v.Invariant, v.Event, v.Problem)
}

// checker reads a history from the beginning to the end.
type checker struct {
	truth  *Truth
	limits Limits
	events []Event
	at     int

	found     []Violation
	observers map[string]*observer
	hashes    map[place]seen // I2
	keys      map[string]*publish
	failures  int
}

// place is what one hash belongs to.
type place struct {
	scope string
	at    view.Position
}

// seen is where a hash was seen first.
type seen struct {
	hash     string
	observer string
}

// observer is what is known of one while its history is read.
type observer struct {
	replicated, active *view.Position
	hash               string // of what is replicated
	stream             bool   // whether it has one
	sent               view.Position
	sentHash           string
	framed             time.Duration // when the last frame came
	silent             time.Duration // since when its link is silent; 0 if it is not
	revoked            time.Duration
	rejected           *view.Position
	answered           int64 // the newest revision that was answered by it
}

// Check returns all promises that a history does not keep, in the order in which
// that is seen.
func Check(events []Event, truth *Truth, limits Limits) []Violation {
	c := &checker{
		truth: truth, limits: limits, events: events,
		observers: map[string]*observer{}, hashes: map[place]seen{}, keys: map[string]*publish{},
	}
	for i := range events {
		c.at = i
		e := &events[i]
		o := c.observers[e.Observer]
		if o == nil {
			o = &observer{}
			c.observers[e.Observer] = o
		}
		c.event(e, o)
	}
	c.at = -1
	c.end()
	c.changelog()
	return c.found
}

func (c *checker) fail(invariant, format string, args ...any) {
	c.found = append(c.found, Violation{invariant, c.at, fmt.Sprintf(format, args...)})
}

func (c *checker) event(e *Event, o *observer) {
	switch e.What {
	case Start:
		*o = observer{silent: o.silent, revoked: o.revoked}
		for name, part := range c.observers {
			if strings.HasPrefix(name, e.Observer+"/") {
				part.answered = 0 // by another process, which may have begun with something older
			}
		}
	case Hello, Update, Beat, Goodbye, End:
		c.stream(e, o)
	case Replicated, Active, Rejected:
		c.position(e, o)
	case Final:
		c.final(e)
	case Outside:
		c.fail("I7", "%s was sent %s, which is not in its scope %q", e.Observer, e.Text, e.Scope)
	case Answer, Failure:
		c.answer(e, o)
	case Invoke, OK, Fail, Unknown:
		c.publish(e)
	case Silence:
		o.silent = max(e.At, 1)
	case Heal:
		for _, o := range c.observers {
			o.silent = 0
		}
	case Revoked:
		o.revoked = max(e.At, 1)
	case Memory:
		if most := c.limits.Stream * e.Streams; c.limits.Stream > 0 && e.Bytes > most {
			c.fail("I9", "%s takes %d bytes for %d streams, more than %d", e.Observer, e.Bytes, e.Streams, most)
		}
	case Fault:
	}
}

// agree checks I2 and I3: that a position has one hash, and the right one.
func (c *checker) agree(e *Event, hash string) {
	if hash == "" {
		return
	}
	p := place{e.Scope, e.Position()}
	if first, ok := c.hashes[p]; !ok {
		c.hashes[p] = seen{hash, e.Observer}
	} else if first.hash != hash {
		c.fail("I2", "%v of scope %q is %s to %s and %s to %s", p.at, p.scope, short(first.hash), first.observer, short(hash), e.Observer)
		return
	}
	if want, ok := c.truth.Hash(p.scope, p.at); ok && want != hash {
		c.fail("I3", "%s has %s at %v of scope %q, the changelog makes %s", e.Observer, short(hash), p.at, p.scope, short(want))
	}
}

// position checks I1 and I13 of what a follower holds and runs.
func (c *checker) position(e *Event, o *observer) {
	at := e.Position()
	c.agree(e, e.Hash)
	switch e.What {
	case Replicated:
		if o.replicated != nil && at.Compare(*o.replicated) <= 0 {
			c.fail("I1", "%s holds %v after %v", e.Observer, at, *o.replicated)
		}
		o.replicated = &at
	case Rejected:
		o.rejected = &at
	default:
		if o.active != nil && at.Compare(*o.active) <= 0 {
			c.fail("I1", "%s runs %v after %v", e.Observer, at, *o.active)
		}
		if o.rejected != nil && at.Compare(*o.rejected) <= 0 {
			c.fail("I13", "%s runs %v although it rejected %v", e.Observer, at, *o.rejected)
		}
		o.active, o.rejected = &at, nil
	}
}

func (c *checker) final(e *Event) {
	if e.Text == "absent" {
		c.fail("I5", "%s does not answer at the end", e.Observer)
		return
	}
	if e.Position() != c.truth.Head {
		c.fail("I5", "%s is at %v at the end, and the newest is %v", e.Observer, e.Position(), c.truth.Head)
		return
	}
	c.agree(e, e.Hash)
}

// answer checks I6, and that a server's answers do not go back.
func (c *checker) answer(e *Event, o *observer) {
	if e.What == Failure {
		if c.failures++; c.failures > c.limits.Failures {
			c.fail("I6", "%s did not answer: %s", e.Observer, e.Text)
		}
		return
	}
	if e.Revision < o.answered && !c.truth.Lost {
		c.fail("I1", "%s answers from revision %d after %d", e.Observer, e.Revision, o.answered)
	}
	o.answered = e.Revision
	if want, ok := c.truth.Answer(e.Revision, e.Key); ok && e.Hash != "" && e.Hash != want {
		c.fail("I6", "%s answers %q with %s at revision %d, which makes %s", e.Observer, e.Key, short(e.Hash), e.Revision, short(want))
	}
}

// end checks what has to have happened.
func (c *checker) end() {
	if c.limits.Heartbeat == 0 || len(c.events) == 0 {
		return
	}
	last := c.events[len(c.events)-1].At
	for name, o := range c.observers {
		if most := 3*c.limits.Heartbeat + c.limits.Slack; o.silent > 0 && o.stream && last-o.silent > most {
			c.fail("I8", "%s has not left a stream that is silent for %v", name, last-o.silent)
		}
	}
}

func short(hash string) string { return hash[:min(8, len(hash))] }

// Report puts violations together for people, at most so many.
func Report(all []Violation, most int) string {
	var lines []string
	for _, v := range all[:min(len(all), most)] {
		lines = append(lines, v.String())
	}
	if len(all) > most {
		lines = append(lines, fmt.Sprintf("and %d more", len(all)-most))
	}
	return strings.Join(lines, "\n")
}

// Invariants returns the numbers of what was violated, each once.
func Invariants(all []Violation) []string {
	var names []string
	for _, v := range all {
		names = append(names, v.Invariant)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
