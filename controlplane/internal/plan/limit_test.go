package plan_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/strata-exp/strata/controlplane/internal/plan"
	"github.com/strata-exp/strata/controlplane/internal/state"
)

// wide returns parameters with so many leaves.
func wide(leaves, value int) string {
	members := make([]string, leaves)
	for i := range members {
		members[i] = fmt.Sprintf(`"key_%05d":%d`, i, value)
	}
	return "{" + strings.Join(members, ",") + "}"
}

// TestLongLists has lists that are cut.
func TestLongLists(t *testing.T) {
	t.Parallel()
	const most = 10_000
	var rules []state.Change
	for eid := range int32(most + 3) {
		rules = append(rules, withRule(experiment(eid+1, "{}"), is("undeclared")))
	}
	for eid := range int32(2) {
		rules = append(rules, experiment(most+10+eid, wide(most+7, 1)), layer(strconv.Itoa(int(eid)), eid, slots(0, 5000, 10*(most+10+eid)+1)))
	}
	before := apply(t, empty(), rules...)
	p := plan.Make(empty(), before, plan.Options{})
	if len(p.GetWarnings()) != most || len(p.GetSharedParameters()) != most || len(p.GetHiddenParameters()) != most ||
		p.GetOmitted().GetWarnings() != 4 || p.GetOmitted().GetSharedParameters() != 7 || p.GetOmitted().GetHiddenParameters() != 7 {
		t.Errorf("%d warnings, %d shared, %d hidden, %v",
			len(p.GetWarnings()), len(p.GetSharedParameters()), len(p.GetHiddenParameters()), p.GetOmitted())
	}
	if last := p.GetHiddenParameters()[most-1].GetPath(); last != "/key_09999" {
		t.Errorf("the last hidden parameter is %s", last)
	}
	p = plan.Make(before, apply(t, before, experiment(most+10, wide(most+7, 2))), plan.Options{})
	if len(p.GetParameters()) != most || p.GetOmitted().GetParameters() != 7 {
		t.Errorf("%d parameters, %v", len(p.GetParameters()), p.GetOmitted())
	}
	// So many leaves are told as a whole.
	if values := p.GetResources()[0].GetValues(); len(values) != 1 || !strings.HasSuffix(values[0].GetPath(), "].params") {
		t.Errorf("%d values", len(values))
	}
}

// TestLongPaths has paths that are a hundred times as long as the parameters.
func TestLongPaths(t *testing.T) {
	t.Parallel()
	deep := func(value int) string {
		text := wide(10_000, value)
		for i := range 60 {
			text = fmt.Sprintf(`{"%s%d":%s}`, strings.Repeat("k", 200), i, text)
		}
		return text
	}
	before := apply(t, empty(), experiment(1, deep(1)), experiment(2, deep(1)), layer("a", 2, slots(0, 1, 11)), layer("b", 1, slots(0, 1, 21)))
	p := plan.Make(before, apply(t, before, experiment(1, deep(2))), plan.Options{})
	size := 0
	for _, c := range p.GetParameters() {
		size += len(c.GetPath())
	}
	if size > 16<<20 || size < 15<<20 || int(p.GetOmitted().GetParameters()) != 10_000-len(p.GetParameters()) {
		t.Errorf("%d parameters with paths of %d bytes, %v", len(p.GetParameters()), size, p.GetOmitted())
	}
	if n := len(p.GetResources()[0].GetValues()); n != 1 {
		t.Errorf("%d values", n)
	}
	p = plan.Make(empty(), before, plan.Options{})
	if n := len(p.GetHiddenParameters()); n == 0 || int(p.GetOmitted().GetHiddenParameters()) != 10_000-n {
		t.Errorf("%d hidden, %v", n, p.GetOmitted())
	}
}

// TestManyLayersOfOnePath names the first of the layers that meet.
func TestManyLayersOfOnePath(t *testing.T) {
	t.Parallel()
	s := stack(t, 30, func(i int) (string, string, int32, int32) { return strconv.Itoa(i), `{"a~/b":{"c":1}}`, 0, 10 })
	shared := plan.Make(empty(), s, plan.Options{}).GetSharedParameters()
	if len(shared) != 1 || shared[0].GetLayerCount() != 30 || len(shared[0].GetLayerIds()) != 20 ||
		shared[0].GetPath() != "/a~0~1b/c" || shared[0].GetLayerIds()[19] != "00019" {
		t.Errorf("%v", shared)
	}
	hidden := hiddenBy(s)[lossKey{30, "/a~0~1b/c"}]
	if len(hidden.GetHiddenBy()) != 20 || hidden.GetHiddenBy()[0] != "00000" {
		t.Errorf("%v", hidden)
	}
}
