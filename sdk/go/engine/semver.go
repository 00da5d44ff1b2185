package engine

import (
	"cmp"
	"strings"
)

// semver is a version by SemVer 2.0.0, cut out of its text. Numbers are kept as
// digits without leading zeros, since they have no upper limit.
type semver struct {
	core       [3]string // major, minor, patch
	prerelease string    // dot-separated identifiers; empty for a release
}

// parseSemver reads a version. A leading v is allowed, and missing minor or
// patch are 0. Build metadata is checked and dropped.
func parseSemver(text string) (semver, bool) {
	rest := strings.TrimPrefix(text, "v")
	rest, build, hasBuild := strings.Cut(rest, "+")
	if hasBuild && !validIdentifiers(build, true) {
		return semver{}, false
	}
	rest, prerelease, hasPrerelease := strings.Cut(rest, "-")
	if hasPrerelease && !validIdentifiers(prerelease, false) {
		return semver{}, false
	}
	v := semver{core: [3]string{"0", "0", "0"}, prerelease: prerelease}
	for i := 0; ; i++ {
		number, more, hasMore := strings.Cut(rest, ".")
		if i == len(v.core) || !isNumeric(number) || hasLeadingZero(number) {
			return semver{}, false
		}
		v.core[i] = number
		if !hasMore {
			return v, true
		}
		rest = more
	}
}

// compare orders versions by SemVer 2.0.0, section 11.
func (v semver) compare(other semver) int {
	for i := range v.core {
		if c := compareNumeric(v.core[i], other.core[i]); c != 0 {
			return c
		}
	}
	switch {
	case v.prerelease == other.prerelease:
		return 0
	case v.prerelease == "":
		return 1
	case other.prerelease == "":
		return -1
	}
	a, b := v.prerelease, other.prerelease
	for {
		left, aRest, aMore := strings.Cut(a, ".")
		right, bRest, bMore := strings.Cut(b, ".")
		if c := compareIdentifiers(left, right); c != 0 {
			return c
		}
		if !aMore || !bMore {
			return cmp.Compare(len(aRest), len(bRest))
		}
		a, b = aRest, bRest
	}
}

func compareIdentifiers(a, b string) int {
	aNumeric, bNumeric := isNumeric(a), isNumeric(b)
	switch {
	case aNumeric && bNumeric:
		return compareNumeric(a, b)
	case aNumeric:
		return -1
	case bNumeric:
		return 1
	default:
		return strings.Compare(a, b)
	}
}

// compareNumeric compares digits without leading zeros.
func compareNumeric(a, b string) int {
	if c := cmp.Compare(len(a), len(b)); c != 0 {
		return c
	}
	return strings.Compare(a, b)
}

func validIdentifiers(text string, leadingZeros bool) bool {
	for {
		identifier, rest, more := strings.Cut(text, ".")
		if !isIdentifier(identifier) {
			return false
		}
		if !leadingZeros && isNumeric(identifier) && hasLeadingZero(identifier) {
			return false
		}
		if !more {
			return true
		}
		text = rest
	}
}

func isIdentifier(text string) bool {
	for i := range len(text) {
		c := text[i]
		if !isDigit(c) && (c|0x20 < 'a' || c|0x20 > 'z') && c != '-' {
			return false
		}
	}
	return text != ""
}

func isNumeric(text string) bool {
	for i := range len(text) {
		if !isDigit(text[i]) {
			return false
		}
	}
	return text != ""
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func hasLeadingZero(digits string) bool { return len(digits) > 1 && digits[0] == '0' }
