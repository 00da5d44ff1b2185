package api

import (
	"errors"
	"strconv"
	"time"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/internal/attributes"
	"github.com/strata-exp/strata/internal/rpc"
	"github.com/strata-exp/strata/sdk/go/engine"
	"github.com/strata-exp/strata/sdk/go/engine/jsonscan"
)

// decoder reads requests from JSON text. It is strict where protojson is lenient
// to the harm of the caller: it names an unknown field rather than to pass over
// it, and has no second spelling for anything. Like protojson it takes null for
// a field that is absent.
//
// Strings of what it reads share memory with the text.
type decoder struct{ jsonscan.Scanner }

func decodeEvaluate(text string, r *evaluateRequest) {
	d := decoder{jsonscan.New(text)}
	r.err = d.whole(d.evaluate(r, nil))
}

func decodeExplain(text string, r *explainRequest) {
	d := decoder{jsonscan.New(text)}
	r.err = d.whole(d.evaluate(&r.evaluateRequest, r))
}

func decodeBatch(text string, r *batchEvaluateRequest) {
	d := decoder{jsonscan.New(text)}
	r.err = d.whole(d.batch(r))
}

// whole returns the error of a text that was read to the end of its value: text
// that is no JSON counts before what it says.
func (d *decoder) whole(err error) error {
	if err == nil {
		d.End()
	}
	if syntax := d.Err(); syntax != nil {
		return rpc.Invalidf("body", "%s", syntax)
	}
	return err
}

// evaluate reads an EvaluateRequest or, if more is not nil, an ExplainRequest.
// It stops at the first error.
func (d *decoder) evaluate(r *evaluateRequest, more *explainRequest) error {
	if err := d.want("", jsonscan.Object); err != nil {
		return err
	}
	var seen fields
	d.BeginObject()
	for {
		name, ok := d.NextKey()
		if !ok {
			return nil
		}
		field, err := fieldNamed(name, more != nil)
		if err != nil {
			return err
		}
		if seen&field != 0 {
			return rpc.Invalidf(name, "stands twice")
		}
		seen |= field
		if d.Kind() == jsonscan.Null {
			d.Null()
			continue
		}
		switch field {
		case fieldServices:
			r.services, err = d.names(name)
		case fieldLayers:
			r.layers, err = d.names(name)
		case fieldContext:
			r.context, err = d.context()
		case fieldExposures:
			r.exposures, err = d.exposures()
		case fieldRevision:
			more.revision, err = d.revision()
		case fieldTime:
			more.time, err = d.time()
		}
		if err != nil {
			return err
		}
		if more != nil && more.revision != nil && more.time != nil {
			return rpc.Invalidf(name, "want revision or time, got both")
		}
	}
}

// fields is a set of fields of a request.
type fields uint8

const (
	fieldServices fields = 1 << iota
	fieldContext
	fieldLayers
	fieldExposures
	fieldRevision
	fieldTime
)

func fieldNamed(name string, explain bool) (fields, error) {
	switch {
	case name == "services":
		return fieldServices, nil
	case name == "context":
		return fieldContext, nil
	case name == "layers":
		return fieldLayers, nil
	case !explain && name == "exposures":
		return fieldExposures, nil
	case explain && name == "revision":
		return fieldRevision, nil
	case explain && name == "time":
		return fieldTime, nil
	case explain:
		return 0, rpc.Invalidf(rpc.Clip(name), "unknown field, want services, context, layers, revision or time")
	default:
		return 0, rpc.Invalidf(rpc.Clip(name), "unknown field, want services, context, layers or exposures")
	}
}

// batch reads a BatchEvaluateRequest. What is wrong with one of its requests
// stays in that request, unless it is no JSON.
func (d *decoder) batch(r *batchEvaluateRequest) error {
	if err := d.want("", jsonscan.Object); err != nil {
		return err
	}
	seen := false
	d.BeginObject()
	for {
		name, ok := d.NextKey()
		switch {
		case !ok:
			return nil
		case name != "requests":
			return rpc.Invalidf(rpc.Clip(name), "unknown field, want requests")
		case seen:
			return rpc.Invalidf(name, "stands twice")
		}
		seen = true
		if d.Kind() == jsonscan.Null {
			d.Null()
			continue
		}
		if err := d.want(name, jsonscan.Array); err != nil {
			return err
		}
		d.BeginArray()
		for d.NextItem() {
			if len(r.requests) == maxRequests {
				return rpc.Invalidf(name, "want at most %d requests, got more", maxRequests)
			}
			r.requests = append(r.requests, evaluateRequest{})
			entry := &r.requests[len(r.requests)-1]
			before := d.Scanner
			if err := d.evaluate(entry, nil); err != nil && d.Err() == nil {
				*entry = evaluateRequest{err: err}
				d.Scanner = before
				d.Skip()
			}
		}
	}
}

func (d *decoder) names(field string) ([]string, error) {
	if err := d.want(field, jsonscan.Array); err != nil {
		return nil, err
	}
	names := make([]string, 0, 4)
	d.BeginArray()
	for d.NextItem() {
		if kind := d.Kind(); kind != jsonscan.String && kind != jsonscan.Invalid {
			return nil, wrongKind(item(field, len(names)), jsonscan.String, kind)
		}
		names = append(names, d.Text())
	}
	return names, nil
}

// room is for how many attributes a context has room from the start.
const room = 8

func (d *decoder) context() (engine.Context, error) {
	context, err := engine.ScanContext(&d.Scanner, make(engine.Context, 0, room))
	if fault, ok := errors.AsType[*engine.ContextError](err); ok {
		return nil, rpc.Invalidf(attributes.Path(fault.Name), "%s", fault.Problem)
	}
	if err != nil {
		return nil, err // a syntax error, which whole reports
	}
	for _, a := range context {
		if a.Value.Kind() == engine.Composite {
			if err := checkNumbers(a); err != nil {
				return nil, err
			}
		}
	}
	return context, nil
}

// checkNumbers finds a number inside of a list or an object that a double can
// not hold. The engine never looks inside, but Explain has to show it, and the
// other codecs can not even carry it.
func checkNumbers(a engine.Attribute) error {
	s := jsonscan.New(a.Value.Text())
	if number := tooLarge(&s); number != "" {
		return rpc.Invalidf(attributes.Path(a.Name), "the number %s is larger than a double can be", rpc.Clip(number))
	}
	return nil
}

func tooLarge(s *jsonscan.Scanner) string {
	switch s.Kind() {
	case jsonscan.Number:
		number := s.Number()
		if _, err := strconv.ParseFloat(number, 64); err != nil {
			return number
		}
	case jsonscan.Array:
		s.BeginArray()
		for s.NextItem() {
			if number := tooLarge(s); number != "" {
				return number
			}
		}
	case jsonscan.Object:
		s.BeginObject()
		for {
			if _, ok := s.NextKey(); !ok {
				break
			}
			if number := tooLarge(s); number != "" {
				return number
			}
		}
	default:
		s.Skip()
	}
	return ""
}

// exposures reads an ExposureMode as protobuf's JSON has it: its name or its
// number. One that is not known is refused later, with the request.
func (d *decoder) exposures() (servingv1.ExposureMode, error) {
	const field = "exposures"
	switch kind := d.Kind(); kind {
	case jsonscan.String:
		name := d.Text()
		mode, ok := servingv1.ExposureMode_value[name]
		if !ok {
			return 0, rpc.Invalidf(field, "want %s, got %s", exposureModes, rpc.Clip(name))
		}
		return servingv1.ExposureMode(mode), nil
	case jsonscan.Number:
		text := d.Number()
		mode, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			return 0, rpc.Invalidf(field, "want %s, got %s", exposureModes, rpc.Clip(text))
		}
		return servingv1.ExposureMode(mode), nil
	default:
		return 0, wrongKind(field, jsonscan.String, kind)
	}
}

// revision reads an int64 as protobuf's JSON has it: a string or a number.
func (d *decoder) revision() (*int64, error) {
	var text string
	switch kind := d.Kind(); kind {
	case jsonscan.String:
		text = d.Text()
	case jsonscan.Number:
		text = d.Number()
	default:
		return nil, wrongKind("revision", jsonscan.Number, kind)
	}
	revision, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return nil, rpc.Invalidf("revision", "want a whole number, got %s", rpc.Clip(text))
	}
	return &revision, nil
}

func (d *decoder) time() (*time.Time, error) {
	if kind := d.Kind(); kind != jsonscan.String {
		return nil, wrongKind("time", jsonscan.String, kind)
	}
	text := d.Text()
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return nil, rpc.Invalidf("time", "want a time such as 2026-01-31T12:00:00Z, got %s", rpc.Clip(text))
	}
	return &t, nil
}

// want returns an error if the next value is of another kind. Where it is no
// value at all, the scanner will say so.
func (d *decoder) want(field string, want jsonscan.Kind) error {
	if got := d.Kind(); got != want && got != jsonscan.Invalid {
		return wrongKind(field, want, got)
	}
	return nil
}

func wrongKind(field string, want, got jsonscan.Kind) error {
	if field == "" {
		field = "body"
	}
	return rpc.Invalidf(field, "want %s, got %s", want, got)
}

// item is the path of an item of a list.
func item(field string, index int) string { return field + "[" + strconv.Itoa(index) + "]" }
