package api

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/strata-exp/strata/controlplane/internal/revision"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
)

func TestLayers(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.world()
	var created adminv1.LayerServiceCreateResponse
	b.call("LayerService/Create", `{"environment":"dev","layer":{"layer_id":"new","version":"v1","hash_key":"user_id","priority":20}}`, &created)
	l := created.GetLayer()
	if l.GetSalt() != "new_v1" || !l.GetEnabled() || l.GetEtag() == "" || l.GetRevision() != 3 || l.GetCreateRevision() != 3 ||
		l.GetUsage().GetFree() != 10_000 || created.GetRevision() != 3 || len(created.GetPlan().GetResources()) != 1 {
		t.Errorf("created %v", &created)
	}
	var updated adminv1.LayerServiceUpdateResponse
	b.call("LayerService/Update", `{"environment":"dev","layer":{"layer_id":"new","hash_key":"device_id","description":"x"},"update_mask":"hash_key"}`, &updated)
	if l := updated.GetLayer(); l.GetHashKey() != "device_id" || l.GetDescription() != "" || l.GetPriority() != 20 ||
		l.GetCreateRevision() != 3 || l.GetRevision() != 4 || !l.GetUpdateTime().AsTime().After(l.GetCreateTime().AsTime()) {
		t.Errorf("updated %v", &updated)
	}
	b.call("LayerService/Update", `{"environment":"dev","validate_only":true,"layer":{"layer_id":"new","version":"v2","hash_key":"u"}}`, &updated)
	if l := updated.GetLayer(); l.GetVersion() != "v2" || l.GetPriority() != 0 || updated.GetRevision() != 4 {
		t.Errorf("validated %v", &updated)
	}
	b.ok("LayerService/Delete", `{"environment":"dev","layer_id":"new"}`)
	b.fails("LayerService/Get", `{"environment":"dev","layer_id":"new"}`)
	var then adminv1.LayerServiceGetResponse
	b.call("LayerService/Get", `{"environment":"dev","layer_id":"new","revision":"3"}`, &then)
	if !proto.Equal(then.GetLayer(), l) {
		t.Errorf("got %v, want %v", then.GetLayer(), l)
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.world()
	b.ok("ExperimentService/Start", `{"environment":"dev","eid":200,"allocation":{"slots":{"variants":[{"vid":201,"slots":500}]}}}`)
	b.ok("ExperimentService/Pause", `{"environment":"dev","eid":200}`)
	until := b.store.now.Add(time.Hour)
	// Of what is kept about rests, slots that were taken again do not count.
	b.store.envs["dev"].resting["ads"] = []revision.Rest{
		{Start: 2900, End: 3010, EID: 5, VID: 6, Until: until}, {Start: 5000, End: 5100, EID: 7, VID: 8, Until: until},
	}
	var got adminv1.LayerServiceGetResponse
	b.call("LayerService/Get", `{"environment":"dev","layer_id":"ads"}`, &got)
	u := got.GetLayer().GetUsage()
	held := b.store.envs["dev"].head().Experiment(200).GetHeld()[0]
	resting := int32(0)
	for _, r := range u.GetReserved() {
		if r.GetUntil() == nil && (r.GetEid() != 200 || r.GetVid() != 201 || r.GetStart() != held.GetStart() || r.GetEnd() != held.GetEnd()) ||
			r.GetUntil() != nil && (r.GetEid() == 200 || !r.GetUntil().AsTime().Equal(until)) {
			t.Errorf("reserved %v", r)
		}
		if r.GetUntil() != nil {
			resting += r.GetEnd() - r.GetStart()
		}
	}
	if u.GetAllocated() != 3000 || u.GetHeld() != 500 || u.GetResting() != resting || resting == 0 || resting > 110 ||
		u.GetAllocated()+u.GetHeld()+u.GetResting()+u.GetFree() != 10_000 {
		t.Errorf("got %v", u)
	}
	if !slices.IsSortedFunc(u.GetReserved(), func(a, b *adminv1.ReservedSlots) int { return int(a.GetStart() - b.GetStart()) }) {
		t.Errorf("reserved %v", u.GetReserved())
	}
	var list adminv1.LayerServiceListResponse
	b.call("LayerService/List", `{"environment":"dev","query":"ads"}`, &list)
	if u := list.GetLayers()[0].GetUsage(); u.GetHeld() != 500 || u.GetResting() != 210 || u.GetReserved() != nil {
		t.Errorf("listed %v", u)
	}
	b.call("LayerService/Get", `{"environment":"dev","layer_id":"ads","revision":"2"}`, &got)
	if u := got.GetLayer().GetUsage(); u.GetHeld() != 0 || u.GetResting() != 0 || u.GetFree() != 7000 {
		t.Errorf("at revision 2: %v", u)
	}
}

func TestExperiments(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.world()
	var created adminv1.ExperimentServiceCreateResponse
	const request = `{"environment":"dev","idempotency_key":"k","experiment":{"service":"web","layer_id":"ads",
		"variants":[{"params_json":"{\"a\": 1}"},{"params_json":"{}"}]}}`
	b.call("ExperimentService/Create", request, &created)
	x := created.GetExperiment()
	if x.GetEid() == 0 || x.GetVariants()[0].GetVid() == 0 || x.GetState() != adminv1.ExperimentState_EXPERIMENT_STATE_DRAFT ||
		x.GetVariants()[0].GetParamsJson() != `{"a":1}` || x.GetRevision() != 3 || x.GetEtag() == "" {
		t.Errorf("created %v", x)
	}
	var updated adminv1.ExperimentServiceUpdateResponse
	b.call("ExperimentService/Update", fmt.Sprintf(`{"environment":"dev","experiment":{"eid":%d,"name":"N"},"update_mask":"name"}`, x.GetEid()), &updated)
	if got := updated.GetExperiment(); got.GetName() != "N" || len(got.GetVariants()) != 2 || got.GetRevision() != 4 {
		t.Errorf("updated %v", got)
	}
	// Sent again, the request has its first answer.
	var again adminv1.ExperimentServiceCreateResponse
	b.call("ExperimentService/Create", request, &again)
	if !proto.Equal(&again, &created) {
		t.Errorf("got %v, want %v", &again, &created)
	}
	if f := b.fails("ExperimentService/Create", strings.Replace(request, `"ads"`, `"free"`, 1)); f.reason != "IDEMPOTENCY_KEY_REUSED" {
		t.Errorf("got %+v", f)
	}
	b.ok("ExperimentService/Delete", fmt.Sprintf(`{"environment":"dev","eid":%d,"etag":%q}`, x.GetEid(), updated.GetExperiment().GetEtag()))
	b.fails("ExperimentService/Get", fmt.Sprintf(`{"environment":"dev","eid":%d}`, x.GetEid()))
}

// TestLife leads an experiment through its life by its services' methods.
func TestLife(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.world()
	const id = `{"environment":"dev","eid":200`
	for i, step := range []struct{ method, more, state, allocation string }{
		{"SetAllocation", `,"allocation":{"weights":{"total_slots":70,"variants":[{"vid":201,"weight":1}]}}`, "DRAFT", "201:70"},
		{"Start", ``, "RUNNING", "201:70"},
		{"SetAllocation", `,"allocation":{"percent":{"variants":[{"vid":201,"percent":2.5}]}}`, "RUNNING", "201:250"},
		{"Pause", ``, "PAUSED", "201:250"},
		{"SetAllocation", `,"allocation":{"slots":{"variants":[{"vid":201,"slots":240}]}}`, "PAUSED", "201:240"},
		{"Resume", ``, "RUNNING", "201:240"},
		{"Conclude", `,"winner_vid":201`, "CONCLUDED", "201:240"},
		{"Archive", ``, "ARCHIVED", ""},
	} {
		var got adminv1.ExperimentServiceStartResponse // all answers are alike
		b.call("ExperimentService/"+step.method, id+step.more+`}`, &got)
		x := got.GetExperiment()
		allocation := ""
		if len(x.GetAllocation()) > 0 {
			allocation = fmt.Sprintf("%d:%d", x.GetAllocation()[0].GetVid(), x.GetAllocation()[0].GetSlots())
		}
		if state := strings.TrimPrefix(x.GetState().String(), "EXPERIMENT_STATE_"); state != step.state || allocation != step.allocation || got.GetRevision() != int64(3+i) {
			t.Errorf("%s: got %v with %q", step.method, state, allocation)
		}
		var read adminv1.ExperimentServiceGetResponse
		b.call("ExperimentService/Get", id+`}`, &read)
		if !proto.Equal(read.GetExperiment(), x) {
			t.Errorf("%s answered %v, but it is %v", step.method, x, read.GetExperiment())
		}
	}
}

func TestFields(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.world()
	var set adminv1.FieldServiceSetResponse
	b.call("FieldService/Set", `{"environment":"dev","field":{"name":"age","type":"FIELD_TYPE_INT"}}`, &set)
	if set.GetField().GetName() != "age" || set.GetRevision() != 3 {
		t.Errorf("set %v", &set)
	}
	b.ok("FieldService/Delete", `{"environment":"dev","name":"country"}`)
	var list adminv1.FieldServiceListResponse
	b.call("FieldService/List", `{"environment":"dev"}`, &list)
	if len(list.GetFields()) != 1 || !proto.Equal(list.GetFields()[0], set.GetField()) || list.GetTotalSize() != 1 || list.GetRevision() != 4 {
		t.Errorf("got %v", &list)
	}
}

func TestEnvironments(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.author = "ann"
	for _, name := range []string{"c", "a", "b"} {
		b.ok("EnvironmentService/Create", `{"environment":{"name":"`+name+`"}}`)
	}
	var names []string
	token := ""
	for {
		var list adminv1.EnvironmentServiceListResponse
		b.call("EnvironmentService/List", `{"page_size":2,"page_token":"`+token+`"}`, &list)
		for _, e := range list.GetEnvironments() {
			names = append(names, e.GetName())
		}
		if list.GetTotalSize() != 3 {
			t.Errorf("got %v", &list)
		}
		if token = list.GetNextPageToken(); token == "" {
			break
		}
	}
	if !slices.Equal(names, []string{"a", "b", "c"}) {
		t.Errorf("got %q", names)
	}
	var updated adminv1.EnvironmentServiceUpdateResponse
	b.call("EnvironmentService/Update", `{"environment":{"name":"a","cooling_period":"60s","description":"x"},"update_mask":"cooling_period"}`, &updated)
	if e := updated.GetEnvironment(); e.GetCoolingPeriod().GetSeconds() != 60 || e.GetDescription() != "" {
		t.Errorf("updated %v", e)
	}
	var revisions adminv1.RevisionServiceListResponse
	b.call("RevisionService/List", `{"environment":"a"}`, &revisions)
	if got := revisions.GetRevisions()[0]; got.GetAuthor() != "ann via robot" {
		t.Errorf("got %v", got)
	}
	b.ok("EnvironmentService/Delete", `{"environment":"a"}`)
	b.fails("EnvironmentService/Get", `{"environment":"a"}`)
}

func TestRevisions(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.world()
	b.author = " ann\t"
	b.ok("FieldService/Delete", `{"environment":"dev","name":"country","message":"Not needed"}`)
	b.author = strings.Repeat("x", maxAuthorBytes+1)
	var rolled adminv1.RevisionServiceRollbackResponse
	b.call("RevisionService/Rollback", `{"environment":"dev","revision":"2"}`, &rolled)
	if rolled.GetRevision() != 4 {
		t.Errorf("rolled back %v", &rolled)
	}
	var got adminv1.RevisionServiceGetResponse
	b.call("RevisionService/Get", `{"environment":"dev","with_contents":true}`, &got)
	r := got.GetRevision()
	if r.GetRevision() != 4 || r.GetMessage() != "Roll back to revision 2" || r.GetAuthor() != "robot" || r.GetOriginRevision() != 2 ||
		r.GetOrigin() != adminv1.RevisionOrigin_REVISION_ORIGIN_ROLLBACK || !proto.Equal(got.GetPlan(), rolled.GetPlan()) {
		t.Errorf("got %v", r)
	}
	if c := got.GetContents(); len(c.GetLayers()) != 2 || len(c.GetExperiments()) != 2 || len(c.GetFields()) != 1 ||
		c.GetLayers()[0].GetLayerId() != "ads" || c.GetExperiments()[0].GetAllocation()[1].GetSlots() != 2000 {
		t.Errorf("contents %v", c)
	}
	time3 := b.store.envs["dev"].states[2].Version().Time
	b.call("RevisionService/Get", `{"environment":"dev","time":"`+time3.Add(time.Second).Format(time.RFC3339Nano)+`"}`, &got)
	if r := got.GetRevision(); r.GetRevision() != 3 || r.GetAuthor() != "ann via robot" || got.GetContents() != nil {
		t.Errorf("at that time %v", r)
	}
	var diff adminv1.RevisionServiceDiffResponse
	b.call("RevisionService/Diff", `{"environment":"dev","from_revision":"3","to_revision":"2"}`, &diff)
	if d := diff.GetPlan().GetResources(); diff.GetFromRevision() != 3 || diff.GetToRevision() != 2 || len(d) != 1 || d[0].GetId() != "country" {
		t.Errorf("diff %v", &diff)
	}
	var numbers []int64
	for token := ""; ; {
		var list adminv1.RevisionServiceListResponse
		b.call("RevisionService/List", `{"environment":"dev","page_size":3,"page_token":"`+token+`"}`, &list)
		for _, r := range list.GetRevisions() {
			numbers = append(numbers, r.GetRevision())
		}
		if token = list.GetNextPageToken(); token == "" {
			break
		}
	}
	if !slices.Equal(numbers, []int64{4, 3, 2, 1}) {
		t.Errorf("listed %v", numbers)
	}
	var list adminv1.RevisionServiceListResponse
	b.call("RevisionService/List", `{"environment":"dev","author":"ann via robot"}`, &list)
	if len(list.GetRevisions()) != 1 {
		t.Errorf("of ann %v", &list)
	}
}

// TestRestoreOfLayers rolls back one layer, and promotes it.
func TestRestoreOfLayers(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.world()
	b.ok("RevisionService/Apply", `{"environment":"dev","changes":[
		{"upsert_layer":{"layer_id":"ads","priority":99},"update_mask":"priority"},
		{"upsert_layer":{"layer_id":"free","priority":99},"update_mask":"priority"},
		{"upsert_experiment":{"eid":200,"layer_id":"free","name":"moved"},"update_mask":"layer_id,name"},
		{"upsert_experiment":{"eid":100,"name":"renamed"},"update_mask":"name"},
		{"upsert_service":{"service":"web","schema_json":"{}"}},
		{"delete_field":"country"}]}`)
	var plan adminv1.RevisionServiceRollbackResponse
	changed := func() string {
		var parts []string
		for _, d := range plan.GetPlan().GetResources() {
			parts = append(parts, strings.ToLower(strings.TrimPrefix(d.GetKind().String(), "RESOURCE_KIND_"))+" "+d.GetId())
		}
		return strings.Join(parts, ", ")
	}
	for layers, want := range map[string]string{
		`[]`:             "layer ads, layer free, experiment 100, experiment 200, field country, service web",
		`["ads"]`:        "layer ads, experiment 100, experiment 200",
		`["free"]`:       "layer free, experiment 200",
		`["ads","free"]`: "layer ads, layer free, experiment 100, experiment 200",
	} {
		b.call("RevisionService/Rollback", `{"environment":"dev","revision":"2","validate_only":true,"layer_ids":`+layers+`}`, &plan)
		if got := changed(); got != want {
			t.Errorf("%s: changed %s, want %s", layers, got, want)
		}
	}
	b.ok("EnvironmentService/Create", `{"environment":{"name":"prod"}}`)
	b.ok("RevisionService/Promote", `{"environment":"prod","from_environment":"dev","from_revision":"2","layer_ids":["ads"]}`)
	prod, dev := b.store.envs["prod"], b.store.envs["dev"].states[1]
	if x := prod.head().Experiment(100); x == nil || !proto.Equal(x, dev.Experiment(100)) || !proto.Equal(prod.head().Layer("ads"), dev.Layer("ads")) {
		t.Errorf("promoted %v", x)
	}
	r := prod.entries[1].Revision
	if r.GetMessage() != "Promote from dev, revision 2" || r.GetOriginEnvironment() != "dev" || r.GetOriginRevision() != 2 ||
		r.GetOrigin() != adminv1.RevisionOrigin_REVISION_ORIGIN_PROMOTE {
		t.Errorf("got %v", r)
	}
	var diff adminv1.RevisionServiceDiffResponse
	b.call("RevisionService/Diff", `{"environment":"prod","to_environment":"dev","to_revision":"2"}`, &diff)
	if plan.Plan = diff.GetPlan(); changed() != "layer free, field country" {
		t.Errorf("prod and dev differ in %s", changed())
	}
	b.ok("RevisionService/Promote", `{"environment":"prod","from_environment":"dev","message":"Why not"}`)
	if prod.head().Checksum() != b.store.envs["dev"].head().Checksum() || prod.entries[2].Revision.GetMessage() != "Why not" {
		t.Errorf("got %v", prod.entries[2].Revision)
	}
}

func TestServices(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.world()
	const schema = `"{\"properties\":{\"size\":{\"maximum\":2}}}"`
	var set adminv1.ServiceServiceSetResponse
	b.call("ServiceService/Set", `{"environment":"dev","validate_only":true,"service":{"service":"web","schema_json":`+schema+`}}`, &set)
	if set.GetRevision() != 2 || set.GetService().GetSchemaJson() == "" || len(set.GetPlan().GetResources()) != 1 {
		t.Errorf("planned %v", &set)
	}
	b.call("ServiceService/Set", `{"environment":"dev","service":{"service":"web","owners":["team-a"],"schema_json":`+schema+`}}`, &set)
	etag := set.GetService().GetEtag()
	if set.GetRevision() != 3 || etag == "" || b.store.envs["dev"].entries[2].Revision.GetMessage() != "Set service web" {
		t.Errorf("set %v", &set)
	}
	b.call("ServiceService/Set", `{"environment":"dev","service":{"service":"web","description":"The shop"},"update_mask":"description"}`, &set)
	var got adminv1.ServiceServiceGetResponse
	b.call("ServiceService/Get", `{"environment":"dev","service":"web"}`, &got)
	if s := got.GetService(); !proto.Equal(s, set.GetService()) || s.GetDescription() != "The shop" || s.GetOwners()[0] != "team-a" || s.GetCreateRevision() != 3 {
		t.Errorf("got %v", &got)
	}
	b.ok("ServiceService/Set", `{"environment":"dev","service":{"service":"mail","schema_json":"{}"}}`)
	var list adminv1.ServiceServiceListResponse
	b.call("ServiceService/List", `{"environment":"dev","page_size":1}`, &list)
	if list.GetServices()[0].GetService() != "mail" || list.GetTotalSize() != 2 || list.GetNextPageToken() == "" || list.GetRevision() != 5 {
		t.Errorf("listed %v", &list)
	}
	f := b.fails("RevisionService/Apply", `{"environment":"dev","changes":[{"delete_field":"country"},{"upsert_experiment":
		{"eid":100,"variants":[{"vid":101,"params_json":"{}"},{"vid":102,"params_json":"{\"size\":3}"}]},"update_mask":"variants"}]}`)
	want := "changes[1].upsert_experiment.variants[1].params.size | breaks the schema of service web in variant 102: maximum: got 3, want 2 | SCHEMA_VIOLATED"
	if f.code != "invalid_argument" || f.reason != "SCHEMA_VIOLATED" || !slices.Equal(f.violations, []string{want}) {
		t.Errorf("got %+v", f)
	}
	if f := b.fails("ServiceService/Delete", `{"environment":"dev","service":"web","etag":"`+etag+`"}`); f.reason != "STALE_ETAG" {
		t.Errorf("got %+v", f)
	}
	b.ok("ServiceService/Delete", `{"environment":"dev","service":"web"}`)
	if f := b.fails("ServiceService/Get", `{"environment":"dev","service":"web"}`); f.code != "not_found" || f.reason != "RESOURCE_NOT_FOUND" {
		t.Errorf("got %+v", f)
	}
}

func TestPreviews(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.world()
	const everyone = `{"upsert_layer":{"layer_id":"ads","ranges":[{"start":0,"end":10000,"vid":102}]},"update_mask":"ranges"}`
	evaluate := func(more string) string {
		t.Helper()
		var got adminv1.PreviewServiceEvaluateResponse
		b.call("PreviewService/Evaluate", `{"environment":"dev","services":["web","mail","web"],"context":{"user_id":"u","deep":[{"x":1}]}`+more+`}`, &got)
		if len(got.GetResults()) != 2 {
			t.Errorf("got %v", &got)
		}
		web := got.GetResults()["web"]
		return fmt.Sprintf("%d: %v %v", got.GetRevision(), web.GetVids(), web.GetParameters().GetFields()["size"].GetNumberValue())
	}
	now := evaluate(``)
	b.ok("RevisionService/Apply", `{"environment":"dev","changes":[`+everyone+`]}`)
	for more, want := range map[string]string{
		``:                               "3: [102] 2",
		`,"revision":"2"`:                now,
		`,"time":"2026-01-01T00:00:30Z"`: now,
		`,"revision":"2","changes":[` + everyone + `]`: "2: [102] 2",
		`,"layers":["free"]`:                           "3: [] 0",
		`,"changes":[{"upsert_layer":{"layer_id":"ads","enabled":false},"update_mask":"enabled"}]`: "3: [] 0",
		// Without ids, as an Apply would take them.
		`,"changes":[{"upsert_experiment":{"service":"web","variants":[{"params_json":"{}"},{"vid":2147483647,"params_json":"{}"}]}},
			{"upsert_experiment":{"service":"web","variants":[{"params_json":"{}"}]}}]`: "3: [102] 2",
	} {
		if got := evaluate(more); got != want {
			t.Errorf("%s: got %s, want %s", more, got, want)
		}
	}
	var explained adminv1.PreviewServiceExplainResponse
	b.call("PreviewService/Explain", `{"environment":"dev","services":["web"],"context":{"user_id":"u"},"revision":"2","changes":[`+everyone+`]}`, &explained)
	layers := explained.GetResults()["web"].GetLayers()
	if explained.GetRevision() != 2 || len(layers) != 1 || layers[0].GetVid() != 102 || layers[0].GetKey() != "u" {
		t.Errorf("explained %v", &explained)
	}
	if rev := b.store.envs["dev"].head().Revision(); rev != 3 {
		t.Errorf("previews made revision %d", rev)
	}
}
