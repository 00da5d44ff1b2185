package api

import (
	"fmt"
	"strings"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/strata-exp/strata/internal/rpc"
)

// codecs returns the options that make a handler use this package's codecs.
// Connect's would pass over unknown fields of JSON, so that a slip in the name of
// "validate_only" would carry out what was to be checked.
func codecs() connect.HandlerOption {
	return connect.WithHandlerOptions(
		connect.WithCodec(jsonCodec{"json"}),
		connect.WithCodec(jsonCodec{"json; charset=utf-8"}), // which Connect takes for another one
		connect.WithCodec(protoCodec{}),
	)
}

type jsonCodec struct{ name string }

func (c jsonCodec) Name() string { return c.name }

func (c jsonCodec) IsBinary() bool { return false }

func (c jsonCodec) Unmarshal(data []byte, message any) error {
	in, ok := message.(received)
	if !ok {
		return unknownMessage(message)
	}
	in.read(func(m proto.Message) error {
		data := camelMasks(data)
		if err := protojson.Unmarshal(data, m); err != nil {
			return notJSON(string(data), err)
		}
		return nil
	})
	return nil
}

func (c jsonCodec) MarshalAppend(dst []byte, message any) ([]byte, error) {
	m, ok := message.(proto.Message)
	if !ok {
		return nil, unknownMessage(message)
	}
	// A slot that moves from no variant says so: "from_vid": 0.
	return protojson.MarshalOptions{UseProtoNames: true, EmitDefaultValues: true}.MarshalAppend(dst, m)
}

func (c jsonCodec) Marshal(message any) ([]byte, error) { return c.MarshalAppend(nil, message) }

func (c jsonCodec) MarshalStable(message any) ([]byte, error) { return c.Marshal(message) }

type protoCodec struct{}

func (protoCodec) Name() string { return "proto" }

func (protoCodec) IsBinary() bool { return true }

func (protoCodec) Unmarshal(data []byte, message any) error {
	in, ok := message.(received)
	if !ok {
		return unknownMessage(message)
	}
	in.read(func(m proto.Message) error {
		if err := proto.Unmarshal(data, m); err != nil {
			return rpc.Invalidf("body", "not a valid message: %s", plainText(err))
		}
		return nil
	})
	return nil
}

func (protoCodec) MarshalAppend(dst []byte, message any) ([]byte, error) {
	m, ok := message.(proto.Message)
	if !ok {
		return nil, unknownMessage(message)
	}
	return proto.MarshalOptions{}.MarshalAppend(dst, m)
}

func (c protoCodec) Marshal(message any) ([]byte, error) { return c.MarshalAppend(nil, message) }

func (protoCodec) MarshalStable(message any) ([]byte, error) {
	m, ok := message.(proto.Message)
	if !ok {
		return nil, unknownMessage(message)
	}
	return proto.MarshalOptions{Deterministic: true}.Marshal(m)
}

func unknownMessage(message any) error { return fmt.Errorf("no codec for %T", message) }

// plainText is the text of an error of the protobuf library, which varies the
// space, so that nobody compares it.
func plainText(err error) string {
	text := strings.ReplaceAll(err.Error(), "\u00a0", " ")
	return strings.TrimLeft(strings.TrimPrefix(text, "proto:"), " ")
}
