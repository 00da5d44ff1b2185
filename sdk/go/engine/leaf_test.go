package engine_test

import (
	"slices"
	"strings"
	"testing"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"

	"github.com/strata-exp/strata/sdk/go/engine"
)

// TestOwnLeavesSayWhatReadsExpose puts together from leaves who is exposed by
// reading a path, as those do who have an answer and no configuration.
func TestOwnLeavesSayWhatReadsExpose(t *testing.T) {
	t.Parallel()
	snapshot := &configv1.Snapshot{Revision: 1}
	for i, variants := range [][]string{
		{`{"a":{"x":1},"n":null,"e":{},"s":"top"}`, `{"a":{"y":{"z":1}},"e":{"f":1},"d.t":1,"gone":{"deep":1}}`},
		{`{"a":5,"n":1,"e":{"g":{}},"s":{"t":1},"d.t":2}`, `{"a":{"x":2}}`},
		{`{"a":{"x":3,"y":4},"s":1,"e":{"g":{"h":1},"f":2},"only":{"here":true}}`, `{"e":3}`},
	} {
		eid := int32(i + 1)
		experiment := &configv1.Experiment{Eid: eid, Service: "svc"}
		for j, params := range variants {
			experiment.Variants = append(experiment.Variants, &configv1.Variant{Vid: 10*eid + int32(j), ParamsJson: params})
		}
		snapshot.Experiments = append(snapshot.Experiments, experiment)
		snapshot.Layers = append(snapshot.Layers, &configv1.Layer{
			LayerId: strings.Repeat("l", i+1), Priority: -eid, HashKey: "user_id", Salt: "s", Enabled: true,
			Ranges: []*configv1.Range{{Start: 0, End: 10_000, Vid: 10 * eid}},
		})
	}
	rules, err := engine.Compile(nil, snapshot)
	if err != nil {
		t.Fatal(err)
	}
	result := rules.Evaluate("svc", engine.Context{{Name: "user_id", Value: engine.StringValue("u")}}, nil, nil)
	for path := range strings.FieldsSeq(`a a.x a.y a.y.z a.x.q n n.m e e.f e.g e.g.h e.i s s.t s.u d\.t d gone gone.deep only only.here`) {
		var exposed, hidden []int32
		for _, leaf := range rules.OwnLeaves(result) {
			if leaf.Path == path || strings.HasPrefix(leaf.Path, path+".") || strings.HasPrefix(path, leaf.Path+".") {
				exposed, hidden = append(exposed, leaf.Exposed...), append(hidden, leaf.Hidden...)
			}
		}
		hidden = slices.DeleteFunc(sorted(hidden), func(i int32) bool { return slices.Contains(exposed, i) })
		reading := rules.Read(result, path)
		if !slices.Equal(sorted(exposed), reading.Exposed) || !slices.Equal(hidden, reading.Hidden) {
			t.Errorf("%s: exposed %v and hidden %v, read: %v and %v", path, sorted(exposed), hidden, reading.Exposed, reading.Hidden)
		}
	}
}

func sorted(list []int32) []int32 {
	list = slices.Clone(list)
	slices.Sort(list)
	return slices.Compact(list)
}
