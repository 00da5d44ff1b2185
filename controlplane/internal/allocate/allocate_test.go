package allocate_test

import (
	"testing"

	"github.com/strata-exp/strata/controlplane/internal/allocate"
)

// TestAllocate tells the policy by examples. The experiment is always 1 and its
// variants 11, 12 and 13; those of experiment 2 are 21 and 22.
func TestAllocate(t *testing.T) {
	t.Parallel()
	for _, example := range []struct {
		name string
		// before and targets are what is asked, with what is held and rests.
		before, targets, held, resting string
		ignoreResting                  bool
		// after and moves are what comes of it, and left is what still rests.
		after, moves, left string
	}{
		{
			name:   "two variants start at the two ends of an empty layer, to have room",
			before: "", targets: "11:50 12:50",
			after: "0-50:11 9950-10000:12",
			moves: "0-50:0>11 9950-10000:0>12",
		},
		{
			name:   "a third one stands between them",
			before: "", targets: "11:50 12:50 13:50",
			after: "0-50:11 4975-5025:13 9950-10000:12",
			moves: "0-50:0>11 4975-5025:0>13 9950-10000:0>12",
		},
		{
			name:   "a ramp from 1 % to 5 % moves nobody between variants",
			before: "0-50:11 9950-10000:12", targets: "11:250 12:250",
			after: "0-250:11 9750-10000:12",
			moves: "50-250:0>11 9750-9950:0>12",
		},
		{
			name:   "and on to 100 %",
			before: "0-250:11 9750-10000:12", targets: "11:5000 12:5000",
			after: "0-5000:11 5000-10000:12",
			moves: "250-5000:0>11 5000-9750:0>12",
		},
		{
			name:   "from 50/50 to 60/40 a tenth goes straight from one variant to the other",
			before: "0-5000:11 5000-10000:12", targets: "11:6000 12:4000",
			after: "0-6000:11 6000-10000:12",
			moves: "5000-6000:12>11",
		},
		{
			name:   "also where there are free slots beside",
			before: "0-500:11 9500-10000:12", targets: "11:600 12:400",
			after: "0-500:11 9500-9900:12 9900-10000:11",
			moves: "9900-10000:12>11",
		},
		{
			name:   "what is already so changes nothing, but ranges are joined",
			before: "500-1000:12 300-500:11 0-300:11", targets: "11:500 12:500",
			after: "0-500:11 500-1000:12",
		},
		{
			name:   "who grows takes what another variant gives up, and the rest of free slots",
			before: "0-500:11 500-1000:12", targets: "11:900 12:400",
			after: "0-600:11 600-1000:12 9700-10000:11",
			moves: "500-600:12>11 9700-10000:0>11",
		},
		{
			name:   "who shrinks gives to other variants, and frees the rest",
			before: "0-500:11 500-1000:12", targets: "11:600 12:100",
			after: "0-600:11 600-700:12",
			moves: "500-600:12>11 700-1000:12>0",
		},
		{
			name:   "a variant that is switched off frees its slots, and the others keep theirs",
			before: "0-300:11 300-600:12 600-900:13", targets: "11:300 12:0 13:300",
			after: "0-300:11 600-900:13",
			moves: "300-600:12>0",
		},
		{
			name:   "a winner gets the slots of the others",
			before: "0-300:11 300-600:12 600-900:13", targets: "11:0 12:900 13:0",
			after: "0-900:12",
			moves: "0-300:11>12 600-900:13>12",
		},
		{
			name:   "a variant that is added takes of each what it gives up",
			before: "0-600:11 600-1200:12", targets: "11:400 12:400 13:400",
			after: "0-400:11 400-800:13 800-1200:12",
			moves: "400-600:11>13 600-800:12>13",
		},
		{
			name:   "in one range if that can be",
			before: "0-600:11 600-900:12 2000-2250:12", targets: "11:400 12:350 13:400",
			after: "0-400:11 400-800:13 800-900:12 2000-2250:12",
			moves: "400-600:11>13 600-800:12>13",
		},
		{
			name:   "or, if they keep what they have, free slots",
			before: "0-600:11 600-1200:12", targets: "13:600",
			after: "0-600:11 600-1200:12 9400-10000:13",
			moves: "9400-10000:0>13",
		},
		{
			name:   "a layer that is full can still be shared in another way",
			before: "0-2000:21 2000-6000:11 6000-8000:22 8000-10000:12", targets: "11:3000 12:3000",
			after: "0-2000:21 2000-3000:12 3000-6000:11 6000-8000:22 8000-10000:12",
			moves: "2000-3000:11>12",
		},
		{
			name:   "slots of others stay, however they lie",
			before: "0-10:21 10-20:11 20-30:22 30-40:12 40-50:21 60-10000:22", targets: "11:15 12:5",
			after: "0-10:21 10-20:11 20-30:22 30-35:11 35-40:12 40-50:21 60-10000:22",
			moves: "30-35:12>11",
		},
		{
			name:   "the gap between two ranges of a variant is filled first",
			before: "0-100:11 120-200:11 210-400:21 410-10000:22", targets: "11:200",
			after: "0-200:11 210-400:21 410-10000:22",
			moves: "100-120:0>11",
		},
		{
			name:   "the shortest gap that is long enough is taken, if none touches the variant",
			before: "0-100:11 100-200:21 300-400:21 450-500:21 580-10000:22", targets: "11:170",
			after: "0-100:11 100-200:21 300-400:21 450-500:21 500-570:11 580-10000:22",
			moves: "500-570:0>11",
		},
		{
			name:   "and the longest ones if none is long enough",
			before: "0-100:11 100-200:21 300-400:21 450-500:21 580-10000:22", targets: "11:240",
			after: "0-100:11 100-200:21 200-300:11 300-400:21 400-440:11 450-500:21 580-10000:22",
			moves: "200-300:0>11 400-440:0>11",
		},
		{
			name:   "the shortest ranges are given up first",
			before: "0-100:11 200-205:11 300-310:11 400-10000:21", targets: "11:95",
			after: "0-95:11 400-10000:21",
			moves: "95-100:11>0 200-205:11>0 300-310:11>0",
		},
		{
			name:   "whole ones if that can be",
			before: "0-100:11 100-200:21 300-500:11", targets: "11:200",
			after: "100-200:21 300-500:11",
			moves: "0-100:11>0",
		},
		{
			name:   "and else the end that borders on free slots",
			before: "0-100:21 100-200:11 200-300:21 9000-9500:11 9500-10000:21", targets: "11:550",
			after: "0-100:21 100-200:11 200-300:21 9050-9500:11 9500-10000:21",
			moves: "9000-9050:11>0",
		},
		{
			name:   "held slots are not taken",
			before: "0-100:11", targets: "11:300", held: "100-9000:3",
			after: "0-100:11 9000-9200:11",
			moves: "9000-9200:0>11",
		},
		{
			name:   "nor are those that rest after another experiment",
			before: "0-100:11", targets: "11:300", resting: "100-9000:3/31",
			after: "0-100:11 9000-9200:11",
			moves: "9000-9200:0>11",
			left:  "100-9000:3/31",
		},
		{
			name:   "unless the request ignores rests, and then after all that are free and the soonest rested first",
			before: "0-100:11", targets: "11:9400", resting: "100-800:3/31 800-2000:4", ignoreResting: true,
			after: "0-1400:11 2000-10000:11",
			moves: "100-1400:0>11 2000-10000:0>11",
			left:  "1400-2000:4",
		},
		{
			name:   "held slots are not taken even so",
			before: "0-100:11", targets: "11:9000", held: "100-1000:3", ignoreResting: true,
			after: "0-100:11 1000-9900:11",
			moves: "1000-9900:0>11",
		},
		{
			name:   "who grows again gets back its own slots",
			before: "0-100:11 900-1000:12", targets: "11:200 12:200", resting: "100-300:1/12 600-800:1/11",
			after: "0-100:11 200-300:12 600-700:11 900-1000:12",
			moves: "200-300:0>12 600-700:0>11",
			left:  "100-200:1/12 700-800:1/11",
		},
		{
			name:   "then those of other variants of the experiment, then free ones",
			before: "0-100:11 100-200:21 300-400:22 600-700:21", targets: "11:600", resting: "200-300:1/11 400-500:1/99 500-600:1",
			after: "0-100:11 100-200:21 200-300:11 300-400:22 400-600:11 600-700:21 700-900:11",
			moves: "200-300:0>11 400-600:0>11 700-900:0>11",
		},
		{
			name:   "rests count for nothing where someone has the slots",
			before: "0-100:11 100-200:21", targets: "11:150", held: "200-300:3", resting: "0-300:1/11 300-9950:4",
			after: "0-100:11 100-200:21 9950-10000:11",
			moves: "9950-10000:0>11",
			left:  "300-9950:4",
		},
		{
			name:   "of rests that overlap the one that ends later counts",
			before: "0-100:11", targets: "11:200", resting: "100-10000:1/11 200-10000:3/31",
			after: "0-200:11",
			moves: "100-200:0>11",
			left:  "200-10000:3/31",
		},
	} {
		t.Run(example.name, func(t *testing.T) {
			t.Parallel()
			request := allocate.Request{
				EID: 1, VIDs: []int32{11, 12, 13}, Targets: parseTargets(t, example.targets),
				Ranges: parseRanges(t, example.before), Held: parseHeld(t, example.held),
				Resting: parseResting(t, example.resting), IgnoreResting: example.ignoreResting,
			}
			result, err := allocate.Allocate(request)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range []struct{ what, got, want string }{
				{"ranges", formatRanges(result.Ranges), example.after},
				{"moves", formatMoves(result.Moves), example.moves},
				{"resting", formatResting(result.Resting), example.left},
			} {
				if c.got != c.want {
					t.Errorf("%s:\n got %s\nwant %s", c.what, c.got, c.want)
				}
			}
			if err := verify(&request, result); err != nil {
				t.Error(err)
			}
		})
	}
}
