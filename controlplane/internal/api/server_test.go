package api

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/internal/auth"
	"github.com/strata-exp/strata/internal/rpc"
)

// bundle is a server of the services on a fake store.
type bundle struct {
	t      *testing.T
	store  *fake
	keys   *fakeKeys
	planes *fakePlanes
	ring   *auth.Keyring
	api    *API
	url    string
	// author is the header of all calls.
	author string
	// caller makes all calls; nil is nobody.
	caller *auth.Principal
	// stop ends what lasts.
	stop chan struct{}
}

// admin is a caller who may do everything.
func admin() *auth.Principal {
	return &auth.Principal{AccessKey: "sak_admin", Name: "robot", Role: servingv1.Role_ROLE_ADMIN}
}

func setup(t *testing.T) *bundle {
	t.Helper()
	b := &bundle{
		t: t, store: newFake(), keys: &fakeKeys{}, planes: &fakePlanes{}, ring: auth.NewKeyring(), caller: admin(), stop: make(chan struct{}),
	}
	var err error
	b.api, err = New(Parts{
		Store: b.store, Keys: b.keys, Planes: b.planes, Plan: planOf, Guard: b.guard, Ring: b.ring,
		Edge: rpc.NewEdge(slog.New(slog.DiscardHandler), func(string, connect.Code) {}),
		Now:  func() time.Time { return b.store.now },
	})
	if err != nil {
		t.Fatal(err)
	}
	b.serve()
	return b
}

// guard takes everybody for the caller.
func (b *bundle) guard(_ string, _ auth.Policy, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if b.caller != nil {
			r = r.WithContext(auth.NewContext(r.Context(), b.caller))
		}
		next.ServeHTTP(w, r)
	})
}

// serve serves the API as it is now.
func (b *bundle) serve() {
	mux := http.NewServeMux()
	b.api.Mount(mux, b.stop)
	server := httptest.NewServer(mux)
	b.t.Cleanup(server.Close)
	b.url = server.URL
}

// post calls a procedure of a service of strata.admin.v1 with JSON.
func (b *bundle) post(procedure, body string) (status int, answer []byte) {
	b.t.Helper()
	request, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, b.url+"/strata.admin.v1."+procedure, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	if b.author != "" {
		request.Header.Set("Strata-Author", b.author)
	}
	return b.do(request)
}

// binary calls a procedure with protobuf. Errors come as JSON all the same.
func (b *bundle) binary(procedure, body string) (status int, answer []byte) {
	b.t.Helper()
	request, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, b.url+"/strata.admin.v1."+procedure, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/proto")
	return b.do(request)
}

func httpClient(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func (b *bundle) do(request *http.Request) (status int, answer []byte) {
	b.t.Helper()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		b.t.Fatal(err)
	}
	answer, err = io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil {
		b.t.Fatal(err)
	}
	return response.StatusCode, answer
}

// call calls a procedure that has to succeed, and reads its answer.
func (b *bundle) call(procedure, body string, answer proto.Message) {
	b.t.Helper()
	status, data := b.post(procedure, body)
	if status != http.StatusOK {
		b.t.Fatalf("%s: status %d: %s", procedure, status, data)
	}
	if err := protojson.Unmarshal(data, answer); err != nil {
		b.t.Fatalf("%s: %v in %s", procedure, err, data)
	}
}

// ok calls a procedure that has to succeed.
func (b *bundle) ok(procedure, body string) {
	b.t.Helper()
	if status, data := b.post(procedure, body); status != http.StatusOK {
		b.t.Fatalf("%s: status %d: %s", procedure, status, data)
	}
}

// fault is an error as a client sees it.
type fault struct {
	code, message, reason string
	// violations are field: problem (reason).
	violations []string
}

func (f fault) fields() string {
	var fields []string
	for _, v := range f.violations {
		field, _, _ := strings.Cut(v, " | ")
		fields = append(fields, field)
	}
	return strings.Join(fields, ", ")
}

// fails calls a procedure that has to fail.
func (b *bundle) fails(procedure, body string) fault {
	b.t.Helper()
	status, data := b.post(procedure, body)
	if status == http.StatusOK {
		b.t.Fatalf("%s: succeeded: %s", procedure, data)
	}
	return faultOf(b.t, data)
}

// faultOf reads an error in Connect's JSON.
func faultOf(t *testing.T, data []byte) fault {
	t.Helper()
	var answer struct {
		Code, Message string
		Details       []struct{ Type, Value string }
	}
	if err := json.Unmarshal(data, &answer); err != nil {
		t.Fatalf("%v in %s", err, data)
	}
	f := fault{code: answer.Code, message: answer.Message}
	for _, d := range answer.Details {
		value, err := base64.RawStdEncoding.DecodeString(d.Value)
		if err != nil {
			t.Fatal(err)
		}
		f.add(t, d.Type, value)
	}
	return f
}

func (f *fault) add(t *testing.T, typ string, value []byte) {
	t.Helper()
	short := func(reason string) string { return strings.TrimPrefix(reason, "ERROR_REASON_") }
	switch typ {
	case "google.rpc.ErrorInfo":
		var info errdetails.ErrorInfo
		if err := proto.Unmarshal(value, &info); err != nil || info.GetDomain() != "strata" {
			t.Fatalf("%v in %v", err, &info)
		}
		f.reason = short(info.GetReason())
	case "google.rpc.BadRequest":
		var bad errdetails.BadRequest
		if err := proto.Unmarshal(value, &bad); err != nil {
			t.Fatal(err)
		}
		for _, v := range bad.GetFieldViolations() {
			f.violations = append(f.violations, v.GetField()+" | "+v.GetDescription()+" | "+short(v.GetReason()))
		}
	}
}

// snake is how names look in our JSON.
var snake = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// checkSnake looks at all names in some JSON but those of maps.
func checkSnake(t *testing.T, data []byte) {
	t.Helper()
	var all any
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for name, member := range v {
				if !snake.MatchString(name) {
					t.Errorf("the name %q in %s", name, data)
				}
				walk(member)
			}
		case []any:
			for _, item := range v {
				walk(item)
			}
		}
	}
	walk(all)
}

// world makes the environment dev with a layer of two experiments: 100, which
// runs in its first 3000 slots, and 200, a draft.
func (b *bundle) world() {
	b.t.Helper()
	b.ok("EnvironmentService/Create", `{"environment":{"name":"dev","description":"for tests"}}`)
	b.ok("RevisionService/Apply", `{"environment":"dev","message":"Begin","changes":[
		{"upsert_layer":{"layer_id":"ads","version":"v1","hash_key":"user_id","priority":10,"service":"web",
			"description":"Click tests","owners":["team-a"],"tags":["core"],
			"ranges":[{"start":0,"end":1000,"vid":101},{"start":1000,"end":3000,"vid":102}]}},
		{"upsert_layer":{"layer_id":"free","version":"v1","hash_key":"user_id"}},
		{"upsert_experiment":{"eid":100,"service":"web","name":"Big button","variants":[
			{"vid":101,"params_json":"{ \"size\": 1.0 }"},{"vid":102,"params_json":"{\"size\":2}"}]}},
		{"upsert_experiment":{"eid":200,"service":"web","layer_id":"ads","owners":["team-b"],"tags":["later"],
			"hypothesis":"Colour COUNTS","variants":[{"vid":201,"params_json":"{\"colour\":\"red\"}"}]}},
		{"upsert_field":{"name":"country","type":"FIELD_TYPE_STRING"}}]}`)
}
