package manifest

import (
	"github.com/strata-exp/strata/sdk/go/engine"
	"github.com/strata-exp/strata/sdk/go/engine/jsonscan"
)

// params decodes a variant's parameters into JSON text in the engine's normal
// form: no white space, keys in the file's order, each number in the one
// spelling that all engines serve.
func (d *decoder) params(v *value, at *path) string {
	if !d.want(v, at, jsonscan.Object, anObject) {
		return ""
	}
	text := string(d.appendParams(nil, v, at, 1))
	if len(text) > engine.MaxParamsBytes {
		d.fault(int(v.line), at, "is %d bytes long as JSON, at most %d are allowed", len(text), engine.MaxParamsBytes)
	}
	return text
}

func (d *decoder) appendParams(dst []byte, v *value, at *path, depth int) []byte {
	if depth > engine.MaxParamsDepth && (v.kind == jsonscan.Object || v.kind == jsonscan.Array) {
		d.fault(int(v.line), at, "is nested deeper than %d levels", engine.MaxParamsDepth)
		return dst
	}
	switch v.kind {
	case jsonscan.Object:
		d.members(v, at)
		dst = append(dst, '{')
		for i := range v.items {
			member := &v.items[i]
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = engine.StringValue(member.key).AppendJSON(dst)
			dst = append(dst, ':')
			dst = d.appendParams(dst, member, at.to(member.key), depth+1)
		}
		return append(dst, '}')
	case jsonscan.Array:
		dst = append(dst, '[')
		for i := range v.items {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = d.appendParams(dst, &v.items[i], at.at(i), depth+1)
		}
		return append(dst, ']')
	case jsonscan.Number:
		return engine.NumberValue(d.number(v, at)).AppendJSON(dst)
	case jsonscan.String:
		return engine.StringValue(v.text).AppendJSON(dst)
	case jsonscan.Bool:
		return append(dst, v.text...)
	default: // null, or at fault already
		return append(dst, "null"...)
	}
}
