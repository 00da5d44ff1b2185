package strata

import (
	"encoding/json"
	"strconv"
	"strings"
	"sync"

	"github.com/strata-exp/strata/sdk/go/engine"
)

// Evaluation is what one service gets in one context, of one revision. Reading a
// parameter records who is exposed by that, so read what is used. It is safe for
// concurrent use, and answers with defaults if it is the zero Evaluation.
//
// Paths are keys joined by ".", such as "model.version"; a "." or "\" that belongs
// to a key is written "\." or "\\". The empty path is the parameters as a whole.
type Evaluation struct {
	client  *Client
	running *running // nil before there is a configuration
	result  *engine.Result
	service string
	context Context
}

// nothing is what is read where there is nothing.
var nothing = engine.Reading{Winner: -1}

// GetString returns the string at a path, def if there is none.
func (e Evaluation) GetString(path, def string) string {
	if text := e.read(path).Value; isString(text) {
		return e.running.texts.unquote(text)
	}
	return def
}

// GetBool returns the bool at a path, def if there is none.
func (e Evaluation) GetBool(path string, def bool) bool {
	switch e.read(path).Value {
	case "true":
		return true
	case "false":
		return false
	default:
		return def
	}
}

// GetInt returns the number at a path, def if there is none that is an integer of
// at most 2^53 - 1, either way.
func (e Evaluation) GetInt(path string, def int64) int64 {
	// In the normal form such integers are digits, and no other number is.
	if text := e.read(path).Value; isNumber(text) && !strings.ContainsAny(text, ".e") {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return n
		}
	}
	return def
}

// GetFloat returns the number at a path, def if there is none.
func (e Evaluation) GetFloat(path string, def float64) float64 {
	if text := e.read(path).Value; isNumber(text) {
		if f, err := strconv.ParseFloat(text, 64); err == nil {
			return f
		}
	}
	return def
}

// GetObject returns the object at a path, def if there is none. Numbers in it are
// float64, lists []any. The caller owns what is returned.
func (e Evaluation) GetObject(path string, def map[string]any) map[string]any {
	if text := e.read(path).Value; strings.HasPrefix(text, "{") {
		if object, ok := decode(text).(map[string]any); ok {
			return object
		}
	}
	return def
}

// read returns what is at a path, and records who is exposed by that.
func (e Evaluation) read(path string) *engine.Reading {
	if e.running == nil {
		return &nothing
	}
	reading := e.running.rules.Read(e.result, path)
	if len(reading.Exposed) > 0 || len(reading.Hidden) > 0 {
		e.expose(path, reading)
	}
	if reading.Winner < 0 && path == "" && !e.running.rules.Knows(e.service, path) {
		return &nothing // and not the empty parameters of a service that there is
	}
	return reading
}

// The texts of values are in the normal form of docs/semantics.md.

func isString(text string) bool { return strings.HasPrefix(text, `"`) }

func isNumber(text string) bool {
	return text != "" && (text[0] == '-' || text[0] >= '0' && text[0] <= '9')
}

// decode returns the value of a text: nil, bool, float64, string, []any or
// map[string]any.
func decode(text string) any {
	var value any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		return nil // does not happen: the engine has made it
	}
	return value
}

// texts keeps strings that had to be decoded.
type texts struct {
	mu    sync.RWMutex
	known map[string]string
}

// maxTexts bounds what is kept: more come from many combinations of variants.
const maxTexts = 10_000

// unquote returns the string that a text is of.
func (t *texts) unquote(text string) string {
	if strings.IndexByte(text, '\\') < 0 {
		return text[1 : len(text)-1]
	}
	t.mu.RLock()
	value, ok := t.known[text]
	t.mu.RUnlock()
	if ok {
		return value
	}
	value, _ = decode(text).(string)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.known == nil {
		t.known = map[string]string{}
	}
	if len(t.known) < maxTexts {
		t.known[text] = value
	}
	return value
}
