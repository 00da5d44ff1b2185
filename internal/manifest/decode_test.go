package manifest_test

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	"github.com/strata-exp/strata/internal/manifest"
)

func TestDecodeLayer(t *testing.T) {
	t.Parallel()
	full := &configv1.Layer{
		LayerId: "click_experiment", Version: "v1", Priority: 200, HashKey: "user_id", Salt: "click_exp_2024",
		Enabled: true, Service: "ranker_svc",
		Ranges: []*configv1.Range{{Start: 0, End: 5000, Vid: 1001}, {Start: 5000, End: 10000, Vid: 1002}},
	}
	short := &configv1.Layer{LayerId: "l", Version: "v1", HashKey: "k", Salt: "l_v1", Enabled: true}
	off := proto.CloneOf(short)
	off.Enabled = false
	for name, test := range map[string]struct {
		file, text string
		want       *configv1.Layer
	}{
		"all keys": {"l.json", `{"layer_id": "click_experiment", "version": "v1", "priority": 200, "hash_key": "user_id",
			"salt": "click_exp_2024", "enabled": true, "service": "ranker_svc",
			"ranges": [{"start": 0, "end": 5000, "vid": 1001}, {"start": 5000, "end": 10000, "vid": 1002}]}`, full},
		"whole numbers in other forms": {"l.json", `{"layer_id": "click_experiment", "version": "v1", "priority": 2e2,
			"hash_key": "user_id", "salt": "click_exp_2024", "service": "ranker_svc",
			"ranges": [{"start": -0, "end": 5000.0, "vid": 1001.000}, {"start": 50e2, "end": 1e+4, "vid": 10.02E2}]}`, full},
		"block YAML": {"l.yaml", `
layer_id: click_experiment
version: v1
priority: 0xC8
hash_key: user_id
salt: 'click_exp_2024'
service: "ranker_svc"
ranges:
- start: 0
  end: 0o11610
  vid: 1001
- {start: 5000, end: +10000, vid: 01002}
`, full},
		"defaults":       {"l.json", `{"layer_id": "l", "version": "v1", "priority": 0, "hash_key": "k", "ranges": []}`, short},
		"not enabled":    {"l.yml", "{layer_id: l, version: v1, priority: 0, hash_key: k, ranges: [], enabled: FALSE}", off},
		"byte order":     {"l.json", "\ufeff" + `{"layer_id": "l", "version": "v1", "priority": 0, "hash_key": "k", "ranges": []}`, short},
		"in a folder":    {"a.b/l.yaml", "layer_id: l\r\nversion: v1\r\npriority: 0\r\nhash_key: k\r\nranges: []\r\n", short},
		"document marks": {"l.yaml", "%YAML 1.2\n---\n{layer_id: l, version: v1, priority: 0, hash_key: k, ranges: []}\n...\n", short},
		"an empty salt is for the engine to refuse": {
			"l.json", `{"layer_id": "l", "priority": 0, "hash_key": "k", "salt": "", "ranges": []}`,
			&configv1.Layer{LayerId: "l", HashKey: "k", Enabled: true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, faults := manifest.DecodeLayer(test.file, []byte(test.text))
			if faults != nil {
				t.Fatal(faults)
			}
			if !proto.Equal(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestDecodeExperiment(t *testing.T) {
	t.Parallel()
	const want = `
eid: 100
service: "ranker_svc"
rule {
  op: OPERATOR_AND
  children { op: OPERATOR_EQ field: "country" values { string_value: "US" } }
  children {
    op: OPERATOR_NOT
    children { op: OPERATOR_LT field: "age" values { number_value: 18 } }
  }
  children {
    op: OPERATOR_OR
    children { op: OPERATOR_NOT_IN field: "beta" values { bool_value: true } values { bool_value: false } }
  }
}
variants { vid: 1001 params_json: "{\"algorithm\":\"baseline\",\"timeout\":100}" }
variants { vid: 1002 params_json: "{}" }
`
	for file, text := range map[string]string{
		"e.json": `{"eid": 100, "service": "ranker_svc",
			"rule": {"type": "and", "children": [
				{"type": "field", "field": "country", "op": "eq", "values": ["US"]},
				{"type": "not", "child": {"type": "field", "field": "age", "op": "lt", "values": [18.0]}},
				{"type": "or", "children": [{"type": "field", "field": "beta", "op": "not_in", "values": [true, false]}]}]},
			"variants": [{"vid": 1001, "params": {"algorithm": "baseline", "timeout": 100}}, {"vid": 1002, "params": {}}]}`,
		"e.yaml": `
eid: 100
service: ranker_svc
rule:
  type: and
  children:
    - {type: field, field: country, op: eq, values: [US]}
    - type: not
      children:
        - {type: field, field: age, op: lt, values: [18]}
    - type: or
      children:
        - type: field
          field: beta
          op: not_in
          values: [True, False]
variants:
  - vid: 1001
    params:
      algorithm: baseline
      timeout: 1e2
  - vid: 1002
    params: {}
`,
	} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			var wanted configv1.Experiment
			if err := prototext.Unmarshal([]byte(want), &wanted); err != nil {
				t.Fatal(err)
			}
			got, faults := manifest.DecodeExperiment(file, []byte(text))
			if faults != nil {
				t.Fatal(faults)
			}
			if !proto.Equal(got, &wanted) {
				t.Errorf("got %v, want %v", got, &wanted)
			}
		})
	}
	for _, text := range []string{
		`{"eid": 1, "service": "s", "variants": []}`,
		`{"eid": 1, "service": "s", "variants": [], "rule": null}`,
	} {
		got, faults := manifest.DecodeExperiment("e.json", []byte(text))
		if faults != nil || got.GetRule() != nil {
			t.Errorf("%s: got rule %v and faults %v, want neither", text, got.GetRule(), faults)
		}
	}
}

func TestDecodeEachOperator(t *testing.T) {
	t.Parallel()
	for number, name := range configv1.Operator_name {
		op := configv1.Operator(number)
		if op <= configv1.Operator_OPERATOR_NOT {
			continue
		}
		name = strings.ToLower(strings.TrimPrefix(name, "OPERATOR_"))
		got, faults := manifest.DecodeExperiment("e.yaml", []byte(
			"{eid: 1, service: s, variants: [], rule: {type: field, field: f, op: "+name+", values: [x]}}"))
		if faults != nil {
			t.Fatal(faults)
		}
		if got.GetRule().GetOp() != op {
			t.Errorf("%s: got %v", name, got.GetRule().GetOp())
		}
	}
}

func TestDecodeFields(t *testing.T) {
	t.Parallel()
	want := []*configv1.Field{
		{Name: "version", Type: configv1.FieldType_FIELD_TYPE_SEMVER},
		{Name: "on", Type: configv1.FieldType_FIELD_TYPE_BOOL},
		{Name: "age", Type: configv1.FieldType_FIELD_TYPE_INT},
		{Name: "score", Type: configv1.FieldType_FIELD_TYPE_FLOAT},
		{Name: "", Type: configv1.FieldType_FIELD_TYPE_STRING},
	}
	for file, text := range map[string]string{
		"fields.json": `{"version": "semver", "on": "bool", "age": "int", "score": "float", "": "string"}`,
		"fields.yaml": "version: semver\non: bool\nage: int\nscore: float\n'': string\n",
	} {
		got, faults := manifest.DecodeFields(file, []byte(text))
		if faults != nil {
			t.Fatal(faults)
		}
		if len(got) != len(want) {
			t.Fatalf("%s: got %v, want %v", file, got, want)
		}
		for i := range want {
			if !proto.Equal(got[i], want[i]) {
				t.Errorf("%s: got %v, want %v", file, got[i], want[i])
			}
		}
	}
	if got, faults := manifest.DecodeFields("fields.json", []byte("{}")); len(got) != 0 || faults != nil {
		t.Errorf("an empty map: got %v and faults %v", got, faults)
	}
}

func TestParamsNormalForm(t *testing.T) {
	t.Parallel()
	for params, want := range map[string]string{
		`{"b": 1, "a": [ true , null,"x" ], "c": {}}`:                               `{"b":1,"a":[true,null,"x"],"c":{}}`,
		`{"n": [12.0, -0, -0.0, 1e3, 0.5, 1.50]}`:                                   `{"n":[12,0,0,1000,0.5,1.5]}`,
		`{"n": [9007199254740991, -9007199254740991.0, 9007199254740992.0, 1e300]}`: `{"n":[9007199254740991,-9007199254740991,9.007199254740992e+15,1e+300]}`,
		`{"n": [0.000001, 0.0000001, 1e-400, 123456789.125]}`:                       `{"n":[0.000001,1e-7,0,123456789.125]}`,
		`{"s": "\u00e9\/<&>\u2028\ud83d\ude00\"\\\n\u0000"}`:                        `{"s":"é/<&>` + "\u2028" + `😀\"\\\n\u0000"}`,
		`{"": {"": {"a.b": 1}}}`:                                                    `{"":{"":{"a.b":1}}}`,
	} {
		for _, file := range []string{"e.json", "e.yaml"} {
			if file == "e.yaml" && strings.Contains(params, `\ud83d`) {
				continue // YAML knows \U0001f600 instead
			}
			got, faults := manifest.DecodeExperiment(file, []byte(
				`{"eid": 1, "service": "s", "variants": [{"vid": 1, "params": `+params+`}]}`))
			if faults != nil {
				t.Errorf("%s: %s: %v", file, params, faults)
				continue
			}
			if got := got.GetVariants()[0].GetParamsJson(); got != want {
				t.Errorf("%s: %s: got %s, want %s", file, params, got, want)
			}
		}
	}
}

func TestYAMLScalars(t *testing.T) {
	t.Parallel()
	for scalar, want := range map[string]string{
		"": "null", "~": "null", "null": "null", "Null": "null", "NULL": "null", "nULL": `"nULL"`,
		"true": "true", "True": "true", "TRUE": "true", "tRUE": `"tRUE"`,
		"false": "false", "False": "false", "FALSE": "false",
		"yes": `"yes"`, "no": `"no"`, "on": `"on"`, "off": `"off"`, "y": `"y"`, "N": `"N"`,
		"0": "0", "-0": "0", "+7": "7", "007": "7", "010": "10", "0o10": "8", "0x1F": "31", "0xfF": "255",
		"-0o10": `"-0o10"`, "+0x1": `"+0x1"`, "0o8": `"0o8"`, "0xg": `"0xg"`, "0x": `"0x"`, "0o": `"0o"`, "0b11": `"0b11"`,
		"1_000": `"1_000"`, "1:30": `"1:30"`, "190:20:30": `"190:20:30"`, "1,000": `"1,000"`,
		"1.": "1", ".5": "0.5", "+.5": "0.5", "-1.5E+2": "-150", ".": `"."`, "+": `"+"`, "-.": `"-."`,
		"1e": `"1e"`, "1e+": `"1e+"`, "e1": `"e1"`, "1.e1": "10", "1.2.3": `"1.2.3"`, ".e1": `".e1"`,
		"0x1p3": `"0x1p3"`, "inf": `"inf"`, "nan": `"nan"`, "NaN": `"NaN"`, "Infinity": `"Infinity"`, ".iNf": `".iNf"`, "+.nan": `"+.nan"`,
		"2024-01-02": `"2024-01-02"`, "2024-01-02T03:04:05Z": `"2024-01-02T03:04:05Z"`,
		`"12"`: `"12"`, `'true'`: `"true"`, `"null"`: `"null"`, `''`: `""`, `"\x41\u0085"`: "\"A\u0085\"",
		"v1.2": `"v1.2"`, "two words": `"two words"`, "=": `"="`, "<<": `"<<"`,
	} {
		got, faults := manifest.DecodeExperiment("e.yaml", []byte(
			"eid: 1\nservice: s\nvariants:\n- vid: 1\n  params:\n    x: "+scalar+"\n"))
		if faults != nil {
			t.Errorf("%s: %v", scalar, faults)
			continue
		}
		if got := got.GetVariants()[0].GetParamsJson(); got != `{"x":`+want+`}` {
			t.Errorf("%s: got %s, want {\"x\":%s}", scalar, got, want)
		}
	}
	for _, block := range []string{"|-\n      12", ">-\n      12", "|\n      true"} {
		got, faults := manifest.DecodeExperiment("e.yaml", []byte(
			"eid: 1\nservice: s\nvariants:\n- vid: 1\n  params:\n    x: "+block+"\n"))
		if faults != nil {
			t.Fatal(faults)
		}
		if got := got.GetVariants()[0].GetParamsJson(); !strings.HasPrefix(got, `{"x":"`) {
			t.Errorf("%q: got %s, want a string", block, got)
		}
	}
}
