package manifest

import (
	"math"
	"strconv"
	"strings"
)

// maxSafeInteger is 2^53 - 1, up to which a double holds every integer exactly.
const maxSafeInteger = 1<<53 - 1

// number is what the text of a number says.
type number struct {
	// float is the nearest double, infinite where the number is too large. It is
	// never a negative zero.
	float float64
	// integer reports whether it is written as an integer: without fraction and
	// exponent.
	integer bool
	// infinite reports whether it is written as infinite.
	infinite bool
}

// parseNumber reads a number of the core schema of YAML 1.2, of which the
// numbers of JSON are a part. It returns false if text is not one.
func parseNumber(text string) (number, bool) {
	switch text {
	case ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF":
		return number{float: math.Inf(1), infinite: true}, true
	case "-.inf", "-.Inf", "-.INF":
		return number{float: math.Inf(-1), infinite: true}, true
	case ".nan", ".NaN", ".NAN":
		return number{float: math.NaN()}, true
	}
	if digits, ok := strings.CutPrefix(text, "0o"); ok {
		return parseDigits(digits, 8)
	}
	if digits, ok := strings.CutPrefix(text, "0x"); ok {
		return parseDigits(digits, 16)
	}
	integer, ok := scanDecimal(text)
	if !ok {
		return number{}, false
	}
	float, _ := strconv.ParseFloat(text, 64) // fails only where the number is too large, and is infinite then
	if float == 0 {
		float = 0 // and not -0
	}
	return number{float: float, integer: integer}, true
}

func parseDigits(digits string, base int) (number, bool) {
	for i := range len(digits) {
		c := digits[i]
		octal := '0' <= c && c <= '7'
		hex := '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f'
		if !octal && (base == 8 || !hex) {
			return number{}, false
		}
	}
	if digits == "" {
		return number{}, false
	}
	integer, err := strconv.ParseUint(digits, base, 64)
	if err != nil {
		return number{float: math.Inf(1), integer: true}, true
	}
	return number{float: float64(integer), integer: true}, true
}

// scanDecimal reports whether text is [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?
// and whether it has neither fraction nor exponent.
func scanDecimal(text string) (integer, ok bool) {
	digits := func() int {
		n := 0
		for n < len(text) && '0' <= text[n] && text[n] <= '9' {
			n++
		}
		text = text[n:]
		return n
	}
	sign := func() {
		if text != "" && (text[0] == '-' || text[0] == '+') {
			text = text[1:]
		}
	}
	sign()
	whole, fraction := digits(), 0
	integer = true
	if text != "" && text[0] == '.' {
		text = text[1:]
		fraction = digits()
		integer = false
	}
	if whole+fraction == 0 {
		return false, false
	}
	if text != "" && text[0]|0x20 == 'e' {
		text = text[1:]
		sign()
		if digits() == 0 {
			return false, false
		}
		integer = false
	}
	return integer, text == ""
}
