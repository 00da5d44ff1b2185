package api

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"connectrpc.com/connect"
)

// codecs returns the options that make a handler use this package's codecs.
func codecs() connect.HandlerOption {
	return connect.WithHandlerOptions(
		connect.WithCodec(jsonCodec{"json"}),
		connect.WithCodec(jsonCodec{"json; charset=utf-8"}), // which Connect takes for another one
		connect.WithCodec(protoCodec{}),
	)
}

// jsonCodec reads and writes this package's messages, and by protojson all
// others.
type jsonCodec struct{ name string }

func (c jsonCodec) Name() string { return c.name }

func (c jsonCodec) IsBinary() bool { return false }

func (c jsonCodec) Unmarshal(data []byte, message any) error {
	// The text is copied once, as the buffer of data is used again, and all
	// strings of the request are parts of it.
	switch m := message.(type) {
	case *evaluateRequest:
		decodeEvaluate(string(data), m)
	case *batchEvaluateRequest:
		decodeBatch(string(data), m)
	case *explainRequest:
		decodeExplain(string(data), m)
	case proto.Message:
		return protojson.Unmarshal(data, m)
	default:
		return unknownMessage(message)
	}
	return nil
}

func (c jsonCodec) MarshalAppend(dst []byte, message any) ([]byte, error) {
	switch m := message.(type) {
	case *evaluateAnswer:
		return appendEvaluate(dst, m), nil
	case *batchEvaluateAnswer:
		return appendBatch(dst, m), nil
	case proto.Message:
		return protojson.MarshalOptions{UseProtoNames: true}.MarshalAppend(dst, m)
	default:
		return nil, unknownMessage(message)
	}
}

func (c jsonCodec) Marshal(message any) ([]byte, error) { return c.MarshalAppend(nil, message) }

func (c jsonCodec) MarshalStable(message any) ([]byte, error) { return c.Marshal(message) }

// protoCodec reads and writes this package's messages by way of the generated
// ones.
type protoCodec struct{}

func (protoCodec) Name() string { return "proto" }

func (protoCodec) IsBinary() bool { return true }

func (protoCodec) Unmarshal(data []byte, message any) error {
	switch m := message.(type) {
	case *evaluateRequest:
		unmarshalEvaluate(data, m)
	case *batchEvaluateRequest:
		unmarshalBatch(data, m)
	case *explainRequest:
		unmarshalExplain(data, m)
	case proto.Message:
		return proto.Unmarshal(data, m)
	default:
		return unknownMessage(message)
	}
	return nil
}

func (protoCodec) MarshalAppend(dst []byte, message any) ([]byte, error) {
	generated, err := generatedFrom(message)
	if err != nil {
		return nil, err
	}
	return proto.MarshalOptions{}.MarshalAppend(dst, generated)
}

func (c protoCodec) Marshal(message any) ([]byte, error) { return c.MarshalAppend(nil, message) }

func (protoCodec) MarshalStable(message any) ([]byte, error) {
	generated, err := generatedFrom(message)
	if err != nil {
		return nil, err
	}
	return proto.MarshalOptions{Deterministic: true}.Marshal(generated)
}

func generatedFrom(message any) (proto.Message, error) {
	switch m := message.(type) {
	case *evaluateAnswer:
		return m.generated()
	case *batchEvaluateAnswer:
		return m.generated()
	case proto.Message:
		return m, nil
	default:
		return nil, unknownMessage(message)
	}
}

func unknownMessage(message any) error { return fmt.Errorf("no codec for %T", message) }
