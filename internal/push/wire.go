package push

import (
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// The numbers of the fields that a projection reads. All others pass as they
// are, so that servers of any version make the same bytes.
const (
	layerRanges        = 7
	layerService       = 8
	rangeVID           = 3
	experimentService  = 2
	experimentVariants = 4
	variantVID         = 1
)

// links is what an entity says of others: the service that it belongs to, or
// names, and the variants that it has, or refers to.
type links struct {
	service string
	vids    []int32 // sorted, each once
}

// layerLinks reads a layer. It reports whether the bytes are a message.
func layerLinks(payload []byte) (links, bool) {
	return readLinks(payload, layerService, layerRanges, rangeVID)
}

// experimentLinks reads an experiment. It reports whether the bytes are a message.
func experimentLinks(payload []byte) (links, bool) {
	return readLinks(payload, experimentService, experimentVariants, variantVID)
}

func readLinks(payload []byte, service, parts, vid protowire.Number) (links, bool) {
	var found links
	ok := eachField(payload, func(f field) bool {
		switch {
		case f.kind == protowire.BytesType && f.number == service:
			found.service = string(f.bytes)
		case f.kind == protowire.BytesType && f.number == parts:
			v, ok := readVID(f.bytes, vid)
			found.vids = append(found.vids, v)
			return ok
		}
		return true
	})
	if !ok {
		return links{}, false
	}
	slices.Sort(found.vids)
	found.vids = slices.Clip(slices.Compact(found.vids))
	return found, true
}

func readVID(message []byte, number protowire.Number) (vid int32, ok bool) {
	ok = eachField(message, func(f field) bool {
		if f.kind == protowire.VarintType && f.number == number {
			vid = int32(f.varint) // as protobuf reads it; the last one counts
		}
		return true
	})
	return vid, ok
}

// keepRanges returns the bytes of a layer without the ranges of variants that are
// not kept, all else in its order and untouched. It returns payload itself if all
// of them are kept.
func keepRanges(payload []byte, keep func(vid int32) bool) (kept []byte, ok bool) {
	at, from := 0, 0 // from is where the bytes begin that are not copied yet
	ok = eachField(payload, func(f field) bool {
		end := at + len(f.raw)
		if f.kind == protowire.BytesType && f.number == layerRanges {
			vid, ok := readVID(f.bytes, rangeVID)
			if !ok {
				return false
			}
			if !keep(vid) {
				kept, from = append(kept, payload[from:at]...), end
			}
		}
		at = end
		return true
	})
	switch {
	case !ok:
		return nil, false
	case from == 0:
		return payload, true
	default:
		return append(kept, payload[from:]...), true
	}
}

// field is a field of a message as it travels.
type field struct {
	number protowire.Number
	kind   protowire.Type
	raw    []byte // with its tag
	bytes  []byte // of a BytesType
	varint uint64 // of a VarintType
}

// eachField passes the fields of a message on, until one is refused. It reports
// whether all were passed on and none refused.
func eachField(message []byte, take func(field) bool) bool {
	for len(message) > 0 {
		number, kind, tag := protowire.ConsumeTag(message)
		if tag < 0 {
			return false
		}
		value := protowire.ConsumeFieldValue(number, kind, message[tag:])
		if value < 0 {
			return false
		}
		f := field{number: number, kind: kind, raw: message[:tag+value]}
		switch kind {
		case protowire.BytesType:
			f.bytes, _ = protowire.ConsumeBytes(message[tag:])
		case protowire.VarintType:
			f.varint, _ = protowire.ConsumeVarint(message[tag:])
		}
		if !take(f) {
			return false
		}
		message = message[tag+value:]
	}
	return true
}
