package allocate_test

import (
	"testing"

	"github.com/strata-exp/strata/controlplane/internal/allocate"
	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	"github.com/strata-exp/strata/sdk/go/engine"
)

// BenchmarkAllocate has an everyday change, and layers that lie in as many
// pieces as they can.
func BenchmarkAllocate(b *testing.B) {
	// every makes one range of each slot that a variant is given for.
	every := func(vid func(slot int32) int32) []*configv1.Range {
		var ranges []*configv1.Range
		for slot := range int32(engine.Slots) {
			if vid := vid(slot); vid != 0 {
				ranges = append(ranges, &configv1.Range{Start: slot, End: slot + 1, Vid: vid})
			}
		}
		return ranges
	}
	alternating := func(even, odd int32) []*configv1.Range {
		return every(func(slot int32) int32 {
			if slot%2 == 0 {
				return even
			}
			return odd
		})
	}
	many := allocate.Request{EID: 1, Ranges: every(func(slot int32) int32 { return slot + 1 })}
	for vid := range int32(engine.Slots) {
		many.VIDs = append(many.VIDs, vid+1)
		many.Targets = append(many.Targets, allocate.Target{VID: vid + 1, Slots: 2 * (vid * 7919 % 2)})
	}
	resting := allocate.Request{
		EID: 1, VIDs: []int32{11, 12}, Ranges: alternating(21, 0), IgnoreResting: true,
		Targets: []allocate.Target{{VID: 11, Slots: 2500}, {VID: 12, Slots: 2500}},
	}
	for slot := int32(1); slot < engine.Slots; slot += 2 {
		resting.Resting = append(resting.Resting, allocate.Resting{
			Start: slot, End: slot + 1, EID: 2, VID: 21, Until: hour(int(slot * 7919 % engine.Slots)),
		})
	}
	for _, c := range []struct {
		name    string
		request allocate.Request
	}{
		{"everyday", allocate.Request{
			EID: 1, VIDs: []int32{11, 12}, Targets: []allocate.Target{{VID: 11, Slots: 600}, {VID: 12, Slots: 600}},
			Ranges: []*configv1.Range{
				{Start: 0, End: 500, Vid: 11},
				{Start: 500, End: 1000, Vid: 12},
				{Start: 2000, End: 4000, Vid: 21},
				{Start: 4000, End: 7000, Vid: 22},
			},
		}},
		{"transfer", allocate.Request{
			EID: 1, VIDs: []int32{11, 12}, Targets: []allocate.Target{{VID: 11, Slots: 7500}, {VID: 12, Slots: 2500}},
			Ranges: alternating(11, 12),
		}},
		{"shrink", allocate.Request{
			EID: 1, VIDs: []int32{11}, Targets: []allocate.Target{{VID: 11, Slots: 2500}},
			Ranges: alternating(11, 21),
		}},
		{"gaps", allocate.Request{
			EID: 1, VIDs: []int32{11, 12}, Targets: []allocate.Target{{VID: 11, Slots: 2500}, {VID: 12, Slots: 2500}},
			Ranges: alternating(21, 0),
		}},
		{"resting", resting},
		{"variants", many},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := allocate.Allocate(c.request); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
