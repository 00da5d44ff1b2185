package api

import (
	"crypto/sha256"
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// digest stands for all that a request says but for some of its fields. Requests
// of different procedures are different messages, whose names count.
func digest(request proto.Message, without ...protoreflect.Name) ([sha256.Size]byte, error) {
	m := shallow(request.ProtoReflect())
	for _, name := range without {
		if field := m.Descriptor().Fields().ByName(name); field != nil {
			m.Clear(field)
		}
	}
	text := append([]byte(m.Descriptor().FullName()), 0)
	text, err := proto.MarshalOptions{Deterministic: true}.MarshalAppend(text, m.Interface())
	if err != nil {
		return [sha256.Size]byte{}, fmt.Errorf("digest of %s: %w", m.Descriptor().FullName(), err)
	}
	return sha256.Sum256(text), nil
}

// shallow returns a copy of a message that shares its lists and messages.
func shallow(from protoreflect.Message) protoreflect.Message {
	into := from.New()
	from.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		into.Set(field, value)
		return true
	})
	into.SetUnknown(from.GetUnknown())
	return into
}
