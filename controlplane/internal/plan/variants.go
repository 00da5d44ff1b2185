package plan

import (
	"slices"
	"strconv"
	"strings"
)

// variants adds what differs in the variants of an experiment: whole variants
// that come or go, parameters leaf by leaf, and a change of order.
func (v *values) variants(a, b *experiment) {
	for _, x := range a.variants {
		if y := b.variant(x.vid); y == nil {
			v.add(variantPath(x.vid), x.json(), "")
		} else {
			v.params(variantPath(x.vid)+".params", x.params(), y.params())
		}
	}
	for _, y := range b.variants {
		if a.variant(y.vid) == nil {
			v.add(variantPath(y.vid), "", y.json())
		}
	}
	if !slices.Equal(a.vidsIn(b), b.vidsIn(a)) {
		v.add("variants", list(a.vids(), appendNumber), list(b.vids(), appendNumber))
	}
}

func variantPath(vid int32) string { return "variants[" + number(vid) + "]" }

func (v *variant) json() string {
	return `{"vid":` + number(v.vid) + `,"params":` + v.text + `}`
}

func appendNumber(dst []byte, n int32) []byte { return strconv.AppendInt(dst, int64(n), 10) }

// params adds what differs between parameters: each leaf, unless those are so
// many, or their paths so long, that the whole is shorter.
func (v *values) params(path string, a, b *value) {
	if a.text == b.text {
		return
	}
	first, room := len(*v), &allowance{entries: maxEntries, bytes: len(a.text) + len(b.text) + 4096}
	compareParams(a, b, func(way *way, before, after string) {
		if room.admits(way.bytes) {
			v.add(path+"."+strings.Join(way.keys, "."), before, after)
		}
	})
	// No leaf differs where only the keys stand in another order.
	if room.omitted > 0 || len(*v) == first {
		*v = (*v)[:first]
		v.add(path, a.text, b.text)
	}
}
