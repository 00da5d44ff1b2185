package plan

import (
	"strconv"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	"github.com/strata-exp/strata/sdk/go/engine"
)

// The functions here return JSON text. What a resource lacks is "".

func text(s string) string {
	if s == "" {
		return ""
	}
	return string(appendText(nil, s))
}

func appendText(dst []byte, s string) []byte { return engine.StringValue(s).AppendJSON(dst) }

func number(n int32) string { return strconv.Itoa(int(n)) }

// appendList appends a list of what item appends for each of from.
func appendList[T any](dst []byte, from []T, item func([]byte, T) []byte) []byte {
	dst = append(dst, '[')
	for i, x := range from {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = item(dst, x)
	}
	return append(dst, ']')
}

func list[T any](from []T, item func([]byte, T) []byte) string {
	if len(from) == 0 {
		return ""
	}
	return string(appendList(nil, from, item))
}

// appendNumbers appends an object of numbers.
func appendNumbers(dst []byte, members ...member) []byte {
	dst = append(dst, '{')
	for i, m := range members {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(append(append(dst, '"'), m.key...), `":`...)
		dst = strconv.AppendInt(dst, int64(m.number), 10)
	}
	return append(dst, '}')
}

type member struct {
	key    string
	number int32
}

func appendRange(dst []byte, r *configv1.Range) []byte {
	return appendNumbers(dst, member{"start", r.GetStart()}, member{"end", r.GetEnd()}, member{"vid", r.GetVid()})
}

func ranges(all []*configv1.Range) string { return list(all, appendRange) }

func texts(all []string) string { return list(all, appendText) }
