package history

import (
	"time"

	"github.com/strata-exp/strata/sdk/go/view"
)

// Truth is what the database says of one environment once everything is over.
type Truth struct {
	// Head is the newest position.
	Head view.Position
	// Floor is the oldest revision that is kept.
	Floor int64
	// Revisions are those from Floor to Head, in the order in which they were read.
	Revisions []Revision
	// Hash returns what a scope of a position hashes to. It is not ok where the
	// position is not known, such as one of an earlier epoch.
	Hash func(scope string, at view.Position) (string, bool)
	// Answer returns the hash of the answer to a question at a revision, of
	// whatever epoch. It is not ok where it can not be known.
	Answer func(revision int64, question string) (string, bool)
	// Lost says that the database has lost what it had acknowledged, on purpose.
	Lost bool
}

// Revision is an entry of the changelog.
type Revision struct {
	Number       int64
	Key          string // the idempotency key that it was made with, empty if none
	Hash, Parent string
}

// Limits are the times and sizes that hold in a case. What is zero is not
// checked.
type Limits struct {
	// Heartbeat is how long a stream may be silent.
	Heartbeat time.Duration
	// Slack is what a busy machine may add to all times.
	Slack time.Duration
	// Revoke is how long after a revocation frames may still come.
	Revoke time.Duration
	// Stream is how much memory a server may need for each stream.
	Stream int64
	// Healthy says that nothing was broken, so that streams are never silent.
	Healthy bool
	// Failures is how many evaluations may fail.
	Failures int
}
