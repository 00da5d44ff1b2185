package manifest

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/strata-exp/strata/sdk/go/engine/jsonscan"
)

// decoder decodes one file and notes its faults. The methods that decode a
// value return the zero value after a fault; the caller goes on, to find the
// others, and drops the result in the end.
type decoder struct {
	file   string
	size   int // of the file's text, in bytes
	faults Faults
	hidden int // faults beyond maxFaults
}

// maxFaults is how many faults of one file are listed. A file of 4 MiB has room
// for more than a million, and nobody reads the thousandth.
const maxFaults = 1000

// decode runs one of the decoding methods over the text of a whole file, of at
// most so many bytes.
func decode[M any](file, text string, limit int, root func(*decoder, *value, *path) M) (M, Faults) {
	d := &decoder{file: file, size: len(text)}
	var message M
	if v, ok := d.parse(text, limit); ok {
		message = root(d, &v, nil)
	}
	if len(d.faults) == 0 {
		return message, nil
	}
	var none M
	return none, d.found()
}

// found returns the faults, of which there are some, in order.
func (d *decoder) found() Faults {
	d.faults.sort()
	if d.hidden > 0 {
		last := d.faults[len(d.faults)-1].Line
		d.faults = append(d.faults, Fault{
			File: d.file, Line: last, Problem: fmt.Sprintf("%d more faults are not listed", d.hidden),
		})
	}
	return d.faults
}

func (d *decoder) fault(line int, at *path, format string, args ...any) {
	if d.full() {
		d.hidden++
		return
	}
	d.faults = append(d.faults, Fault{
		File: d.file, Line: line, Path: at.String(), Problem: fmt.Sprintf(format, args...),
	})
}

func (d *decoder) tooLarge(limit int) { d.fault(0, nil, "is larger than %d MiB", limit>>20) }

func (d *decoder) full() bool { return len(d.faults) == maxFaults }

// want checks the kind of a value.
func (d *decoder) want(v *value, at *path, kind jsonscan.Kind, words string) bool {
	if v.kind == kind {
		return true
	}
	d.unwanted(v, at, words)
	return false
}

// unwanted says that a value is not what was wanted, unless it has a fault
// already.
func (d *decoder) unwanted(v *value, at *path, words string) {
	if v.kind == jsonscan.Invalid {
		return
	}
	hint := ""
	if words == aString && (v.kind == jsonscan.Number || v.kind == jsonscan.Bool) {
		hint = "; put it in quotes"
	}
	d.fault(int(v.line), at, "want %s, got %s%s", words, v.kind, hint)
}

// How faults call what they want.
const (
	aString      = "a string"
	aWholeNumber = "a whole number"
	aBoolean     = "true or false"
	aList        = "a list"
	anObject     = "an object"
)

// text decodes a string. The result shares no memory with the file.
func (d *decoder) text(v *value, at *path) string {
	if !d.want(v, at, jsonscan.String, aString) {
		return ""
	}
	return strings.Clone(v.text)
}

// integer decodes a whole number, also when it is written as 12.0.
func (d *decoder) integer(v *value, at *path) int32 {
	if !d.want(v, at, jsonscan.Number, aWholeNumber) {
		return 0
	}
	n, _ := parseNumber(v.text)
	switch {
	case n.float != math.Trunc(n.float): // also where it is not a number at all
		d.fault(int(v.line), at, "want %s, got %s", aWholeNumber, clip(v.text))
	case n.float < math.MinInt32 || n.float > math.MaxInt32:
		d.fault(int(v.line), at, "is %s, want %d to %d", clip(v.text), math.MinInt32, math.MaxInt32)
	default:
		return int32(n.float)
	}
	return 0
}

// number decodes a number that is to be held by a double: any finite one, but
// no integer that would be rounded without a word.
func (d *decoder) number(v *value, at *path) float64 {
	n, _ := parseNumber(v.text)
	switch {
	case n.integer && math.Abs(n.float) > maxSafeInteger:
		d.fault(int(v.line), at,
			"is %s, an integer beyond 2^53 - 1, which readers round differently; write it as a string", clip(v.text))
	case math.IsNaN(n.float), n.infinite:
		d.fault(int(v.line), at, "want a finite number, got %s", clip(v.text))
	case math.IsInf(n.float, 0):
		d.fault(int(v.line), at, "is %s, larger than a double can be", clip(v.text))
	default:
		return n.float
	}
	return 0
}

// flag decodes true or false.
func (d *decoder) flag(v *value, at *path) bool {
	return d.want(v, at, jsonscan.Bool, aBoolean) && v.text == "true"
}

// list decodes a list with a decoder of its items.
func list[M any](d *decoder, v *value, at *path, item func(*decoder, *value, *path) M) []M {
	if !d.want(v, at, jsonscan.Array, aList) {
		return nil
	}
	messages := make([]M, len(v.items))
	for i := range v.items {
		messages[i] = item(d, &v.items[i], at.at(i))
	}
	return messages
}

// members returns the members of an object by key, the first of each, and
// faults the others.
func (d *decoder) members(v *value, at *path) map[string]*value {
	members := make(map[string]*value, len(v.items))
	for i := range v.items {
		member := &v.items[i]
		if first, ok := members[member.key]; ok {
			problem := "stands twice"
			if first.line > 0 { // it has none while encoding
				problem = fmt.Sprintf("stands twice; first on line %d", first.line)
			}
			d.fault(int(member.line), at.to(member.key), "%s", problem)
			continue
		}
		members[member.key] = member
	}
	return members
}

// object is an object while it is decoded.
type object struct {
	d       *decoder
	v       *value
	at      *path
	members map[string]*value
}

// object begins to decode an object. It returns false if v is none.
func (d *decoder) object(v *value, at *path) (*object, bool) {
	if !d.want(v, at, jsonscan.Object, anObject) {
		return nil, false
	}
	return &object{d: d, v: v, at: at, members: d.members(v, at)}, true
}

// only faults every key but these.
func (o *object) only(keys ...string) { o.onlyOr(nil, keys...) }

// onlyOr is only for objects that may have other keys too. Those may have been
// meant by a wrong one, but are not listed to who is at a loss: the list is of
// what makes the object.
func (o *object) onlyOr(others []string, keys ...string) {
	all := slices.Concat(keys, others)
	for i := range o.v.items {
		member := &o.v.items[i]
		if slices.Contains(all, member.key) || o.members[member.key] != member {
			continue
		}
		if o.d.full() { // advice takes time, and would not be shown
			o.d.hidden++
			continue
		}
		advice := "want " + orList(keys)
		if near, ok := nearest(member.key, all); ok {
			advice = "did you mean " + near + "?"
		}
		o.d.fault(int(member.line), o.at.to(member.key), "unknown key; %s", advice)
	}
}

// optional decodes a member if there is one.
func optional[M any](o *object, key string, member func(*decoder, *value, *path) M) M {
	v, ok := o.members[key]
	if !ok {
		var none M
		return none
	}
	return member(o.d, v, o.at.to(key))
}

// required decodes a member, whose absence is a fault.
func required[M any](o *object, key string, member func(*decoder, *value, *path) M) M {
	if _, ok := o.members[key]; !ok {
		o.fault(key, "is missing")
	}
	return optional(o, key, member)
}

// fault notes a fault of a member, which need not be there.
func (o *object) fault(key, problem string) {
	line := o.v.line
	if member, ok := o.members[key]; ok {
		line = member.line
	}
	o.d.fault(int(line), o.at.to(key), "%s", problem)
}

// listOf makes a decoder of lists from a decoder of their items.
func listOf[M any](item func(*decoder, *value, *path) M) func(*decoder, *value, *path) []M {
	return func(d *decoder, v *value, at *path) []M { return list(d, v, at, item) }
}
