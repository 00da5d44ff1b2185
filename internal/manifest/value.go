package manifest

import (
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/strata-exp/strata/sdk/go/engine/jsonscan"
)

// MaxFileBytes is how large a file may be.
const MaxFileBytes = 4 << 20

// maxDepth is how deep lists and objects may be nested in a file, in YAML as in
// JSON. It has room for the deepest rule: two levels for each of its own.
const maxDepth = jsonscan.MaxDepth

// value is a JSON value and where it stands. JSON and YAML both become values,
// so that the rest of the package can not tell them apart.
type value struct {
	kind  jsonscan.Kind // Invalid: a fault was found here already
	line  int32
	key   string  // of a member
	text  string  // of a string; of a number and a boolean as written
	items []value // of a list; the members of an object, in the file's order
}

// extensions are the names' ends by which files are recognised. They are
// compared exactly.
var extensions = []string{".json", ".yaml", ".yml"}

// parse reads data by the file's extension. It returns false if there is
// nothing to decode, and has noted why.
func (d *decoder) parse(data []byte) (value, bool) {
	if len(data) > MaxFileBytes {
		d.fault(0, nil, "is larger than %d MiB", MaxFileBytes>>20)
		return value{}, false
	}
	text := strings.TrimPrefix(string(data), "\ufeff")
	if !utf8.ValidString(text) {
		valid := len(text)
		for i, r := range text {
			if r == utf8.RuneError && !strings.HasPrefix(text[i:], "\ufffd") {
				valid = i
				break
			}
		}
		d.fault(lineOf(text, valid), nil, "not valid UTF-8")
		return value{}, false
	}
	switch filepath.Ext(d.file) {
	case ".json":
		return d.parseJSON(text)
	case ".yaml", ".yml":
		return d.parseYAML(text)
	default:
		d.fault(0, nil, "want a name that ends in %s", orList(extensions))
		return value{}, false
	}
}

// lineOf returns the line of an offset in text.
func lineOf(text string, offset int) int { return 1 + strings.Count(text[:offset], "\n") }

// columnOf returns the column of an offset in text, in characters from 1.
func columnOf(text string, offset int) int {
	start := strings.LastIndexByte(text[:offset], '\n') + 1
	return 1 + utf8.RuneCountInString(text[start:offset])
}

// orList joins names for a sentence: "a, b or c".
func orList(names []string) string {
	last := len(names) - 1
	if last < 1 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:last], ", ") + " or " + names[last]
}
