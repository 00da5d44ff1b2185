package explain_test

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/internal/explain"
	"github.com/strata-exp/strata/sdk/go/engine"
)

func TestProtoCarriesEverything(t *testing.T) {
	t.Parallel()
	got, err := explain.Proto(&engine.Explanation{
		Result: &engine.Result{Parameters: `{"a":[1,null,"x",true,{"b":0.5}]}`, VIDs: []int32{7}, MatchedLayers: []string{"l"}},
		Layers: []engine.LayerExplanation{
			{
				LayerID: "l", Priority: -3, Outcome: engine.Matched, Detail: "so it is", HashKey: "user_id", Key: "u", Slot: 0,
				Start: 0, End: 10, EID: 4, VID: 7,
				Rule: &engine.RuleExplanation{Op: engine.And, Truth: engine.Unknown, Children: []engine.RuleExplanation{
					{
						Op: engine.In, Truth: engine.True, Field: "f", Type: engine.StringField,
						Values: []engine.Value{engine.StringValue("x")}, Seen: engine.StringValue("x"),
					},
					{
						Op: engine.Eq, Truth: engine.False, Field: "g", Type: engine.BoolField,
						Values: []engine.Value{engine.BoolValue(true)}, Seen: engine.CompositeValue(`[1]`),
					},
					{
						Op: engine.Gt, Truth: engine.Unknown, Field: "h", Type: engine.FloatField,
						Values: []engine.Value{engine.NumberValue(0.5)}, Seen: engine.NullValue(),
					},
					{Op: engine.Gt, Truth: engine.Unknown, Field: "i", Type: engine.IntField, Values: []engine.Value{engine.NumberValue(2)}},
				}},
			},
			{LayerID: "m", Outcome: engine.NoKey, HashKey: "device", Slot: -1},
		},
		Parameters: []engine.ParameterExplanation{{
			Path: "/a", Winner: engine.Contribution{LayerID: "l", EID: 4, VID: 7, Value: `"won"`},
			Hidden: []engine.Contribution{{LayerID: "m", EID: 5, VID: 8, Value: `null`}},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	parameters, err := structpb.NewStruct(map[string]any{"a": []any{1, nil, "x", true, map[string]any{"b": 0.5}}})
	if err != nil {
		t.Fatal(err)
	}
	want := &servingv1.ServiceExplanation{
		Result: &servingv1.ServiceResult{Parameters: parameters, Vids: []int32{7}, MatchedLayers: []string{"l"}},
		Layers: []*servingv1.LayerExplanation{
			{
				LayerId: "l", Priority: -3, Outcome: servingv1.LayerOutcome_LAYER_OUTCOME_MATCHED, Detail: "so it is",
				HashKey: "user_id", Key: "u", Slot: proto.Int32(0), Range: &configv1.Range{Start: 0, End: 10, Vid: 7}, Eid: 4, Vid: 7,
				Rule: &servingv1.RuleExplanation{
					Op: configv1.Operator_OPERATOR_AND, Truth: servingv1.Truth_TRUTH_UNKNOWN,
					Children: []*servingv1.RuleExplanation{
						{
							Op: configv1.Operator_OPERATOR_IN, Truth: servingv1.Truth_TRUTH_TRUE,
							Field: "f", Type: configv1.FieldType_FIELD_TYPE_STRING,
							Values: []*configv1.Value{{Kind: &configv1.Value_StringValue{StringValue: "x"}}},
							Seen:   structpb.NewStringValue("x"),
						},
						{
							Op: configv1.Operator_OPERATOR_EQ, Truth: servingv1.Truth_TRUTH_FALSE,
							Field: "g", Type: configv1.FieldType_FIELD_TYPE_BOOL,
							Values: []*configv1.Value{{Kind: &configv1.Value_BoolValue{BoolValue: true}}},
							Seen:   structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{structpb.NewNumberValue(1)}}),
						},
						{
							Op: configv1.Operator_OPERATOR_GT, Truth: servingv1.Truth_TRUTH_UNKNOWN,
							Field: "h", Type: configv1.FieldType_FIELD_TYPE_FLOAT,
							Values: []*configv1.Value{{Kind: &configv1.Value_NumberValue{NumberValue: 0.5}}},
							Seen:   structpb.NewNullValue(),
						},
						{
							Op: configv1.Operator_OPERATOR_GT, Truth: servingv1.Truth_TRUTH_UNKNOWN,
							Field: "i", Type: configv1.FieldType_FIELD_TYPE_INT,
							Values: []*configv1.Value{{Kind: &configv1.Value_NumberValue{NumberValue: 2}}},
						},
					},
				},
			},
			{LayerId: "m", Outcome: servingv1.LayerOutcome_LAYER_OUTCOME_NO_KEY, HashKey: "device"},
		},
		Parameters: []*servingv1.ParameterExplanation{{
			Path:   "/a",
			Winner: &servingv1.Contribution{LayerId: "l", Eid: 4, Vid: 7, Value: structpb.NewStringValue("won")},
			Hidden: []*servingv1.Contribution{{LayerId: "m", Eid: 5, Vid: 8, Value: structpb.NewNullValue()}},
		}},
	}
	if !proto.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}

func TestProtoRefusesWhatIsNoJSON(t *testing.T) {
	t.Parallel()
	bad := engine.CompositeValue("[1")
	none := &engine.Result{Parameters: "{}"}
	for where, e := range map[string]*engine.Explanation{
		"layer l": {Result: none, Layers: []engine.LayerExplanation{{
			LayerID: "l", Rule: &engine.RuleExplanation{Children: []engine.RuleExplanation{{Seen: bad}}},
		}}},
		"parameter /p":   {Result: none, Parameters: []engine.ParameterExplanation{{Path: "/p", Winner: engine.Contribution{Value: "x"}}}},
		"not valid JSON": {Result: &engine.Result{Parameters: "{"}},
	} {
		if m, err := explain.Proto(e); err == nil || !strings.Contains(err.Error(), where) {
			t.Errorf("%s: got %v, error %v", where, m, err)
		}
	}
}

// The conversion casts these numbers, so their names must be the same.
func TestNumbersAreThoseOfTheProto(t *testing.T) {
	t.Parallel()
	for truth := engine.False; truth <= engine.True; truth++ {
		if got := servingv1.Truth(truth).String(); got != "TRUTH_"+truth.String() {
			t.Errorf("%s is %s", truth, got)
		}
	}
	for op := engine.And; op <= engine.NotLike; op++ {
		if got := configv1.Operator(op).String(); got != "OPERATOR_"+strings.ToUpper(op.String()) {
			t.Errorf("%s is %s", op, got)
		}
	}
	for typ := engine.StringField; typ <= engine.SemverField; typ++ {
		if got := configv1.FieldType(typ).String(); got != "FIELD_TYPE_"+strings.ToUpper(typ.String()) {
			t.Errorf("%s is %s", typ, got)
		}
	}
	for outcome, want := range map[engine.Outcome]servingv1.LayerOutcome{
		engine.Matched:      servingv1.LayerOutcome_LAYER_OUTCOME_MATCHED,
		engine.Disabled:     servingv1.LayerOutcome_LAYER_OUTCOME_DISABLED,
		engine.NotRequested: servingv1.LayerOutcome_LAYER_OUTCOME_NOT_REQUESTED,
		engine.NoKey:        servingv1.LayerOutcome_LAYER_OUTCOME_NO_KEY,
		engine.FreeSlot:     servingv1.LayerOutcome_LAYER_OUTCOME_FREE_SLOT,
		engine.OtherService: servingv1.LayerOutcome_LAYER_OUTCOME_OTHER_SERVICE,
		engine.RuleFalse:    servingv1.LayerOutcome_LAYER_OUTCOME_RULE_FALSE,
		engine.RuleUnknown:  servingv1.LayerOutcome_LAYER_OUTCOME_RULE_UNKNOWN,
	} {
		if servingv1.LayerOutcome(outcome) != want {
			t.Errorf("%d is %s, want %s", outcome, servingv1.LayerOutcome(outcome), want)
		}
	}
}
