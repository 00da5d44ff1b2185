package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/strata-exp/strata/internal/explain"
	"github.com/strata-exp/strata/sdk/go/engine"
	"github.com/strata-exp/strata/sdk/go/engine/jsonscan"
)

// maxContextBytes is how large a context may be: as large as a request to the
// data plane.
const maxContextBytes = 4 << 20

// readContext reads the context that --context says: JSON text, @ and a file,
// or - for standard input.
func readContext(flag string, stdin io.Reader) (engine.Context, error) {
	where, text := "--context", flag
	switch name, isFile := strings.CutPrefix(flag, "@"); {
	case flag == "-":
		data, err := readAll(stdin)
		if err != nil {
			return nil, fmt.Errorf("--context -: %w", err)
		}
		where, text = "standard input", data
	case isFile:
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("--context: %w", err)
		}
		data, err := readAll(f)
		if err = errors.Join(err, f.Close()); err != nil {
			return nil, fmt.Errorf("--context %s: %w", flag, err)
		}
		where, text = name, data
	}
	if strings.TrimSpace(text) == "" {
		return nil, fmt.Errorf("%s: want a JSON object, got nothing", where)
	}
	context, err := engine.ParseContext(text)
	if syntax, ok := errors.AsType[*jsonscan.SyntaxError](err); ok {
		return nil, syntaxError(where, text, syntax)
	}
	if fault, ok := errors.AsType[*engine.ContextError](err); ok && fault.Name != "" {
		return nil, fmt.Errorf("%s: %s: %s", where, explain.Printable(fault.Name), fault.Problem)
	} else if ok {
		return nil, fmt.Errorf("%s: %s", where, fault.Problem)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", where, err)
	}
	// The engine never looks into lists and objects, but an explanation has to
	// show them, and the data plane refuses what can not be shown.
	for _, a := range context {
		var ignored any
		if a.Value.Kind() != engine.Composite {
			continue
		}
		if err := json.Unmarshal([]byte(a.Value.Text()), &ignored); err != nil {
			return nil, fmt.Errorf("%s: %s: has a number in it that is larger than a double can be", where, explain.Printable(a.Name))
		}
	}
	return context, nil
}

func readAll(r io.Reader) (string, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxContextBytes+1))
	if err == nil && len(data) > maxContextBytes {
		err = fmt.Errorf("is larger than %d MiB", maxContextBytes>>20)
	}
	return string(data), err
}

// syntaxError shows where text is no JSON: line, column, and the text around.
func syntaxError(where, text string, err *jsonscan.SyntaxError) error {
	const around = 30 // runes on each side
	offset := min(max(err.Offset, 0), len(text))
	before, after := text[:offset], text[offset:]
	line := 1 + strings.Count(before, "\n")
	before = before[strings.LastIndexByte(before, '\n')+1:]
	after, _, _ = strings.Cut(after, "\n")
	column := 1 + utf8.RuneCountInString(before)

	head, tail := []rune(strings.TrimRight(before, "\r")), []rune(strings.TrimRight(after, "\r"))
	left, right := "", ""
	if len(head) > around {
		left, head = "…", head[len(head)-around:]
	}
	if len(tail) > around {
		right, tail = "…", tail[:around]
	}
	shown := left + explain.Printable(string(head))
	return fmt.Errorf("%s: not valid JSON at line %d, column %d: %s\n  %s%s%s\n  %s^",
		where, line, column, err.Problem, shown, explain.Printable(string(tail)), right,
		strings.Repeat(" ", utf8.RuneCountInString(shown)))
}
