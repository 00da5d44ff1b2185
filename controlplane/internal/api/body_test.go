package api

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/internal/rpc"
)

// TestFieldAt looks for a mark in some JSON: the path to it is the field.
func TestFieldAt(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`^{}`:                             "body",
		`{^"a":1}`:                        "a",
		`{"a":^1}`:                        "a",
		"{\n \"a\": {\"b\" : ^[1,2]}}":    "a.b",
		`{"a":[1,^2]}`:                    "a[1]",
		`{"a":[{"b":1},{"b":{^"c":[]}}]}`: "a[1].b.c",
		`[[1],[2,^3]]`:                    "[1][1]",
		`{"a":1,^"` + strings.Repeat("b", 100) + `":2}`: strings.Repeat("b", 64) + "...",
		`{"a":"x","é":^true}`:                           "é",
	} {
		offset := strings.Index(text, "^")
		if got := fieldAt(strings.Replace(text, "^", "", 1), offset); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

// TestMasksInSnakeCase rewrites masks and nothing else.
func TestMasksInSnakeCase(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"update_mask":"hash_key,ranges"}`: `{"update_mask":"hashKey,ranges"}`,
		`{"updateMask" : "hashKey"}`:        `{"updateMask" : "hashKey"}`,
		`{"layer":{"update_mask":"a_b"},"update_mask":"a_b","message":"update_mask: c_d"}`: `{"layer":{"update_mask":"a_b"},"update_mask":"aB","message":"update_mask: c_d"}`,
		`{"changes":[{"update_mask":"a_b"},7,{"etag":"c_d","update_mask":"e_f"}]}`:         `{"changes":[{"update_mask":"aB"},7,{"etag":"c_d","update_mask":"eF"}]}`,
		`{"context":{"update_mask":"a_b","changes":[{"update_mask":"a_b"}]}}`:              `{"context":{"update_mask":"a_b","changes":[{"update_mask":"a_b"}]}}`,
		`{"update_mask":7,"changes":"a_b"}`:                                                `{"update_mask":7,"changes":"a_b"}`,
		`{"update_mask":"a_B,_,c__d"}`:                                                     `{"update_mask":"a_B,_,c_D"}`,
		`{"update_mask":"a_b`:                                                              `{"update_mask":"aB`,
		`["update_mask","a_b"]`:                                                            `["update_mask","a_b"]`,
	} {
		if got := string(camelMasks([]byte(text))); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

// FuzzJSON reads any text as a request: it is read as protojson would, but for
// masks, or refused with a field.
func FuzzJSON(f *testing.F) {
	for _, seed := range []string{
		`{"environment":"dev","changes":[{"upsert_layer":{"layer_id":"a","ranges":[{"start":1}]},"update_mask":"hash_key"}]}`,
		`{"environment":7}`, `{"changes":[{"x":1}]}`, "{\"a\":\n\"\u00e9\"", `[]`, `{"update_mask":"a_b"`, ``,
		strings.Repeat(`{"changes":[`, 300),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var in incoming[*adminv1.RevisionServiceApplyRequest]
		if err := (jsonCodec{}).Unmarshal([]byte(text), &in); err != nil {
			t.Fatal(err)
		}
		want := new(adminv1.RevisionServiceApplyRequest)
		err := protojson.Unmarshal([]byte(text), want)
		if err == nil && (in.err != nil || !proto.Equal(in.message, want)) {
			t.Errorf("%s: got %v, %v", text, in.message, in.err)
		}
		if in.err == nil {
			return
		}
		invalid, ok := errors.AsType[*rpc.Invalid](in.err)
		if !ok || len(invalid.Violations) != 1 || invalid.Violations[0].Field == "" || invalid.Violations[0].Problem == "" {
			t.Errorf("%s: %v", text, in.err)
		}
	})
}

// TestPlacesOfAnyJSON finds each value of a document by its offset.
func TestPlacesOfAnyJSON(t *testing.T) {
	t.Parallel()
	text := `{"a":[{"b":0},{"b":[1,[2],{}]}],"c":{"d":{"e":3}},"f":4}`
	var document any
	if err := json.Unmarshal([]byte(text), &document); err != nil {
		t.Fatal(err)
	}
	for value, want := range map[string]string{
		"0": "a[0].b", "1": "a[1].b[0]", "2": "a[1].b[1][0]", "{}": "a[1].b[2]", "3": "c.d.e", "4": "f",
	} {
		if got := fieldAt(text, strings.Index(text, value)); got != want {
			t.Errorf("%s is at %s, want %s", value, got, want)
		}
	}
}
