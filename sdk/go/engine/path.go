package engine

import "strings"

// ParsePath returns the keys of a path, none for the empty one. Every text is a
// path; see docs/semantics.md, Reading parameters.
func ParsePath(path string) []string {
	if path == "" {
		return nil
	}
	if !strings.Contains(path, `\`) {
		return strings.Split(path, ".")
	}
	var keys []string
	var key []byte
	for i := 0; i < len(path); i++ {
		switch c := path[i]; {
		case c == '.':
			keys, key = append(keys, string(key)), key[:0]
		case c == '\\' && i+1 < len(path) && (path[i+1] == '.' || path[i+1] == '\\'):
			i++
			key = append(key, path[i])
		default:
			key = append(key, c)
		}
	}
	return append(keys, string(key))
}

// JoinPath returns the path of some keys. It has no path for a single empty key,
// as the empty path is the parameters as a whole.
func JoinPath(keys []string) string {
	escaped := make([]string, len(keys))
	for i, key := range keys {
		escaped[i] = pathEscape.Replace(key)
	}
	return strings.Join(escaped, ".")
}

var pathEscape = strings.NewReplacer(`\`, `\\`, `.`, `\.`)
