package engine_test

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cespare/xxhash/v2"

	"github.com/strata-exp/strata/sdk/go/engine"
)

func TestSlotKnownAnswer(t *testing.T) {
	t.Parallel()
	if got := engine.Slot("click_exp_2024", "user_12345"); got != 7622 {
		t.Errorf("got slot %d, want 7622", got)
	}
}

// TestSlotAgreesWithLibrary tries every alignment of salt and key, and the
// lengths around which the hash or our short cuts change their way.
func TestSlotAgreesWithLibrary(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 1))
	letters := make([]byte, 400)
	for i := range letters {
		letters[i] = byte(random.Uint32())
	}
	for saltLength := range 70 {
		for keyLength := range 200 {
			salt, key := string(letters[:saltLength]), string(letters[100:100+keyLength])
			want := int32(xxhash.Sum64String(salt+"\x00"+key) % engine.Slots)
			if got := engine.Slot(salt, key); got != want {
				t.Fatalf("salt of %d bytes, key of %d: got slot %d, want %d", saltLength, keyLength, got, want)
			}
		}
	}
}

// TestBucketForgetsKey makes sure that nothing of a longer key is left when a
// shorter one takes its place, at any alignment.
func TestBucketForgetsKey(t *testing.T) {
	t.Parallel()
	for saltLength := range 16 {
		salt := strings.Repeat("s", saltLength)
		bucket := engine.NewBucket(salt)
		for _, key := range []string{strings.Repeat("long", 30), "short", "", strings.Repeat("x", 500), "y"} {
			bucket.SetKey(key)
			if got, want := int32(bucket.Slot()), engine.Slot(salt, key); got != want {
				t.Fatalf("salt of %d bytes, key %q: got slot %d, want %d", saltLength, key, got, want)
			}
		}
	}
}

// TestSlotsAreUniform is a chi-squared test over all slots: with 1,000 keys
// expected in each, the statistic has mean 9,999 and deviation 141.
func TestSlotsAreUniform(t *testing.T) {
	t.Parallel()
	const perSlot = 100
	counts := make([]float64, engine.Slots)
	key := make([]byte, 0, 16)
	for i := range engine.Slots * perSlot {
		key = append(key[:0], "user_"...)
		for n := i; n > 0; n /= 10 {
			key = append(key, byte('0'+n%10))
		}
		counts[engine.Slot("uniform", string(key))]++
	}
	statistic := 0.0
	for _, n := range counts {
		statistic += (n - perSlot) * (n - perSlot) / perSlot
	}
	if deviation := math.Abs(statistic-9999) / math.Sqrt(2*9999); deviation > 5 {
		t.Errorf("chi-squared is %.0f, %.1f deviations from what uniform slots give", statistic, deviation)
	}
}

func FuzzSlot(f *testing.F) {
	f.Add("click_exp_2024", "user_12345")
	f.Add("", "")
	f.Fuzz(func(t *testing.T, salt, key string) {
		want := int32(xxhash.Sum64String(salt+"\x00"+key) % engine.Slots)
		if got := engine.Slot(salt, key); got != want {
			t.Errorf("got %d, want %d", got, want)
		}
	})
}
