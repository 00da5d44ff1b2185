package view

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"sync"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
)

const (
	// partBytes is about how much of the changes one part of an Update holds,
	// before it is compressed. A larger entity has a part of its own.
	partBytes = 256 << 10
	// MaxPartBytes is how large the changes of one part may be, decompressed: an
	// experiment of the largest parameters, many times.
	MaxPartBytes = 64 << 20
)

// EncodeParts encodes changes as the parts of an Update: gzipped
// strata.config.v1.Changes, at least one. The payloads stand in them as they are.
func EncodeParts(puts []*Entity, deletes []Key) [][]byte {
	var parts [][]byte
	var part []byte
	flush := func() {
		parts = append(parts, compress(part))
		part = part[:0]
	}
	for _, key := range deletes {
		part = appendMessage(part, 2, appendKey(nil, key))
		if len(part) >= partBytes {
			flush()
		}
	}
	for _, e := range puts {
		message := appendKey(make([]byte, 0, len(e.payload)+len(e.key.Name)+16), e.key)
		message = protowire.AppendTag(message, 3, protowire.BytesType)
		message = protowire.AppendBytes(message, e.payload)
		if len(part) > 0 && len(part)+len(message) > partBytes {
			flush()
		}
		part = appendMessage(part, 1, message)
	}
	if len(part) > 0 || len(parts) == 0 {
		flush()
	}
	return parts
}

// appendKey appends the first two fields of an Entity or an EntityKey.
func appendKey(b []byte, key Key) []byte {
	b = protowire.AppendTag(b, 1, protowire.VarintType)
	b = protowire.AppendVarint(b, uint64(key.Kind))
	b = protowire.AppendTag(b, 2, protowire.BytesType)
	return protowire.AppendString(b, key.Name)
}

func appendMessage(b []byte, field protowire.Number, message []byte) []byte {
	b = protowire.AppendTag(b, field, protowire.BytesType)
	return protowire.AppendBytes(b, message)
}

// compressors keeps writers, each of which needs more memory than most parts.
var compressors sync.Pool // of *gzip.Writer

func compress(data []byte) []byte {
	var b bytes.Buffer
	w, ok := compressors.Get().(*gzip.Writer)
	if !ok {
		// The fastest level: it is within a fifth of the best for JSON in protobuf.
		w, _ = gzip.NewWriterLevel(nil, gzip.BestSpeed) // a level that there is
	}
	w.Reset(&b)
	_, err := w.Write(data)
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic(err) // a buffer takes everything
	}
	compressors.Put(w)
	return bytes.Clone(b.Bytes()) // it may be kept for long
}

// DecodePart decodes one part of an Update.
func DecodePart(part []byte) (*configv1.Changes, error) {
	r, err := gzip.NewReader(bytes.NewReader(part))
	if err != nil {
		return nil, fmt.Errorf("changes: %w", err)
	}
	data, err := io.ReadAll(io.LimitReader(r, MaxPartBytes+1))
	if err != nil {
		return nil, fmt.Errorf("changes: %w", err)
	}
	if len(data) > MaxPartBytes {
		return nil, fmt.Errorf("changes: larger than %d MiB decompressed", MaxPartBytes>>20)
	}
	changes := new(configv1.Changes)
	if err := proto.Unmarshal(data, changes); err != nil {
		return nil, errors.New("changes: no valid message")
	}
	return changes, nil
}
