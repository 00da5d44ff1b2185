package strata

import "github.com/strata-exp/strata/sdk/go/engine"

// Parameter is a value with its source.
type Parameter struct {
	// Value is nil, a bool, float64, string, []any or map[string]any; nil also if
	// nobody has set one. The caller owns it.
	Value any
	// Reason says why it is what it is:
	//
	//	SPLIT            an experiment without a rule has set it
	//	TARGETING_MATCH  one with a rule has
	//	DEFAULT          nobody has set it for this user
	//	ERROR            see Error
	Reason string
	// Error is empty unless Reason is ERROR:
	//
	//	NOT_READY  there is no configuration yet
	//	NOT_FOUND  no variant of the service sets anything there
	Error string
	// LayerID, EID and VID say which variant has set it; of an object, the one of
	// highest priority in it. They are zero if nobody has.
	LayerID  string
	EID, VID int32
	// Slot is the user's slot in the layer, 0 to 9,999; -1 if nobody has set the
	// value.
	Slot int32
	// Revision is what was evaluated, 0 if there was nothing.
	Revision int64
}

// What Reason and Error may be.
const (
	reasonSplit   = "SPLIT"
	reasonRule    = "TARGETING_MATCH"
	reasonDefault = "DEFAULT"
	reasonError   = "ERROR"

	errorNotReady = "NOT_READY"
	errorNotFound = "NOT_FOUND"
)

// Lookup returns what is at a path, and where it comes from. Who is exposed by
// that is recorded, as by the other ways to read.
func (e Evaluation) Lookup(path string) Parameter {
	if e.running == nil {
		return Parameter{Reason: reasonError, Error: errorNotReady, Slot: -1}
	}
	p := Parameter{Reason: reasonDefault, Slot: -1, Revision: e.running.rules.Revision()}
	reading := e.read(path)
	if reading.Value != "" {
		p.Value = decode(reading.Value)
	}
	if reading.Winner < 0 {
		if !e.running.rules.Knows(e.service, path) {
			p.Reason, p.Error = reasonError, errorNotFound
		}
		return p
	}
	m := &e.running.rules.Matches(e.result)[reading.Winner]
	p.Reason = reasonSplit
	if m.Ruled {
		p.Reason = reasonRule
	}
	p.LayerID, p.EID, p.VID = m.LayerID, m.EID, m.VID
	if key, ok := engine.KeyText(valueOf(e.context[m.HashKey])); ok {
		p.Slot = engine.Slot(m.Salt, key)
	}
	return p
}
