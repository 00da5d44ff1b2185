package manifest

import (
	"path/filepath"
	"slices"
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
	kind   jsonscan.Kind // Invalid: a fault was found here already
	inline bool          // to be written on one line, if it is short; reading does not set it
	line   int32
	key    string  // of a member
	text   string  // of a string; of a number and a boolean as written
	items  []value // of a list; the members of an object, in the file's order
}

// extensions are the names' ends by which files are recognised. They are
// compared exactly.
var extensions = []string{".json", ".yaml", ".yml"}

// isDocument reports whether what has this name in a folder of layers or of
// experiments is read.
func isDocument(name string) bool {
	return !strings.HasPrefix(name, ".") && slices.Contains(extensions, filepath.Ext(name))
}

// parse reads text of at most so many bytes by the file's extension. It returns
// false if there is nothing to decode, and has noted why.
func (d *decoder) parse(text string, limit int) (value, bool) {
	if len(text) > limit {
		d.tooLarge(limit)
		return value{}, false
	}
	text = strings.TrimPrefix(text, "\ufeff")
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
	switch extension := filepath.Ext(d.file); {
	case extension == ".json":
		return d.parseJSON(text)
	case extension == ".yaml", extension == ".yml":
		return d.parseYAML(text)
	case d.file == standardInput:
		return d.parseEither(text)
	default:
		d.fault(0, nil, "want a name that ends in %s", orList(extensions))
		return value{}, false
	}
}

// parseEither reads text that may be JSON or YAML. JSON is tried first: most of
// it is YAML as well, of the same meaning, but for what its readers fix.
func (d *decoder) parseEither(text string) (value, bool) {
	if !strings.HasPrefix(strings.TrimLeft(text, " \t\r\n"), "{") {
		return d.parseYAML(text)
	}
	asJSON := &decoder{file: d.file}
	if v, ok := asJSON.parseJSON(text); ok {
		return v, true
	}
	if v, ok := d.parseYAML(text); ok {
		return v, true
	}
	d.faults = asJSON.faults
	return value{}, false
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
