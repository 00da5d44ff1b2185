package ofrep

import (
	"strconv"

	"github.com/strata-exp/strata/dataplane/internal/snapshot"
	"github.com/strata-exp/strata/sdk/go/engine"
)

// Reasons of OpenFeature.
const (
	reasonSplit          = "SPLIT"
	reasonTargetingMatch = "TARGETING_MATCH"
	reasonDefault        = "DEFAULT"
	reasonStale          = "STALE"
)

// evaluation is the result of one service, with what its flags are made of.
type evaluation struct {
	running *snapshot.Snapshot
	service string
	context engine.Context
	result  *engine.Result
	// stale says that nothing has confirmed for too long that this is the newest
	// configuration.
	stale bool
}

func (h *Handler) evaluate(running *snapshot.Snapshot, service string, context engine.Context, stale bool) *evaluation {
	meter := h.config.Metrics.Meter()
	result := running.Ruleset.Evaluate(service, context, nil, &meter)
	running.Matches.Count(result.MatchedLayers)
	h.config.Metrics.Record(&meter)
	h.config.Metrics.Done(&meter)
	return &evaluation{running: running, service: service, context: context, result: result, stale: stale}
}

// appendFlag appends the flag of a path. What nobody set for this user, and what
// was set to null, has no value: then the default in the caller's code counts.
func (e *evaluation) appendFlag(dst []byte, path string) []byte {
	reading := e.running.Ruleset.Read(e.result, path)
	dst = append(dst, '{')
	dst = appendMember(dst, "key", keyOf(e.service, path))
	if reading.Winner < 0 {
		dst = append(dst, ',')
		dst = appendMember(dst, "reason", reasonDefault)
		dst = e.appendMetadata(dst)
		return append(dst, `}}`...)
	}
	if reading.Value != "null" {
		dst = append(dst, `,"value":`...)
		dst = append(dst, reading.Value...)
	}
	m := &e.running.Ruleset.Matches(e.result)[reading.Winner]
	dst = append(dst, ',')
	dst = appendMember(dst, "reason", e.reason(m))
	dst = append(dst, ',')
	dst = appendMember(dst, "variant", strconv.FormatInt(int64(m.VID), 10))
	dst = e.appendMetadata(dst)
	dst = append(dst, ',')
	dst = appendMember(dst, "layer", m.LayerID)
	dst = append(dst, `,"experiment":`...)
	dst = strconv.AppendInt(dst, int64(m.EID), 10)
	dst = append(dst, `,"slot":`...)
	dst = strconv.AppendInt(dst, int64(e.slot(m)), 10)
	return append(dst, `}}`...)
}

// appendMetadata appends what all flags have in common, and leaves the object
// open.
func (e *evaluation) appendMetadata(dst []byte) []byte {
	dst = append(dst, `,"metadata":{`...)
	dst = appendMember(dst, "version", strconv.FormatInt(e.running.Revision(), 10))
	if e.service != "" {
		dst = append(dst, ',')
		dst = appendMember(dst, "flagSetId", e.service)
	}
	return dst
}

func (e *evaluation) reason(m *engine.Match) string {
	switch {
	case e.stale:
		return reasonStale
	case m.Ruled:
		return reasonTargetingMatch
	default:
		return reasonSplit
	}
}

func (e *evaluation) slot(m *engine.Match) int32 {
	for _, a := range e.context {
		if a.Name == m.HashKey {
			key, _ := engine.KeyText(a.Value)
			return engine.Slot(m.Salt, key)
		}
	}
	return 0
}
