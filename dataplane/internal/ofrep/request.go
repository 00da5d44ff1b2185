package ofrep

import (
	"errors"
	"io"
	"net/http"
	"strconv"

	"github.com/strata-exp/strata/internal/attributes"
	"github.com/strata-exp/strata/sdk/go/engine"
	"github.com/strata-exp/strata/sdk/go/engine/jsonscan"
)

// maxRequestBytes is how large a request may be. It holds a context alone.
const maxRequestBytes = 1 << 20

// targetingKey is the attribute that OpenFeature knows users by.
const targetingKey = "targetingKey"

// read reads the text of a request.
func read(w http.ResponseWriter, r *http.Request) (string, *failure) {
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		return "", parseError("the body is compressed, which is not understood here")
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequestBytes))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return "", parseError("the body is larger than %d MiB", maxRequestBytes>>20)
	}
	if err != nil {
		return "", parseError("the body can not be read: it is malformed, or took too long")
	}
	return string(data), nil
}

// context returns the context in the text of a request.
func (h *Handler) context(text string) (engine.Context, *failure) {
	context, failed := parse(text)
	if failed != nil {
		return nil, failed
	}
	return target(context, h.config.TargetingKey), nil
}

// parse reads a request: an object with a context. What else is in it is for
// versions to come. Text that is no JSON counts before what it says.
func parse(text string) (engine.Context, *failure) {
	s := jsonscan.New(text)
	context, failed := scan(&s)
	if failed == nil {
		s.End()
	}
	if err := s.Err(); err != nil {
		return nil, parseError("%s", err)
	}
	return context, failed
}

func scan(s *jsonscan.Scanner) (context engine.Context, failed *failure) {
	if kind := s.Kind(); kind != jsonscan.Object {
		return nil, parseError("the body: want an object, got %s", kind)
	}
	seen := false
	s.BeginObject()
	for {
		name, ok := s.NextKey()
		switch {
		case !ok && !seen:
			return nil, invalidContext("context: want an object, got nothing")
		case !ok:
			return context, nil
		case name != "context":
			s.Skip()
			continue
		case seen:
			return nil, parseError("context: stands twice")
		}
		seen = true
		var err error
		context, err = engine.ScanContext(s, make(engine.Context, 0, 8))
		if fault, ok := errors.AsType[*engine.ContextError](err); ok {
			return nil, invalidContext("%s: %s", attributes.Path(fault.Name), fault.Problem)
		}
		if err != nil {
			return nil, parseError("%s", err)
		}
		if len(context) > attributes.Max {
			return nil, invalidContext("%s", attributes.TooMany(len(context)))
		}
	}
}

// target gives a context the attribute that its targetingKey stands for, where it
// has none of its own.
func target(context engine.Context, name string) engine.Context {
	if name == "" {
		return context
	}
	var key engine.Value
	for _, a := range context {
		switch a.Name {
		case name:
			return context
		case targetingKey:
			key = a.Value
		}
	}
	if key.Kind() == engine.Absent {
		return context
	}
	return append(context, engine.Attribute{Name: name, Value: key})
}

// failure is why there is no answer.
type failure struct {
	status int
	code   string // of OpenFeature
	detail string
}

func (f *failure) Error() string { return strconv.Itoa(f.status) + " " + f.code + ": " + f.detail }
