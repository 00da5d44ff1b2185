package allocate_test

import (
	"encoding/binary"
	"errors"
	"testing"

	"github.com/strata-exp/strata/controlplane/internal/allocate"
	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
)

// FuzzAllocate feeds requests of any numbers: each is refused with words, or met
// as promised.
func FuzzAllocate(f *testing.F) {
	f.Add([]byte{})
	f.Add(encode(1, 2, 11, 12, 2, 11, 600, 12, 400, 2, 0, 500, 11, 500, 1000, 12, 0, 0, 0))
	f.Add(encode(1, 1, 11, 1, 11, 600, 1, 0, 500, 11, 1, 600, 700, 3, 2, 700, 900, 1, 11, 5, 800, 9999, 4, 0, 6, 1))
	f.Add(encode(1, 2, 11, 12, 1, 11, 10000, 1, 0, 100, 12, 0, 1, 100, 10000, 2, 21, 1, 0))
	f.Add(encode(0, 1, -1, 1, 11, -5, 2, 0, 10001, 11, -3, -4, 0))
	f.Fuzz(func(t *testing.T, wire []byte) {
		request := decode(wire)
		result, err := allocate.Allocate(request)
		var input *allocate.InputError
		var shortage *allocate.Shortage
		switch {
		case errors.As(err, &input):
			if input.Field == "" || input.Problem == "" {
				t.Errorf("an error without words: %+v", input)
			}
		case errors.As(err, &shortage):
			if err := verifyShortage(&request, err); err != nil {
				t.Error(err)
			}
		case err != nil:
			t.Errorf("got %v", err)
		default:
			if err := verify(&request, result); err != nil {
				t.Error(err)
			}
		}
	})
}

func encode(numbers ...int16) []byte {
	var wire []byte
	for _, n := range numbers {
		wire = binary.LittleEndian.AppendUint16(wire, uint16(n))
	}
	return wire
}

// decode reads lists that each begin with their length. Where the bytes end,
// everything is 0.
func decode(wire []byte) allocate.Request {
	next := func() int32 {
		if len(wire) < 2 {
			wire = nil
			return 0
		}
		n := int16(binary.LittleEndian.Uint16(wire))
		wire = wire[2:]
		return int32(n)
	}
	r := allocate.Request{EID: next()}
	for range next() % 100 {
		r.VIDs = append(r.VIDs, next())
	}
	for range next() % 100 {
		r.Targets = append(r.Targets, allocate.Target{VID: next(), Slots: next()})
	}
	for range next() % 100 {
		r.Ranges = append(r.Ranges, &configv1.Range{Start: next(), End: next(), Vid: next()})
	}
	for range next() % 100 {
		r.Held = append(r.Held, allocate.Held{Start: next(), End: next(), EID: next()})
	}
	for range next() % 100 {
		rest := allocate.Resting{Start: next(), End: next(), EID: next(), VID: next()}
		if end := next(); end != 0 {
			rest.Until = hour(int(end))
		}
		r.Resting = append(r.Resting, rest)
	}
	r.IgnoreResting = next() != 0
	return r
}
