package generate

import (
	"math"
	"strconv"
	"strings"
)

var (
	services = []string{"s1", "s2"}
	// fields are declared with the five types, in this order, or not at all;
	// userField never is.
	fields    = []string{"f1", "f2", "f3", "f4", "f5"}
	userField = "user_id"

	strs = []string{
		"", "a", "ab", "b", "A", "\u00e9", "e\u0301", "\uff5e", "\U0001f600", "a*b", `a\b`, "x\ny", "12", "US",
		"user_1", "user_2", "a\x00", "\x00", "\ufeff", "true", "1.0", strings.Repeat("k", 200),
	}
	// characters make strings that nobody would write. Between U+E000 and U+FFFF
	// and beyond, the order of UTF-16 is another one than that of code points.
	characters = []string{
		"a", "a", "b", "A", "0", "*", `\`, `"`, "/", "~", ".", "-", " ", "\n", "\r", "\t", "\x00", "\x1f", "\x7f", "<", "&",
		"\u00e9", "e\u0301", "\u00df", "\u0130", "\u200d", "\u2028", "\u2029", "\ufeff", "\ue000", "\ufb00", "\ufffd", "\uffff",
		"\U0001f600", "\U00010000", "\U0010ffff",
	}
	numbers = []float64{
		0, 1, -1, 2, 12, 18, 18.5, 0.1, -0.1, 1e21, 1<<53 - 1, 1 << 53, 1<<53 + 2, -(1<<53 - 1), -(1 << 53), 1e300, 5e-324,
		1e-6, 1e-7, 9.999e-7, 123456789.125, 1e15, 1e16, math.MaxFloat64, math.Copysign(0, -1),
	}
	versions = []string{
		"1.2.3", "v1.2.3", "1.2", "1", "v0", "1.2.3-alpha", "1.2.3-alpha.1", "1.2.3-alpha.beta", "1.2.3-beta.2", "1.2.3-beta.11",
		"1.2.3+build", "1.2.3+00.-", "1.2.3-rc.1+x", "1.2-beta", "1-0", "1.2.3--", "1.2.3-0a", "1.2.3-1.-", "2.0.0", "1.10.0",
		"99999999999999999999.0.0", "1.2.3-99999999999999999999", "1.2.3-99999999999999999998", "1.2.3-A", "1.2.3-a",
	}
	// noVersions are strings that are not quite versions.
	noVersions = []string{
		"01.2.3", "1.2.3-", "1.2.3.4", "v", "", "V1", "1.2.3-01", "1.2.3-a..b", "1.2.3+", "1..2", "1.2.", " 1.2.3", "1.2.3\n",
		"vv1", "1.2.3-\u00e9", "1.2.3+a+b", "-1", "1e3", "\u0661.2.3", "1.2.3-a_b", "1,2",
	}
	patterns = []string{
		"", "*", "a*", "*b", "*a*b*", `a\*b`, `a\\b`, `\`, "U?", "*\n*", "user_*", "**", "x*y", "\u00e9", `\\*`, `\a`, "*\x00*", "[a-z]", ".*",
	}
	keys = []string{
		"", "\u00e9", "e\u0301", "__proto__", "constructor", "toString", `"`, "1", "0", "10", "-1", "01",
		"a.b", ".", `a\`, `\`, `\.`, "\x00", "\U0001f600", "/", "~1", "length",
	}
)

// text returns a string.
func (g Generator) text() string {
	if !g.oneIn(4) {
		return Pick(g, strs...)
	}
	return g.characters(1 + g.IntN(6))
}

func (g Generator) characters(n int) string {
	var b strings.Builder
	for range n {
		b.WriteString(Pick(g, characters...))
	}
	return b.String()
}

// pattern returns a like pattern.
func (g Generator) pattern() string {
	if !g.oneIn(2) {
		return Pick(g, patterns...)
	}
	var b strings.Builder
	for range 1 + g.IntN(8) {
		b.WriteString(Pick(g, "*", "*", `\`, "a", "b", "\u00e9", "\n", "\U0001f600"))
	}
	return b.String()
}

// likeText returns a string of what patterns are made of.
func (g Generator) likeText() string {
	var b strings.Builder
	for range g.IntN(10) {
		b.WriteString(Pick(g, "a", "a", "b", "b", "*", `\`, "\u00e9", "\n", "\U0001f600"))
	}
	return b.String()
}

// version returns a string that is a version.
func (g Generator) version() string {
	if !g.oneIn(3) {
		return Pick(g, versions...)
	}
	core := []string{strconv.Itoa(g.IntN(3))}
	for range g.IntN(3) {
		core = append(core, strconv.Itoa(g.IntN(12)))
	}
	v := Pick(g, "", "v") + strings.Join(core, ".")
	if g.oneIn(2) {
		prerelease := make([]string, 1+g.IntN(3))
		for i := range prerelease {
			prerelease[i] = Pick(g, "0", "1", "2", "10", "a", "A", "-", "0a", "1-1", "alpha")
		}
		v += "-" + strings.Join(prerelease, ".")
	}
	if g.oneIn(4) {
		v += "+" + Pick(g, "b", "001", "a.b", "-")
	}
	return v
}

// number returns any finite number.
func (g Generator) number() float64 {
	switch g.IntN(6) {
	case 0:
		for {
			if f := math.Float64frombits(g.Uint64()); !math.IsNaN(f) && !math.IsInf(f, 0) {
				return f
			}
		}
	case 1:
		return math.Trunc((2*g.Float64() - 1) * math.Pow10(g.IntN(19)))
	case 2:
		return float64(g.IntN(2000)-1000) / Pick(g, 1.0, 2, 10, 1000, 1e9)
	default:
		return Pick(g, numbers...)
	}
}

// safeInteger returns a whole number of at most 2^53 - 1.
func (g Generator) safeInteger() float64 {
	for {
		if f := math.Trunc(g.number()); math.Abs(f) <= 1<<53-1 {
			return f
		}
	}
}

// spell writes a number, or now and then another one, as JSON in one of the
// many ways. Unless pointless is set, one without point and exponent is a safe
// integer, as parameters want it.
func (g Generator) spell(f float64, pointless bool) string {
	whole := f == math.Trunc(f)
	switch g.IntN(8) {
	case 0:
		return exponent(strconv.FormatFloat(f, 'e', -1, 64), g)
	case 1:
		return strconv.FormatFloat(f, 'e', 17, 64)
	case 2:
		if whole && math.Abs(f) < 1e21 {
			return strconv.FormatFloat(f, 'f', 1+g.IntN(3), 64)
		}
		return strconv.FormatFloat(f, 'f', -1, 64) + Pick(g, "e0", "E+00", "e-0")
	case 3:
		if pointless {
			// Far more digits than a double has, and not halfway to the next one.
			return Pick(g, "9007199254740993", "-9007199254740993", "1152921504606847105", "9223372036854775808",
				"18446744073709551615", "1"+strings.Repeat("0", 299), strings.Repeat("9", 40))
		}
		return Pick(g, "0.1000000000000000055511151231257827021181583404541015625", "9007199254740992.5", "9007199254740993.0",
			"-0.0", "-0", "0e400", "1e-400", "-1e-400", "2.2250738585072011e-308", "4.35e0", "12.000", "0.000001", "100e-2", "1E23")
	}
	if whole && math.Abs(f) <= 1<<53-1 {
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	if text := strconv.FormatFloat(f, 'f', -1, 64); !whole || pointless {
		return text
	}
	return strconv.FormatFloat(f, 'e', -1, 64)
}

// exponent writes the exponent in another way.
func exponent(text string, g Generator) string {
	mantissa, exponent, _ := strings.Cut(text, "e")
	if digits, ok := strings.CutPrefix(exponent, "+"); ok {
		return mantissa + Pick(g, "e", "E", "e+", "E+0") + digits
	}
	return mantissa + Pick(g, "e", "E") + exponent
}
