package controlplane_test

import (
	"net/http"
	"testing"

	"connectrpc.com/connect"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/gen/go/strata/admin/v1/adminv1connect"
	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/gen/go/strata/serving/v1/servingv1connect"
	"github.com/strata-exp/strata/sdk/go/accesskey"
	"github.com/strata-exp/strata/sdk/go/view"
)

// TestStream asks for the configuration by keys of all roles, and reports.
func TestStream(t *testing.T) {
	l, admin := start(t)
	adminURL, streamURL := "http://"+l.HTTP.String(), "http://"+l.Push.String()
	client := signed(t, admin)
	environments := adminv1connect.NewEnvironmentServiceClient(client, adminURL)
	if _, err := environments.Create(t.Context(), &adminv1.EnvironmentServiceCreateRequest{Environment: &adminv1.Environment{Name: "prod"}}); err != nil {
		t.Fatal(err)
	}
	revisions := adminv1connect.NewRevisionServiceClient(client, adminURL)
	if _, err := revisions.Apply(t.Context(), &adminv1.RevisionServiceApplyRequest{Environment: "prod", Changes: []*adminv1.Change{
		{Change: &adminv1.Change_UpsertExperiment{UpsertExperiment: experiment(1, 11, "shop")}},
		{Change: &adminv1.Change_UpsertExperiment{UpsertExperiment: experiment(2, 22, "search")}},
		{Change: &adminv1.Change_UpsertExperiment{UpsertExperiment: experiment(3, 33, "shop")}}, // a draft
		{Change: &adminv1.Change_UpsertLayer{UpsertLayer: &adminv1.Layer{
			LayerId: "both", Salt: "s", HashKey: "user_id",
			Ranges: []*configv1.Range{{Start: 0, End: 10, Vid: 11}, {Start: 10, End: 20, Vid: 22}},
		}}},
	}}); err != nil {
		t.Fatal(err)
	}
	keys := adminv1connect.NewAccessKeyServiceClient(client, adminURL)
	grant := func(name string, role servingv1.Role, services ...string) *http.Client {
		t.Helper()
		key, err := accesskey.Generate()
		if err == nil {
			_, err = keys.Create(t.Context(), &adminv1.AccessKeyServiceCreateRequest{
				Name: name, Role: role, Services: services, PublicKey: key.PublicKey(),
			})
		}
		if err != nil {
			t.Fatal(err)
		}
		return signed(t, key)
	}
	for _, test := range []struct {
		name     string
		client   *http.Client
		code     connect.Code
		entities int
		keys     bool
		listed   int
	}{
		{"nobody", unsigned(t), connect.CodeUnauthenticated, 0, false, 0},
		{"admin", client, connect.CodePermissionDenied, 0, false, 0},
		{"viewer", grant("viewer", servingv1.Role_ROLE_VIEWER), connect.CodePermissionDenied, 0, false, 0},
		{"sdk", grant("sdk", servingv1.Role_ROLE_SDK, "shop"), 0, 2, false, 0},
		{"plane", grant("plane", servingv1.Role_ROLE_PLANE), 0, 3, true, 1},
	} {
		stream := servingv1connect.NewConfigServiceClient(test.client, streamURL)
		who := &servingv1.WatchRequest{Environment: "prod", Instance: test.name}
		answer, err := stream.Fetch(t.Context(), &servingv1.FetchRequest{Watch: who})
		if code := codeOf(err); code != test.code {
			t.Errorf("%s: %v", test.name, err)
		}
		v, withKeys := held(t, answer)
		if v.Len() != test.entities || withKeys != test.keys {
			t.Errorf("%s: got %d entities, keys: %v", test.name, v.Len(), withKeys)
		}
		_, err = stream.ReportStatus(t.Context(), &servingv1.ReportStatusRequest{Environment: "prod", Status: &servingv1.Status{
			Instance: test.name, State: servingv1.PlaneState_PLANE_STATE_SYNCED,
			Epoch: v.Position().Epoch, ActiveRevision: v.Position().Revision,
		}})
		if code := codeOf(err); code != test.code {
			t.Errorf("%s: %v", test.name, err)
		}
		planes, err := adminv1connect.NewPlaneServiceClient(client, adminURL).List(t.Context(), &adminv1.PlaneServiceListRequest{Environment: "prod"})
		if err != nil || len(planes.GetPlanes()) != test.listed {
			t.Errorf("%s: listed are %v, %v", test.name, planes.GetPlanes(), err)
		}
	}
	waited, err := revisions.Wait(t.Context(), &adminv1.RevisionServiceWaitRequest{Environment: "prod", Planes: 1})
	if err != nil || !waited.GetReached() || waited.GetRunning()[0].GetStatus().GetInstance() != "plane" {
		t.Errorf("got %v, %v", waited, err)
	}
}

func experiment(eid, vid int32, service string) *adminv1.Experiment {
	return &adminv1.Experiment{Eid: eid, Service: service, Variants: []*configv1.Variant{{Vid: vid, ParamsJson: "{}"}}}
}

func codeOf(err error) connect.Code {
	if err == nil {
		return 0
	}
	return connect.CodeOf(err)
}

// held puts together what was fetched, and says whether keys came with it.
func held(t *testing.T, answer *servingv1.FetchResponse) (v *view.View, withKeys bool) {
	t.Helper()
	v = view.Empty()
	var stage view.Stage
	for _, frame := range answer.GetFrames() {
		withKeys = withKeys || frame.GetAccessKeys() != nil
		if update := frame.GetUpdate(); update != nil {
			next, err := stage.Add(v, update)
			if err != nil {
				t.Fatal(err)
			}
			if next != nil {
				v = next
			}
		}
	}
	return v, withKeys
}
