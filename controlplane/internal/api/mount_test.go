package api

import (
	"net/http"
	"net/url"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
)

// services returns all services of strata.admin.v1.
func services() []protoreflect.ServiceDescriptor {
	var all []protoreflect.ServiceDescriptor
	protoregistry.GlobalFiles.RangeFilesByPackage("strata.admin.v1", func(file protoreflect.FileDescriptor) bool {
		for i := range file.Services().Len() {
			all = append(all, file.Services().Get(i))
		}
		return true
	})
	return all
}

// TestEveryProcedureIsMounted calls all that the schemas have with nothing.
func TestEveryProcedureIsMounted(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var names, procedures []string
	for _, service := range services() {
		names = append(names, string(service.FullName()))
		for i := range service.Methods().Len() {
			method := string(service.Name()) + "/" + string(service.Methods().Get(i).Name())
			procedures = append(procedures, "/strata.admin.v1."+method)
			if service.Methods().Get(i).IsStreamingServer() {
				continue // which plain JSON does not reach
			}
			status, data := b.post(method, `{}`)
			if status == http.StatusNotFound && faultOf(t, data).code != "not_found" || status == http.StatusInternalServerError {
				t.Errorf("%s: status %d: %s", method, status, data)
			}
		}
	}
	if got := slices.Sorted(slices.Values(ServiceNames())); !slices.Equal(got, slices.Sorted(slices.Values(names))) {
		t.Errorf("services %q, want %q", got, names)
	}
	if got := slices.Sorted(slices.Values(b.api.Procedures())); !slices.Equal(got, slices.Sorted(slices.Values(procedures))) {
		t.Errorf("procedures %q, want %q", got, procedures)
	}
}

func TestAnswersAreSnakeCase(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.world()
	for procedure, body := range map[string]string{
		"EnvironmentService/List":         `{}`,
		"LayerService/Get":                `{"environment":"dev","layer_id":"ads"}`,
		"ExperimentService/List":          `{"environment":"dev","page_size":1}`,
		"RevisionService/Get":             `{"environment":"dev","with_contents":true}`,
		"ExperimentService/Pause":         `{"environment":"dev","eid":100,"validate_only":true}`,
		"PreviewService/Explain":          `{"environment":"dev","services":["web"],"context":{"user_id":"u"}}`,
		"ExperimentService/Create":        `{"environment":"dev","experiment":{"service":"web","variants":[{"params_json":"{}"}]}}`,
		"ExperimentService/Get":           `{"environment":"dev","eid":100}`,
		"FieldService/List":               `{"environment":"dev"}`,
		"RevisionService/List":            `{"environment":"dev"}`,
		"RevisionService/Diff":            `{"environment":"dev","from_revision":"1"}`,
		"ExperimentService/Start":         `{"environment":"dev","eid":200,"allocation":{"percent":{"variants":[{"vid":201,"percent":1}]}}}`,
		"RevisionService/Rollback":        `{"environment":"dev","revision":"1","validate_only":true}`,
		"PreviewService/Evaluate":         `{"environment":"dev","services":["web"]}`,
		"ExperimentService/SetAllocation": `{"environment":"dev","eid":100,"validate_only":true,"allocation":{"slots":{"variants":[{"vid":101,"slots":5}]}}}`,
	} {
		status, data := b.post(procedure, body)
		if status != http.StatusOK {
			t.Errorf("%s: status %d: %s", procedure, status, data)
			continue
		}
		checkSnake(t, data)
	}
}

// TestReadsWorkByGET calls one read, and a write, which must not.
func TestReadsWorkByGET(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.world()
	get := func(procedure, message string) (int, []byte) {
		query := url.Values{"connect": {"v1"}, "encoding": {"json"}, "message": {message}}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.url+"/strata.admin.v1."+procedure+"?"+query.Encode(), nil)
		if err != nil {
			t.Fatal(err)
		}
		return b.do(request)
	}
	message := `{"environment":"dev","layer_id":"ads"}`
	gotStatus, got := get("LayerService/Get", message)
	wantStatus, want := b.post("LayerService/Get", message)
	if gotStatus != http.StatusOK || wantStatus != http.StatusOK || string(got) != string(want) {
		t.Errorf("status %d: %s, want %s", gotStatus, got, want)
	}
	if status, data := get("LayerService/Get", `{"layer":"ads"}`); status != http.StatusBadRequest || faultOf(t, data).reason != "INVALID_REQUEST" {
		t.Errorf("status %d: %s", status, data)
	}
	if status, data := get("LayerService/Delete", message); status != http.StatusMethodNotAllowed {
		t.Errorf("status %d: %s", status, data)
	}
}

// TestAnswersAreBounded asks for more than may be answered.
func TestAnswersAreBounded(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.world()
	_, data := b.post("LayerService/List", `{"environment":"dev"}`)
	b.api.maxAnswer = 100
	b.serve()
	if f := b.fails("LayerService/List", `{"environment":"dev"}`); f.code != "resource_exhausted" || f.reason != "TOO_LARGE" {
		t.Errorf("got %+v", f)
	}
	var list adminv1.LayerServiceListResponse
	b.api.maxAnswer = int64(len(data))
	b.serve()
	b.call("LayerService/List", `{"environment":"dev"}`, &list)
	if proto.Size(&list) <= 100 {
		t.Errorf("the answer has %d bytes", proto.Size(&list))
	}
}
