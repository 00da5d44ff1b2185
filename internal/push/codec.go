package push

import (
	"crypto/sha256"
	"sync"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
)

// projectionVersion has to be raised with each change by which projectAll makes
// other bytes of the same configuration.
const projectionVersion = 1

const codecBytes = 4

// codec tells those servers apart that may make other bytes of one revision:
// their hashes say nothing of each other's history.
type codec [codecBytes]byte

// thisCodec is that of this program.
var thisCodec = sync.OnceValue(func() codec {
	return codecOf(projectionVersion, configv1.File_strata_config_v1_config_proto, configv1.File_strata_config_v1_entity_proto)
})

// codecOf is another one for another projection, and for another schema of what
// is encoded.
func codecOf(projection byte, schema ...protoreflect.FileDescriptor) codec {
	text := []byte{projection}
	for _, file := range schema {
		var err error
		text, err = proto.MarshalOptions{Deterministic: true}.MarshalAppend(text, protodesc.ToFileDescriptorProto(file))
		if err != nil {
			panic(err) // of a schema that this program was built with
		}
	}
	sum := sha256.Sum256(text)
	return codec(sum[:codecBytes])
}
