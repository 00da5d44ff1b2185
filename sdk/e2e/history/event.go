package history

import (
	"time"

	"github.com/strata-exp/strata/sdk/go/view"
)

// What says what was seen.
type What string

// What observers see. Fields of an Event that are not named do not count.
const (
	// Start: the observer has begun, or its process has, and so have all that are
	// named as it is, a slash and more. Text is "fresh" if it holds nothing from
	// before.
	Start What = "start"
	// Hello: a stream has begun. Scope.
	Hello What = "hello"
	// Update: a whole update was taken off the wire. Kind, Epoch, From, Revision,
	// Hash as it was sent, Own as it was computed from the contents, Scope.
	Update What = "update"
	// Beat: a heartbeat. Epoch, Revision, Hash.
	Beat What = "beat"
	// Goodbye: the last frame. Kind is the reason.
	Goodbye What = "goodbye"
	// End: a stream has ended. Kind is why.
	End What = "end"
	// Replicated: the follower holds a configuration. Epoch, Revision, Hash, Scope.
	Replicated What = "replicated"
	// Active: the observer runs a configuration. Epoch, Revision, Hash, Scope.
	Active What = "active"
	// Rejected: the observer can not run a configuration. Epoch, Revision.
	Rejected What = "rejected"
	// Outside: an entity was seen that is not in the observer's grant. Text.
	Outside What = "outside"

	// Answer: an evaluation was answered. Revision, Key of the question, Hash of
	// the answer. Failure: it was not. Text.
	Answer  What = "answer"
	Failure What = "failure"

	// Invoke: a publisher sends a change, or sends it again. Key. OK: it was
	// acknowledged; Revision. Fail: it was refused. Unknown: nothing is known.
	Invoke  What = "invoke"
	OK      What = "ok"
	Fail    What = "fail"
	Unknown What = "unknown"

	// Silence: the observer's link carries nothing from now on, and is not cut.
	Silence What = "silence"
	// Fault, Heal: something is broken, something is whole again. Text.
	Fault What = "fault"
	Heal  What = "heal"
	// Revoked: the observer's key is revoked from now on.
	Revoked What = "revoked"
	// Final: where the observer is once everything had the time to settle. Epoch,
	// Revision, Hash, Scope. Text is "absent" if it does not answer.
	Final What = "final"
	// Memory: a server's memory. Bytes, Streams.
	Memory What = "memory"
)

// Kinds of updates.
const (
	Full  = "full"
	Delta = "delta"
)

// Event is something that an observer saw.
type Event struct {
	// At is when, since the recording began, by a monotonic clock.
	At       time.Duration `json:"at"`
	Observer string        `json:"observer"`
	What     What          `json:"what"`
	Epoch    int64         `json:"epoch,omitempty"`
	Revision int64         `json:"revision,omitempty"`
	From     int64         `json:"from,omitempty"`
	Kind     string        `json:"kind,omitempty"`
	Hash     string        `json:"hash,omitempty"`
	Own      string        `json:"own,omitempty"`
	// Scope is the services that the observer is sent, sorted and joined by
	// commas; empty is all of them.
	Scope   string `json:"scope,omitempty"`
	Key     string `json:"key,omitempty"`
	Text    string `json:"text,omitempty"`
	Bytes   int64  `json:"bytes,omitempty"`
	Streams int64  `json:"streams,omitempty"`
}

// Position returns where the event is.
func (e *Event) Position() view.Position {
	return view.Position{Epoch: e.Epoch, Revision: e.Revision}
}
