package strata

import (
	"encoding/json"
	"math"
	"reflect"
	"sync"
	"testing"

	"github.com/strata-exp/strata/sdk/go/engine"
)

// fromTheUS gets both layers of the demo.
var fromTheUS = Context{"user_id": "user_12345", "country": "US"}

func TestGetters(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.demo(1)
	e := s.client().Evaluate("svc", fromTheUS)
	for range 2 { // found, and found again
		for what, got := range map[string][2]any{
			"string":                   {e.GetString("a", "-"), "upper"},
			"string with escapes":      {e.GetString("text", "-"), "line\nbreak"},
			"string that is a number":  {e.GetString("count", "-"), "-"},
			"string that is null":      {e.GetString("null", "-"), "-"},
			"string that is not there": {e.GetString("nobody", "-"), "-"},
			"bool":                     {e.GetBool("on", false), true},
			"bool that is a string":    {e.GetBool("a", true), true},
			"int":                      {e.GetInt("count", 1), int64(42)},
			"int with a fraction":      {e.GetInt("ratio", 1), int64(1)},
			"int that is not safe":     {e.GetInt("large", 1), int64(1)},
			"int that is a bool":       {e.GetInt("on", 1), int64(1)},
			"float":                    {e.GetFloat("ratio", 1), 0.5},
			"float without a fraction": {e.GetFloat("count", 1), float64(42)},
			"large float":              {e.GetFloat("large", 1), 1e300},
			"float that is a string":   {e.GetFloat("a", 1), float64(1)},
			"float that is null":       {e.GetFloat("null", 1), float64(1)},
			"under an object":          {e.GetInt("obj.n", 1), int64(7)},
			"under a scalar":           {e.GetInt("a.n", 1), int64(1)},
		} {
			if got[0] != got[1] {
				t.Errorf("%s: got %v, want %v", what, got[0], got[1])
			}
		}
	}
	if got := e.GetObject("obj", nil); !reflect.DeepEqual(got, map[string]any{"own": true, "n": float64(7)}) {
		t.Errorf("the object is %v", got)
	}
	if def := map[string]any{"d": 1}; !reflect.DeepEqual(e.GetObject("list", def), def) {
		t.Error("a list is no object")
	}
	e.GetObject("obj", nil)["own"] = "changed"
	if got := e.GetObject("obj", nil)["own"]; got != true {
		t.Errorf("what a caller has changed is read by another one: %v", got)
	}
	if got := e.GetObject("", nil); len(got) != 9 {
		t.Errorf("all parameters are %v", got)
	}
}

func TestLookup(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.demo(3)
	c := s.client()
	upper := Parameter{LayerID: "upper", EID: 20, VID: 21, Slot: engine.Slot("upper_v1", "user_12345"), Reason: "TARGETING_MATCH", Revision: 3}
	lower := Parameter{LayerID: "lower", EID: 10, VID: 11, Slot: engine.Slot("lower_v1", "user_12345"), Reason: "SPLIT", Revision: 3}
	with := func(p Parameter, value any) Parameter { p.Value = value; return p }
	unset := func(reason, err string) Parameter {
		return Parameter{Slot: -1, Reason: reason, Error: err, Revision: 3}
	}
	all, nobody := c.Evaluate("svc", fromTheUS), c.Evaluate("svc", nil)
	for what, got := range map[string][2]Parameter{
		"a string":                {all.Lookup("a"), with(upper, "upper")},
		"a number":                {all.Lookup("count"), with(lower, float64(42))},
		"a bool":                  {all.Lookup("on"), with(lower, true)},
		"null":                    {all.Lookup("null"), with(lower, nil)},
		"a list":                  {all.Lookup("list"), with(lower, []any{1.0, 2.0})},
		"an object of two layers": {all.Lookup("obj"), with(upper, map[string]any{"own": true, "n": 7.0})},
		"unknown":                 {all.Lookup("nobody"), unset("ERROR", "NOT_FOUND")},
		"not set for this user":   {nobody.Lookup("a"), unset("DEFAULT", "")},
		"all, where none is set":  {nobody.Lookup(""), with(unset("DEFAULT", ""), map[string]any{})},
		"of an unknown service":   {c.Evaluate("other", fromTheUS).Lookup(""), unset("ERROR", "NOT_FOUND")},
	} {
		if !reflect.DeepEqual(got[0], got[1]) {
			t.Errorf("%s: got %+v, want %+v", what, got[0], got[1])
		}
	}
}

// TestWithoutConfiguration reads where there is nothing to read from.
func TestWithoutConfiguration(t *testing.T) {
	t.Parallel()
	c := open(t, Config{URL: "http://127.0.0.1:1"})
	check := func(e Evaluation) {
		t.Helper()
		if e.GetString("a", "-") != "-" || !e.GetBool("a", true) || e.GetInt("a", 3) != 3 || e.GetFloat("a", 0.5) != 0.5 ||
			e.GetObject("", nil) != nil {
			t.Error("a default is not what is read")
		}
		if p := e.Lookup("a"); !reflect.DeepEqual(p, Parameter{Reason: "ERROR", Error: "NOT_READY", Slot: -1}) {
			t.Errorf("got %+v", p)
		}
	}
	check(c.Evaluate("svc", fromTheUS))
	check(c.Evaluate("svc", nil))
	check(Evaluation{})
	if e := c.Explain("svc", fromTheUS); e == nil || e.Result.Parameters != "{}" {
		t.Errorf("the explanation is %+v", e)
	}
	if c.Knows("svc", "") || c.Knows("svc", "a") {
		t.Error("nothing is known yet")
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	check(c.Evaluate("svc", fromTheUS))
}

// TestContextValues evaluates with values of all types as hash key, and sees by
// the slot how each was taken.
func TestContextValues(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.demo(1)
	c := s.client()
	slot := func(value any) int32 { return c.Evaluate("svc", Context{"user_id": value}).Lookup("a").Slot }
	twelve := slot("12")
	if twelve < 0 {
		t.Fatal("a string is not hashed")
	}
	for _, value := range []any{
		12, int8(12), int16(12), int32(12), int64(12), uint(12), uint8(12), uint16(12), uint32(12), uint64(12), uintptr(12),
		float32(12), float64(12), json.Number("12"), json.Number("1.2e1"),
	} {
		if got := slot(value); got != twelve {
			t.Errorf("%T %v: slot %d, want %d", value, value, got, twelve)
		}
	}
	type text string
	for _, value := range []any{
		nil, "", true, 1.5, int64(1 << 53), uint64(math.MaxUint64), math.NaN(), math.Inf(1), float32(0.1), json.Number("x"), json.Number("1e999"),
		[]string{"12"},
		map[string]any{},
		text("12"), new(12),
		struct{}{},
		func() {},
	} {
		if got := slot(value); got != -1 {
			t.Errorf("%T: slot %d, want none", value, got)
		}
	}
	c.Explain("svc", Context{"user_id": func() {}, "country": []any{math.NaN()}}) // neither is JSON
	if got := c.Explain("svc", Context{"user_id": []int{1}}).Layers[0].Detail; got != "user_id is [1]: only strings and whole numbers can be hashed" {
		t.Error(got)
	}
}

// TestConcurrentUse evaluates and reads from many goroutines while revisions
// come.
func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.demo(1)
	c := s.client()
	var readers sync.WaitGroup
	stop := make(chan struct{})
	for i := range 4 {
		readers.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				e := c.Evaluate("svc", Context{"user_id": i*1000 + n%100, "country": "US"})
				if got := e.GetString("a", "-"); got != "upper" {
					t.Errorf("got %q", got)
					return
				}
				_, _, _ = e.GetString("text", ""), e.Lookup("obj"), c.Status()
			}
		})
	}
	told := changes(c)
	for revision := range int64(5) {
		s.publish(revision+2, experiment(t, 10, 11, `{"a":"lower","text":"another\nline"}`, nil), layer(t, "lower", int32(revision), 11))
		await(c, told, revision+2)
	}
	close(stop)
	readers.Wait()
	for len(s.recorded) > 0 {
		<-s.recorded
	}
}
