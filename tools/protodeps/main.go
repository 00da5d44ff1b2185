// Command protodeps writes the .proto files that our schemas import but that
// no Go module ships as source, printing them from the descriptors that our
// dependencies embed. Their version is thus always the one in go.mod, and
// nothing is vendored.
//
// Usage: protodeps DIR
package main

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	validatepb "buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"github.com/jhump/protoreflect/v2/protoprint"
	"google.golang.org/protobuf/reflect/protoreflect"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: protodeps DIR")
	}
	if err := write(os.Args[1], validatepb.File_buf_validate_validate_proto); err != nil {
		log.Fatal(err)
	}
}

func write(dir string, file protoreflect.FileDescriptor) (err error) {
	path := filepath.Join(dir, file.Path())
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("make the folder of %s: %w", file.Path(), err)
	}
	out, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("create %s: %w", file.Path(), err)
	}
	defer func() {
		if closeErr := out.Close(); err == nil {
			err = closeErr
		}
	}()
	return (&protoprint.Printer{}).PrintProtoFile(file, out)
}
