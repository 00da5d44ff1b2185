package strata

import (
	"bytes"
	"encoding/json"
	"math"

	"google.golang.org/protobuf/types/known/structpb"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/sdk/go/engine"
)

// Event is something that a user did, or that was measured of them.
type Event struct {
	// Name is what it was, such as "checkout": 1 to 256 bytes.
	Name string
	// Context is the user. The attributes that layers hash are sent, at most 16 of
	// them, and nothing else.
	Context Context
	// Value is how much, nil if that can not be said. It must be finite.
	Value *float64
	// Properties is anything else that JSON can hold: at most 16 KiB of it.
	Properties map[string]any
}

// Limits of the contract.
const (
	maxUnits           = 16
	maxKeyBytes        = 4096
	maxPathBytes       = 4096
	maxPropertiesBytes = 16 << 10
)

// Record has an event sent, soon. It waits for nothing. One that breaks a limit,
// has nobody whom a layer hashes, or comes before there is a configuration to say
// whom layers hash, is dropped, and Status counts it.
func (c *Client) Record(event Event) {
	e, problem := c.event(event)
	if problem != "" {
		c.outbox.drop(1, problem)
		return
	}
	c.outbox.put(nil, e)
}

func (c *Client) event(event Event) (e *servingv1.Event, problem string) {
	running := c.running.Load()
	switch {
	case event.Name == "" || !sendable(event.Name, maxNameBytes):
		return nil, "the name of an event has 1 to 256 bytes of UTF-8"
	case event.Value != nil && (math.IsNaN(*event.Value) || math.IsInf(*event.Value, 0)):
		return nil, "the value of an event is finite"
	case running == nil:
		return nil, "before there is a configuration, nobody knows what of an event's context may be sent"
	}
	e = &servingv1.Event{Name: event.Name, Units: running.units(event.Context)}
	if len(e.GetUnits()) == 0 {
		return nil, "the context of an event has no attribute that a layer hashes"
	}
	if event.Value != nil {
		e.Value = new(*event.Value)
	}
	if len(event.Properties) == 0 {
		return e, ""
	}
	text, err := marshal(event.Properties)
	if err != nil || len(text) > maxPropertiesBytes {
		return nil, "the properties of an event are at most 16 KiB of JSON"
	}
	e.Properties = new(structpb.Struct)
	if err := e.Properties.UnmarshalJSON(text); err != nil {
		return nil, "the properties of an event are JSON"
	}
	return e, ""
}

// marshal returns a value as JSON without the escapes that HTML would need.
func marshal(value any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(value)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// units returns the key texts of a context, by the field that is hashed.
func (r *running) units(c Context) map[string]string {
	units := map[string]string{}
	for _, name := range r.hashKeys() {
		value, ok := c[name]
		if !ok || len(units) == maxUnits {
			continue
		}
		if key, ok := engine.KeyText(valueOf(value)); ok && sendable(key, maxKeyBytes) {
			units[name] = key
		}
	}
	return units
}
