package api

import (
	"context"
	"strconv"
	"time"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"

	"github.com/strata-exp/strata/dataplane/internal/ingest"
	"github.com/strata-exp/strata/dataplane/internal/snapshot"
	"github.com/strata-exp/strata/sdk/go/engine"
	"github.com/strata-exp/strata/sdk/go/engine/jsonscan"
)

// returned is what a result has besides with EXPOSURE_MODE_RETURN.
type returned struct {
	exposures []*servingv1.Exposure
	leaves    []engine.Leaf
	branches  []*servingv1.Branch
	ruled     []int32
}

// record hands over the exposures of an answer, as if all of it had been read.
func (s *Service) record(ctx context.Context, a *evaluateAnswer, r *evaluateRequest, running *snapshot.Snapshot) {
	batch, now := new(ingest.Batch), s.now()
	for i := range a.results {
		batch.Exposures = append(batch.Exposures,
			ingest.Exposures(running, a.results[i].service, r.context, a.results[i].result, "", now)...)
	}
	s.sink.Keep(ctx, batch)
}

func (s *Service) exposed(running *snapshot.Snapshot, service string, context engine.Context, result *engine.Result) *returned {
	r := &returned{
		exposures: ingest.Exposures(running, service, context, result, "", s.now()),
		leaves:    running.Ruleset.OwnLeaves(result),
	}
	for i, m := range running.Ruleset.Matches(result) {
		if m.Ruled {
			r.ruled = append(r.ruled, int32(i))
		}
	}
	parameters := jsonscan.New(result.Parameters)
	r.branch(running.Ruleset, result, &parameters, nil)
	return r
}

// branch adds what is below an object that is scanned.
func (r *returned) branch(rules *engine.Ruleset, result *engine.Result, s *jsonscan.Scanner, keys []string) {
	s.BeginObject()
	for {
		name, ok := s.NextKey()
		if !ok {
			return
		}
		if s.Kind() != jsonscan.Object {
			s.Skip()
			continue
		}
		under := append(keys, name)                     //nolint:gocritic // each is done before the next one
		if path := engine.JoinPath(under); path != "" { // which is that of the whole
			r.branches = append(r.branches, &servingv1.Branch{Path: path, Winner: rules.Read(result, path).Winner})
		}
		r.branch(rules, result, s, under)
	}
}

// size is about how large it is in an answer, in bytes.
func (r *returned) size() int64 {
	if r == nil {
		return 0
	}
	const (
		exposureBytes = 384 // beside the texts: names of fields, numbers, time and insert_id
		leafBytes     = 64
		indexBytes    = 12
	)
	n := leafBytes
	for _, e := range r.exposures {
		n += exposureBytes + len(e.GetService()) + len(e.GetLayerId()) + len(e.GetHashKey()) + len(e.GetKey())
	}
	n += indexBytes * len(r.ruled)
	for _, b := range r.branches {
		n += leafBytes + len(b.GetPath())
	}
	for _, l := range r.leaves {
		n += leafBytes + len(l.Path) + indexBytes*(len(l.Exposed)+len(l.Hidden))
	}
	return int64(n)
}

// message returns a result with it. A result without it is shared.
func (r *returned) message(result *servingv1.ServiceResult) *servingv1.ServiceResult {
	if r == nil {
		return result
	}
	m := &servingv1.ServiceResult{
		Parameters: result.GetParameters(), Vids: result.GetVids(), MatchedLayers: result.GetMatchedLayers(), Exposures: r.exposures,
		Branches: r.branches, Ruled: r.ruled,
	}
	for _, l := range r.leaves {
		m.Leaves = append(m.Leaves, &servingv1.Leaf{Path: l.Path, Winner: l.Winner, Exposed: l.Exposed, Hidden: l.Hidden})
	}
	return m
}

// appendReturned appends it as the rest of a ServiceResult in JSON.
func appendReturned(dst []byte, r *returned) []byte {
	dst = append(dst, `,"exposures":[`...)
	for i, e := range r.exposures {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendExposure(dst, e)
	}
	dst = append(dst, `],"leaves":[`...)
	for i, l := range r.leaves {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"path":`...)
		dst = appendString(dst, l.Path)
		dst = append(dst, `,"winner":`...)
		dst = strconv.AppendInt(dst, int64(l.Winner), 10)
		dst = append(dst, `,"exposed":`...)
		dst = appendNumbers(dst, l.Exposed)
		dst = append(dst, `,"hidden":`...)
		dst = appendNumbers(dst, l.Hidden)
		dst = append(dst, '}')
	}
	dst = append(dst, `],"branches":[`...)
	for i, b := range r.branches {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"path":`...)
		dst = appendString(dst, b.GetPath())
		dst = append(dst, `,"winner":`...)
		dst = strconv.AppendInt(dst, int64(b.GetWinner()), 10)
		dst = append(dst, '}')
	}
	dst = append(dst, `],"ruled":`...)
	return appendNumbers(dst, r.ruled)
}

func appendExposure(dst []byte, e *servingv1.Exposure) []byte {
	text := func(name, value string) {
		dst = append(append(append(dst, '"'), name...), `":`...)
		dst = append(appendString(dst, value), ',')
	}
	number := func(name string, value int32) {
		dst = append(append(append(dst, '"'), name...), `":`...)
		dst = append(strconv.AppendInt(dst, int64(value), 10), ',')
	}
	dst = append(dst, '{')
	text("insert_id", e.GetInsertId())
	text("time", timeText(e.GetTime().AsTime()))
	text("service", e.GetService())
	text("layer_id", e.GetLayerId())
	text("hash_key", e.GetHashKey())
	text("key", e.GetKey())
	number("slot", e.GetSlot())
	number("eid", e.GetEid())
	number("vid", e.GetVid())
	text("epoch", strconv.FormatInt(e.GetEpoch(), 10)) // protobuf's JSON has 64-bit integers as strings
	text("revision", strconv.FormatInt(e.GetRevision(), 10))
	text("path", e.GetPath())
	dst = append(dst, `"hidden":`...)
	return append(strconv.AppendBool(dst, e.GetHidden()), '}')
}

// timeText returns a time of whole milliseconds as protobuf's JSON has it.
func timeText(t time.Time) string {
	if t.Nanosecond() == 0 {
		return t.Format("2006-01-02T15:04:05Z")
	}
	return t.Format("2006-01-02T15:04:05.000Z")
}

func appendNumbers(dst []byte, numbers []int32) []byte {
	dst = append(dst, '[')
	for i, n := range numbers {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendInt(dst, int64(n), 10)
	}
	return append(dst, ']')
}
