package attributes_test

import (
	"cmp"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/strata-exp/strata/internal/attributes"
	"github.com/strata-exp/strata/internal/rpc"
	"github.com/strata-exp/strata/sdk/go/engine"
	"github.com/strata-exp/strata/sdk/go/engine/jsonscan"
)

// TestFromStruct compares with what the engine reads from the same JSON.
func TestFromStruct(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`{}`,
		`{"":"a","b":12.50,"c":true,"d":false,"e":null,"f":-0}`,
		`{"list":[1,"aé\n",null,[{"x":{}}]],"object":{"a":[]}}`,
	} {
		s := new(structpb.Struct)
		if err := protojson.Unmarshal([]byte(text), s); err != nil {
			t.Fatal(err)
		}
		got, err := attributes.FromStruct(s)
		if err != nil {
			t.Fatal(err)
		}
		scanner := jsonscan.New(text)
		want, err := engine.ScanContext(&scanner, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []engine.Context{got, want} {
			slices.SortFunc(c, func(a, b engine.Attribute) int { return cmp.Compare(a.Name, b.Name) })
		}
		same := func(a, b engine.Attribute) bool {
			return a.Name == b.Name && a.Value.Kind() == b.Value.Kind() && string(a.Value.AppendJSON(nil)) == string(b.Value.AppendJSON(nil))
		}
		if !slices.EqualFunc(got, want, same) {
			t.Errorf("%s: got %v, want %v", text, got, want)
		}
	}
}

func TestFromStructRefuses(t *testing.T) {
	t.Parallel()
	many := map[string]*structpb.Value{}
	for i := range attributes.Max + 1 {
		many[strconv.Itoa(i)] = structpb.NewBoolValue(true)
	}
	deep := structpb.NewNumberValue(1)
	for range attributes.MaxDepth + 1 {
		deep = structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{deep}})
	}
	for want, fields := range map[string]map[string]*structpb.Value{
		"context: want at most 1000 attributes, got 1001": many,
		"context.a: want a finite number, got NaN":        {"a": structpb.NewNumberValue(math.NaN())},
		"context.a: nested deeper than 198 levels":        {"a": deep},
		"context.a: want a value, got one without a kind": {"a": {}},
		"context: want a finite number, got +Inf":         {"": structpb.NewNumberValue(math.Inf(1))},
		"context." + strings.Repeat("a", 64) + "...: want a finite number, got +Inf": {
			strings.Repeat("a", 1000): structpb.NewNumberValue(math.Inf(1)),
		},
	} {
		_, err := attributes.FromStruct(&structpb.Struct{Fields: fields})
		if invalid, ok := errors.AsType[*rpc.Invalid](err); !ok || invalid.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
