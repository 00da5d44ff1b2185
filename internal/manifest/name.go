package manifest

import "github.com/strata-exp/strata/sdk/go/engine/jsonscan"

// name is the name of a number in a file.
type name[N ~int32] struct {
	text   string
	number N
}

// named decodes one of names.
func named[N ~int32](d *decoder, v *value, at *path, names []name[N]) N {
	text := d.text(v, at)
	if text == "" && v.kind != jsonscan.String {
		return 0
	}
	known := make([]string, len(names))
	for i, n := range names {
		if n.text == text {
			return n.number
		}
		known[i] = n.text
	}
	d.fault(int(v.line), at, "want %s, got %s", orList(known), quote(text))
	return 0
}

// textOf returns the name of a number, and what decoding refuses if it has none.
func textOf[N interface {
	~int32
	String() string
}](names []name[N], number N) string {
	for _, n := range names {
		if n.number == number {
			return n.text
		}
	}
	return number.String()
}
