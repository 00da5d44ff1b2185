package allocate

import (
	"cmp"
	"math"
	"slices"
	"strconv"

	"github.com/strata-exp/strata/sdk/go/engine"
)

// ByPercent returns how many slots a percentage of a layer is. It must be a
// multiple of 0.01, from 0 to 100: exactly, the double nearest to one, as it is
// read from "33.33". A sum of such doubles need not be one: add slots instead.
//
// The error is an *InputError of the field "percent".
func ByPercent(percent float64) (int32, error) {
	const perPercent = engine.Slots / 100
	text := strconv.FormatFloat(percent, 'g', -1, 64)
	if !(percent >= 0 && percent <= 100) { // NaN is neither
		return 0, invalid("percent", "is %s, want 0 to 100", text)
	}
	slots := math.Round(percent * perPercent)
	if nearest := slots / perPercent; nearest != percent {
		return 0, invalid("percent", "is %s, want a multiple of 0.01, such as %s", text,
			strconv.FormatFloat(nearest, 'f', -1, 64))
	}
	return int32(slots), nil
}

// ByWeight splits a total of 0 to 10,000 slots in proportion to weights, by the
// method of largest remainders: each gets its exact share rounded down, and what
// is left goes, a slot each, to the largest fractions; of equal ones to those
// that come first. So the result adds up to the total, is less than one slot off
// every exact share, and gives nothing to a weight of 0.
//
// With another total, a share may differ by a slot from what proportion says,
// even be one smaller where the total is larger.
//
// The error is an *InputError of the field "total", "weights" or "weights[i]".
func ByWeight(total int32, weights []int32) ([]int32, error) {
	if total < 0 || total > engine.Slots {
		return nil, invalid("total", "is %d, want 0 to %d", total, engine.Slots)
	}
	sum := int64(0)
	for i, w := range weights {
		if w < 0 {
			return nil, invalid(path("weights", i, ""), "is %d, want 0 or more", w)
		}
		sum += int64(w)
	}
	shares := make([]int32, len(weights))
	switch {
	case total == 0:
		return shares, nil
	case sum == 0:
		return nil, invalid("weights", "are all 0, which splits nothing: want one above 0")
	}
	left := total
	fractions := make([]int64, len(weights)) // in units of 1/sum
	order := make([]int, len(weights))
	for i, w := range weights {
		exact := int64(total) * int64(w)
		shares[i], fractions[i], order[i] = int32(exact/sum), exact%sum, i
		left -= shares[i]
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(fractions[b], fractions[a]) })
	for _, i := range order[:left] {
		shares[i]++
	}
	return shares, nil
}
