package api

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
)

// TestFilters lists what there is by each filter.
func TestFilters(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.world()
	b.ok("RevisionService/Apply", `{"environment":"dev","changes":[
		{"upsert_layer":{"layer_id":"mail","version":"v1","hash_key":"user_id","priority":5}},
		{"upsert_experiment":{"eid":300,"service":"mail","layer_id":"mail","description":"Größe ÄNDERN","variants":[{"vid":301,"params_json":"{}"}]}},
		{"upsert_experiment":{"eid":2000,"service":"mail","name":"100 things","variants":[{"vid":2001,"params_json":"{}"}]}}]}`)
	for filter, want := range map[string]string{
		``:                                    "100 200 300 2000",
		`"service":"web"`:                     "100 200",
		`"service":"we"`:                      "",
		`"layer_id":"ads"`:                    "100 200",
		`"states":["EXPERIMENT_STATE_DRAFT"]`: "200 300 2000",
		`"states":["EXPERIMENT_STATE_DRAFT","EXPERIMENT_STATE_RUNNING"]`: "100 200 300 2000",
		`"owner":"team-b"`:                  "200",
		`"owner":"team"`:                    "",
		`"tag":"later"`:                     "200",
		`"query":"100"`:                     "100 2000",
		`"query":"colour counts"`:           "200",
		`"query":"gröSSE"`:                  "",
		`"query":"GRÖßE ä"`:                 "300",
		`"query":"BUTTON","service":"web"`:  "100",
		`"query":"BUTTON","service":"mail"`: "",
	} {
		var list adminv1.ExperimentServiceListResponse
		b.call("ExperimentService/List", `{"environment":"dev"`+strings.TrimSuffix(","+filter, ",")+`}`, &list)
		var got []string
		for _, x := range list.GetExperiments() {
			got = append(got, strconv.Itoa(int(x.GetEid())))
		}
		if strings.Join(got, " ") != want || int(list.GetTotalSize()) != len(got) {
			t.Errorf("%s: got %q, want %q", filter, got, want)
		}
	}
	for filter, want := range map[string]string{
		``:                 "ads mail free",
		`"service":"web"`:  "ads",
		`"service":"mail"`: "mail",
		`"owner":"team-a"`: "ads",
		`"tag":"core"`:     "ads",
		`"tag":"none"`:     "",
		`"query":"CLICK"`:  "ads",
		`"query":"E"`:      "ads free",
	} {
		var list adminv1.LayerServiceListResponse
		b.call("LayerService/List", `{"environment":"dev"`+strings.TrimSuffix(","+filter, ",")+`}`, &list)
		var got []string
		for _, l := range list.GetLayers() {
			got = append(got, l.GetLayerId())
		}
		if strings.Join(got, " ") != want || int(list.GetTotalSize()) != len(got) {
			t.Errorf("%s: got %q, want %q", filter, got, want)
		}
	}
}

// TestPagesAreOfOneRevision changes what is listed between two pages.
func TestPagesAreOfOneRevision(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.ok("EnvironmentService/Create", `{"environment":{"name":"dev"}}`)
	var changes []string
	for i := 1; i <= 7; i++ {
		changes = append(changes, fmt.Sprintf(`{"upsert_experiment":{"eid":%d,"service":"web","variants":[{"vid":%d,"params_json":"{}"}]}}`, i, i))
	}
	b.ok("RevisionService/Apply", `{"environment":"dev","changes":[`+strings.Join(changes, ",")+`]}`)
	const first = `{"environment":"dev","service":"web","page_size":3`
	var eids []int32
	var list adminv1.ExperimentServiceListResponse
	for request := first + `}`; ; {
		b.call("ExperimentService/List", request, &list)
		for _, x := range list.GetExperiments() {
			eids = append(eids, x.GetEid())
		}
		if list.GetTotalSize() != 7 || list.GetRevision() != 2 {
			t.Errorf("got %v", &list)
		}
		if list.GetNextPageToken() == "" {
			break
		}
		request = first + `,"page_token":"` + list.GetNextPageToken() + `"}`
		b.ok("ExperimentService/Delete", fmt.Sprintf(`{"environment":"dev","eid":%d}`, list.GetExperiments()[0].GetEid()))
	}
	if !slices.Equal(eids, []int32{1, 2, 3, 4, 5, 6, 7}) {
		t.Errorf("got %v", eids)
	}
}

// TestTokensAreForTheirFilters uses a token with others.
func TestTokensAreForTheirFilters(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.world()
	var list adminv1.ExperimentServiceListResponse
	b.call("ExperimentService/List", `{"environment":"dev","page_size":1,"service":"web"}`, &list)
	token := list.GetNextPageToken()
	b.call("ExperimentService/List", `{"environment":"dev","page_size":5,"service":"web","page_token":"`+token+`"}`, &list)
	if len(list.GetExperiments()) != 1 || list.GetExperiments()[0].GetEid() != 200 {
		t.Errorf("got %v", &list)
	}
	for procedure, body := range map[string]string{
		"ExperimentService/List": `{"environment":"dev","page_token":"` + token + `"}`,
		"LayerService/List":      `{"environment":"dev","service":"web","page_token":"` + token + `"}`,
		"FieldService/List":      `{"environment":"dev","page_token":"` + token[:5] + `"}`,
	} {
		f := b.fails(procedure, body)
		if f.code != "invalid_argument" || f.reason != "INVALID_REQUEST" || f.fields() != "page_token" {
			t.Errorf("%s: got %+v", procedure, f)
		}
	}
}

// TestAnyTokenIsSafe cuts and changes tokens: what they lead to is a page, or an
// error of the token or the revision.
func TestAnyTokenIsSafe(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.world()
	r := &adminv1.ExperimentServiceListRequest{Environment: "dev"}
	for _, c := range []cursor{
		{},
		{revision: -1},
		{revision: 1 << 40},
		{revision: 2, position: "-5"},
		{revision: 2, position: "99999999999999999999"},
		{revision: 2, position: "x"},
		{position: "7"},
	} {
		token, err := c.token(r)
		if err != nil {
			t.Fatal(err)
		}
		status, data := b.post("ExperimentService/List", `{"environment":"dev","page_token":"`+token+`"}`)
		if status != 200 && faultOf(t, data).reason != "REVISION_NOT_FOUND" {
			t.Errorf("%+v: status %d: %s", c, status, data)
		}
	}
}
