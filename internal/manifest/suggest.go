package manifest

import "strings"

// nearest returns the name that was probably meant by a wrong one, if any is
// near enough: one letter off for every four, case and separators not counted.
// A shorter name is more likely another one than a slip.
func nearest(wrong string, names []string) (string, bool) {
	folded := fold(wrong)
	best, bestOff := "", -1
	for _, name := range names {
		other := fold(name)
		most := len(other) / 4
		if len(folded) > len(other)+most || len(other) > len(folded)+most {
			continue
		}
		if off := distance(folded, other); off <= most && (bestOff < 0 || off < bestOff) {
			best, bestOff = name, off
		}
	}
	return best, bestOff >= 0
}

func fold(name string) string {
	if len(name) > mostShown {
		return name // far from all names anyway
	}
	return strings.NewReplacer("_", "", "-", "").Replace(strings.ToLower(name))
}

// distance counts the bytes to insert, remove, replace or swap with the next to
// make a of b.
func distance(a, b string) int {
	var before []int
	last := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			replace := last[j-1]
			if a[i-1] != b[j-1] {
				replace++
			}
			row[j] = min(replace, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
