package generate

import (
	"encoding/json"
	"slices"
	"strings"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
)

// Paths are the paths at which variants of each service have values, each as
// often as one has.
type Paths map[string][]string

// PathsOf returns the paths of a valid configuration.
func PathsOf(s *configv1.Snapshot) Paths {
	paths := Paths{}
	for _, e := range s.GetExperiments() {
		for _, v := range e.GetVariants() {
			var params map[string]any
			if json.Unmarshal([]byte(v.GetParamsJson()), &params) == nil {
				paths.collect(e.GetService(), nil, params)
			}
		}
	}
	for _, found := range paths {
		slices.Sort(found)
	}
	return paths
}

func (p Paths) collect(service string, above []string, params map[string]any) {
	for key, value := range params {
		keys := append(slices.Clip(above), escapeKey.Replace(key))
		p[service] = append(p[service], strings.Join(keys, "."))
		if below, ok := value.(map[string]any); ok {
			p.collect(service, keys, below)
		}
	}
}

var escapeKey = strings.NewReplacer(`\`, `\\`, `.`, `\.`)

// Path returns a path to read: as a rule one of the service's, or one that is
// almost one.
func (g Generator) Path(paths Paths, service string) string {
	known := paths[service]
	if len(known) == 0 || g.oneIn(12) {
		return Pick(g, "", "a", "a.b", ".", "..", `\`, `a\`, `\a`, `a\b.c`, "no.such.path", "__proto__", "__proto__.a", "toString",
			"constructor.prototype", "a.length", "0", "1.0", "\u00e9", "a. ")
	}
	path := Pick(g, known...)
	keys := strings.Split(path, ".") // in the middle of an escaped key, too
	switch g.IntN(10) {
	case 0:
		return path + Pick(g, ".", ".a", ".b", "a", `\`, ".0", ".__proto__")
	case 1:
		return strings.ToValidUTF8(path[:len(path)/2], "")
	case 2, 3, 4:
		return keys[0]
	case 5:
		return strings.Join(keys[:1+g.IntN(len(keys))], ".")
	default:
		return path
	}
}
