// Package revision keeps environments and their revisions in PostgreSQL. Every
// change of resources goes through Store.Apply, which makes one revision of it
// or nothing, and never two of one request.
//
// Any number of processes may work on one database: writers of an environment
// are put in order by the lock on its head, and each process follows the
// changelog to keep the newest State in memory.
package revision

import (
	"crypto/sha256"
	"time"

	"github.com/strata-exp/strata/controlplane/internal/state"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
)

// Request asks for a revision.
type Request struct {
	Environment string
	// Author is who asks, and Message why.
	Author, Message string
	// Expected, if not nil, is the revision that the environment has to be at.
	Expected *int64
	// Checksum, if not empty, is what the result's has to be, in hexadecimal.
	Checksum string
	// ValidateOnly plans, but writes nothing.
	ValidateOnly bool
	// IdempotencyKey, if not empty, makes a request that is sent again have the
	// answer of the first one. Body is a digest of all that the request says, by
	// which it is told from another one with the same key.
	IdempotencyKey string
	Body           [sha256.Size]byte
	// Size is about how many changes there are, for as long as it may take.
	Size int
	// Origin is how the revision is made, where it is neither unspecified nor an
	// apply, with where its contents are from.
	Origin            adminv1.RevisionOrigin
	OriginRevision    int64
	OriginEnvironment string
	// Changes returns what to change of the newest revision. It is called with the
	// environment locked, so that nothing comes in between; it must not call the
	// Store. Its error is returned as it is. Ids of 0 in new experiments and
	// variants are then assigned.
	Changes func(head Head) ([]state.Change, error)
}

// Head is what changes are made to.
type Head struct {
	*state.State
	// Now is the time of the change.
	Now time.Time
	// Resting returns the slots of a layer that rest, by start.
	Resting func(layerID string) ([]Rest, error)
}

// Rest is a run of slots that an experiment gave up and that the allocator gives
// to no other one until they have rested.
type Rest struct {
	// Start is the first slot, End one past the last.
	Start, End int32
	// EID and VID are what had them.
	EID, VID int32
	// Until is when the rest ends.
	Until time.Time
}

// Outcome is what came of a Request.
type Outcome struct {
	// Revision is the revision that was made; the one before it where nothing
	// was changed or the request was only to be validated.
	Revision int64
	// Plan is what was done, or would be.
	Plan *adminv1.Plan
	// State is the result, whether it was written or not. Of a request that was
	// sent again it is the newest revision.
	State *state.State
	// Changes are the request's changes, with the ids that were assigned; nil for
	// a request that was sent again.
	Changes []state.Change
}

// Entry is a revision with the plan that made it.
type Entry struct {
	Revision *adminv1.Revision
	Plan     *adminv1.Plan
}
