package ingest

import (
	"strconv"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/internal/rpc"
)

// entry is what exposures and events have in common.
type entry interface {
	proto.Message
	GetInsertId() string
	GetTime() *timestamppb.Timestamp
}

// request is strata.serving.v1.RecordRequest, read as far as it can be.
type request struct {
	exposures []read[*servingv1.Exposure]
	events    []read[*servingv1.Event]
	client    string
	// err is why the request could not be read. A codec keeps it here, because an
	// error that it returned would reach the client without reason and field.
	err error
}

// read is an entry, or why it could not be read.
type read[E entry] struct {
	entry E
	fault string
}

// check returns what is wrong with the batch as a whole.
func (r *request) check() error {
	switch n := len(r.exposures) + len(r.events); {
	case r.err != nil:
		return r.err
	case n == 0:
		return rpc.Invalidf("exposures", "want 1 to %d entries in exposures and events together, got none", maxEntries)
	case n > maxEntries:
		return rpc.Invalidf("exposures", "want 1 to %d entries in exposures and events together, got %d", maxEntries, n)
	case len(r.client) > maxClientBytes:
		return rpc.Invalidf("client", "want at most %d bytes, got %d", maxClientBytes, len(r.client))
	default:
		return nil
	}
}

// sift returns the entries of a list that are well formed, and why the others are
// not.
func sift[E entry](list string, entries []read[E], check func(E) problem) (good []E, refusals []*servingv1.Refusal) {
	for i, e := range entries {
		at := list + "[" + strconv.Itoa(i) + "]"
		if e.fault != "" {
			refusals = append(refusals, &servingv1.Refusal{Problem: at + ": " + e.fault})
			continue
		}
		if p := check(e.entry); p.text != "" {
			refusals = append(refusals, &servingv1.Refusal{
				InsertId: within(e.entry.GetInsertId()), Problem: at + "." + p.field + ": " + p.text,
			})
			continue
		}
		good = append(good, e.entry)
	}
	return good, refusals
}

// within returns an insert_id that is not too long to be one.
func within(insertID string) string {
	if len(insertID) > maxInsertIDBytes {
		return rpc.Clip(insertID)
	}
	return insertID
}
