package jsonscan_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/strata-exp/strata/sdk/go/engine/jsonscan"
)

// read reads the next value as encoding/json would, but numbers as written.
func read(s *jsonscan.Scanner) any {
	switch s.Kind() {
	case jsonscan.Object:
		o := map[string]any{}
		s.BeginObject()
		for {
			key, ok := s.NextKey()
			if !ok {
				return o
			}
			o[key] = read(s)
		}
	case jsonscan.Array:
		a := []any{}
		s.BeginArray()
		for s.NextItem() {
			a = append(a, read(s))
		}
		return a
	case jsonscan.String:
		return s.Text()
	case jsonscan.Number:
		return json.Number(s.Number())
	case jsonscan.Bool:
		return s.Bool()
	default:
		s.Null()
		return nil
	}
}

func TestRead(t *testing.T) {
	t.Parallel()
	const text = " {\"a\" : [1, -2.5e+3, true, false, null, \"x\"], \"\": {}, \"\\u00e9\\n\": [[]], \"e\":\"\\ud83d\\ude00\\/\"} \n"
	s := jsonscan.New(text)
	got := read(&s)
	if !s.End() {
		t.Fatal(s.Err())
	}
	want := map[string]any{
		"a": []any{json.Number("1"), json.Number("-2.5e+3"), true, false, nil, "x"},
		"":  map[string]any{}, "é\n": []any{[]any{}}, "e": "😀/",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		``:                                       "not valid JSON at byte 0: the text ends too early: want null",
		`{"a":1,}`:                               "not valid JSON at byte 7: a comma before }",
		`[1 2]`:                                  "not valid JSON at byte 3: want a comma or ]",
		`{"a" 1}`:                                "not valid JSON at byte 5: want a colon after the key",
		`{a:1}`:                                  "not valid JSON at byte 1: want a key in double quotes",
		`[01]`:                                   "not valid JSON at byte 2: a number with a leading zero",
		`[1.]`:                                   "not valid JSON at byte 3: want a digit",
		`[-]`:                                    "not valid JSON at byte 2: want a digit",
		`[1e]`:                                   "not valid JSON at byte 3: want a digit",
		`[+1]`:                                   "not valid JSON at byte 1: want null",
		`[nul]`:                                  "not valid JSON at byte 1: want null",
		`["a`:                                    "not valid JSON at byte 3: the text ends too early: a string without an end",
		`["\x"]`:                                 "not valid JSON at byte 2: an unknown escape",
		`["\u12g4"]`:                             `not valid JSON at byte 2: want four hexadecimal digits after \u`,
		`["\ud800\u0041"]`:                       "not valid JSON at byte 2: half of a surrogate pair",
		"[\"a\nb\"]":                             "not valid JSON at byte 3: a control character in a string must be escaped",
		"[\"a\xff\"]":                            "not valid JSON at byte 2: a string that is not valid UTF-8",
		"[\"\\n\xff\"]":                          "not valid JSON at byte 2: a string that is not valid UTF-8",
		`1 2`:                                    "not valid JSON at byte 2: text after the end of the value",
		strings.Repeat("[", jsonscan.MaxDepth+1): "not valid JSON at byte 200: nested deeper than 200 levels",
	} {
		s := jsonscan.New(text)
		read(&s)
		s.End()
		var syntax *jsonscan.SyntaxError
		if err := s.Err(); !errors.As(err, &syntax) || err.Error() != want {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
		// An error sticks.
		if s.Kind() != jsonscan.Invalid || s.NextItem() || s.Text() != "" || s.Number() != "" || s.Bool() || s.Skip() != "" {
			t.Errorf("%q: something was read after the error", text)
		}
	}
}

// FuzzScanner compares the scanner with encoding/json.
func FuzzScanner(f *testing.F) {
	f.Add(`{"a":[1,2,{"b":"\u0041\ud83d\ude00"}],"c":-0.5e10}`)
	f.Add(`["\ud800"]`)
	f.Add(`[[[[1,],2]`)
	f.Fuzz(func(t *testing.T, text string) {
		var want any
		decoder := json.NewDecoder(strings.NewReader(text))
		decoder.UseNumber()
		wantErr := decoder.Decode(&want)
		if wantErr == nil && decoder.More() {
			wantErr = errors.New("more than one value")
		}
		s := jsonscan.New(text)
		got := read(&s)
		if s.End() {
			if wantErr != nil {
				t.Fatalf("took what encoding/json refuses: %v", wantErr)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
			skip := jsonscan.New(text)
			if whole := skip.Skip(); whole != strings.TrimSpace(text) || !skip.End() {
				t.Errorf("skipped %q", whole)
			}
			return
		}
		// We refuse more, for these reasons only.
		strict := !utf8.ValidString(text) || strings.Contains(text, `\u`) || strings.Count(text, "[")+strings.Count(text, "{") > jsonscan.MaxDepth ||
			json.Valid([]byte(text)) == false
		if wantErr == nil && !strict {
			t.Errorf("refused what encoding/json takes: %v", s.Err())
		}
	})
}
