package allocate_test

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/strata-exp/strata/controlplane/internal/allocate"
	"github.com/strata-exp/strata/sdk/go/engine"
)

// TestByPercent reads every multiple of 0.01 as a person writes it.
func TestByPercent(t *testing.T) {
	t.Parallel()
	for want := range int32(engine.Slots + 1) {
		percent, err := strconv.ParseFloat(fmt.Sprintf("%d.%02d", want/100, want%100), 64)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := allocate.ByPercent(percent); err != nil || got != want {
			t.Fatalf("%v %%: got %d slots, error %v, want %d", percent, got, err, want)
		}
	}
	for _, refused := range []struct {
		percent float64
		want    string
	}{
		{33.333, "percent: is 33.333, want a multiple of 0.01, such as 33.33"},
		{0.30000000000000004, "percent: is 0.30000000000000004, want a multiple of 0.01, such as 0.3"},
		{99.999, "percent: is 99.999, want a multiple of 0.01, such as 100"},
		{math.SmallestNonzeroFloat64, "percent: is 5e-324, want a multiple of 0.01, such as 0"},
		{-0.01, "percent: is -0.01, want 0 to 100"},
		{100.01, "percent: is 100.01, want 0 to 100"},
		{math.NaN(), "percent: is NaN, want 0 to 100"},
		{math.Inf(1), "percent: is +Inf, want 0 to 100"},
		{math.Inf(-1), "percent: is -Inf, want 0 to 100"},
	} {
		_, err := allocate.ByPercent(refused.percent)
		if input := (*allocate.InputError)(nil); !errors.As(err, &input) || err.Error() != refused.want {
			t.Errorf("%v %%: got %v, want %s", refused.percent, err, refused.want)
		}
	}
}

func TestByWeight(t *testing.T) {
	t.Parallel()
	for _, example := range []struct {
		total   int32
		weights []int32
		want    []int32
	}{
		{10_000, []int32{1, 1}, []int32{5000, 5000}},
		{10_000, []int32{1, 1, 1}, []int32{3334, 3333, 3333}},
		{100, []int32{90, 10}, []int32{90, 10}},
		{10, []int32{6, 6, 2}, []int32{4, 4, 2}},
		{11, []int32{6, 6, 2}, []int32{5, 5, 1}},
		{1, []int32{0, 1, 1}, []int32{0, 1, 0}},
		{0, []int32{0, 0}, []int32{0, 0}},
		{0, nil, []int32{}},
		{7, []int32{math.MaxInt32, math.MaxInt32, 1}, []int32{4, 3, 0}},
	} {
		got, err := allocate.ByWeight(example.total, example.weights)
		if err != nil || !slices.Equal(got, example.want) {
			t.Errorf("%d by %v: got %v, error %v, want %v", example.total, example.weights, got, err, example.want)
		}
	}
	for _, refused := range []struct {
		total   int32
		weights []int32
		want    string
	}{
		{-1, []int32{1}, "total: is -1, want 0 to 10000"},
		{10_001, []int32{1}, "total: is 10001, want 0 to 10000"},
		{10, []int32{1, -1}, "weights[1]: is -1, want 0 or more"},
		{10, []int32{0, 0}, "weights: are all 0, which splits nothing: want one above 0"},
		{10, nil, "weights: are all 0, which splits nothing: want one above 0"},
	} {
		_, err := allocate.ByWeight(refused.total, refused.weights)
		if input := (*allocate.InputError)(nil); !errors.As(err, &input) || err.Error() != refused.want {
			t.Errorf("%d by %v: got %v, want %s", refused.total, refused.weights, err, refused.want)
		}
	}
}

// TestByWeightIsFair compares shares with exact fractions: each is less than a
// slot off, and one that was rounded up had no smaller fraction than one that
// was rounded down.
func TestByWeightIsFair(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	for range 20_000 {
		total := random.Int32N(engine.Slots + 1)
		weights, sum := make([]int32, 1+random.IntN(6)), int64(0)
		for i := range weights {
			weights[i] = random.Int32N([]int32{2, 4, 100, math.MaxInt32}[random.IntN(4)])
			sum += int64(weights[i])
		}
		if sum == 0 {
			continue
		}
		shares, err := allocate.ByWeight(total, weights)
		if err != nil {
			t.Fatal(err)
		}
		added, up, down := int32(0), big.NewRat(1, 1), new(big.Rat)
		for i, share := range shares {
			added += share
			exact := big.NewRat(int64(total)*int64(weights[i]), sum)
			floor := new(big.Int).Quo(exact.Num(), exact.Denom()).Int64()
			fraction := exact.Sub(exact, new(big.Rat).SetInt64(floor))
			switch {
			case int64(share) == floor && fraction.Cmp(down) > 0:
				down = fraction
			case int64(share) == floor+1 && fraction.Cmp(up) < 0:
				up = fraction
			case int64(share) != floor && int64(share) != floor+1:
				t.Fatalf("seed %d: %d by %v: got %v", seed, total, weights, shares)
			}
		}
		if added != total || up.Cmp(down) < 0 {
			t.Fatalf("seed %d: %d by %v: got %v", seed, total, weights, shares)
		}
	}
}
