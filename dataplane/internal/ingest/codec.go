package ingest

import (
	"fmt"
	"strings"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/internal/rpc"
	"github.com/strata-exp/strata/sdk/go/engine/jsonscan"
)

// codecs returns the options that make a handler use this package's codecs. They
// keep what is wrong with a request in the request.
func codecs() connect.HandlerOption {
	return connect.WithHandlerOptions(
		connect.WithCodec(jsonCodec{"json"}),
		connect.WithCodec(jsonCodec{"json; charset=utf-8"}), // which Connect takes for another one
		connect.WithCodec(protoCodec{}),
	)
}

// jsonCodec reads each entry of a batch by itself, so that one that is malformed
// is refused alone.
type jsonCodec struct{ name string }

func (c jsonCodec) Name() string { return c.name }

func (c jsonCodec) IsBinary() bool { return false }

func (c jsonCodec) Unmarshal(data []byte, message any) error {
	switch m := message.(type) {
	case *request:
		m.err = scan(string(data), m)
		return nil
	case proto.Message:
		return protojson.Unmarshal(data, m)
	default:
		return unknownMessage(message)
	}
}

func (c jsonCodec) Marshal(message any) ([]byte, error) { return c.MarshalAppend(nil, message) }

func (c jsonCodec) MarshalStable(message any) ([]byte, error) { return c.MarshalAppend(nil, message) }

func (c jsonCodec) MarshalAppend(dst []byte, message any) ([]byte, error) {
	m, ok := message.(proto.Message)
	if !ok {
		return nil, unknownMessage(message)
	}
	return protojson.MarshalOptions{UseProtoNames: true}.MarshalAppend(dst, m)
}

// protoCodec reads a batch as a whole: there is no other way to read protobuf.
type protoCodec struct{}

func (protoCodec) Name() string { return "proto" }

func (protoCodec) IsBinary() bool { return true }

func (protoCodec) Unmarshal(data []byte, message any) error {
	switch m := message.(type) {
	case *request:
		generated := new(servingv1.RecordRequest)
		if err := proto.Unmarshal(data, generated); err != nil {
			m.err = rpc.Invalidf("body", "not a valid message: %s", problemOf(err))
			return nil
		}
		m.client = generated.GetClient()
		for _, e := range generated.GetExposures() {
			m.exposures = append(m.exposures, read[*servingv1.Exposure]{entry: e})
		}
		for _, e := range generated.GetEvents() {
			m.events = append(m.events, read[*servingv1.Event]{entry: e})
		}
		return nil
	case proto.Message:
		return proto.Unmarshal(data, m)
	default:
		return unknownMessage(message)
	}
}

func (c protoCodec) Marshal(message any) ([]byte, error) { return c.MarshalAppend(nil, message) }

func (protoCodec) MarshalStable(message any) ([]byte, error) {
	m, ok := message.(proto.Message)
	if !ok {
		return nil, unknownMessage(message)
	}
	return proto.MarshalOptions{Deterministic: true}.Marshal(m)
}

func (protoCodec) MarshalAppend(dst []byte, message any) ([]byte, error) {
	m, ok := message.(proto.Message)
	if !ok {
		return nil, unknownMessage(message)
	}
	return proto.MarshalOptions{}.MarshalAppend(dst, m)
}

// scan reads a RecordRequest from JSON text. What is wrong with an entry stays in
// the entry, unless it is no JSON.
func scan(text string, r *request) error {
	s := jsonscan.New(text)
	err := scanRequest(&s, r)
	if err == nil {
		s.End()
	}
	if syntax := s.Err(); syntax != nil {
		return rpc.Invalidf("body", "%s", syntax)
	}
	return err
}

func scanRequest(s *jsonscan.Scanner, r *request) (err error) {
	if kind := s.Kind(); kind != jsonscan.Object && kind != jsonscan.Invalid {
		return rpc.Invalidf("body", "want %s, got %s", jsonscan.Object, kind)
	}
	seen := map[string]bool{}
	s.BeginObject()
	for {
		name, ok := s.NextKey()
		if !ok {
			return nil
		}
		if seen[name] {
			return rpc.Invalidf(rpc.Clip(name), "stands twice")
		}
		seen[name] = true
		switch name {
		case "exposures":
			r.exposures, err = scanEntries(s, name, func() *servingv1.Exposure { return new(servingv1.Exposure) })
		case "events":
			r.events, err = scanEntries(s, name, func() *servingv1.Event { return new(servingv1.Event) })
		case "client":
			r.client, err = scanText(s, name)
		default:
			return rpc.Invalidf(rpc.Clip(name), "unknown field, want exposures, events or client")
		}
		if err != nil {
			return err
		}
	}
}

func scanEntries[E entry](s *jsonscan.Scanner, list string, empty func() E) ([]read[E], error) {
	switch kind := s.Kind(); kind {
	case jsonscan.Null:
		s.Null()
		return nil, nil
	case jsonscan.Array, jsonscan.Invalid:
	default:
		return nil, rpc.Invalidf(list, "want %s, got %s", jsonscan.Array, kind)
	}
	var entries []read[E]
	reader := protojson.UnmarshalOptions{DiscardUnknown: true} // as in protobuf: senders may be newer
	s.BeginArray()
	for s.NextItem() {
		if len(entries) == maxEntries {
			return nil, rpc.Invalidf(list, "want 1 to %d entries in exposures and events together, got more", maxEntries)
		}
		text := s.Skip() // empty after what is no JSON, which the caller reports
		e := read[E]{entry: empty()}
		if err := reader.Unmarshal([]byte(text), e.entry); err != nil {
			e.fault = problemOf(err)
		}
		entries = append(entries, e)
	}
	return entries, nil
}

func scanText(s *jsonscan.Scanner, field string) (string, error) {
	switch kind := s.Kind(); kind {
	case jsonscan.Null:
		s.Null()
		return "", nil
	case jsonscan.String, jsonscan.Invalid:
		return s.Text(), nil
	default:
		return "", rpc.Invalidf(field, "want %s, got %s", jsonscan.String, kind)
	}
}

// problemOf is what the library says of a message that it can not read. It varies
// the space, so that nobody compares its text.
func problemOf(err error) string {
	return rpc.Clip(strings.ReplaceAll(strings.TrimLeft(strings.TrimPrefix(err.Error(), "proto:"), " \u00a0"), "\u00a0", " "))
}

func unknownMessage(message any) error { return fmt.Errorf("no codec for %T", message) }
