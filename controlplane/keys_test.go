package controlplane_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"connectrpc.com/grpchealth"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/strata-exp/strata/controlplane"
	"github.com/strata-exp/strata/db/dbtest"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/gen/go/strata/admin/v1/adminv1connect"
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/sdk/go/accesskey"
)

// eachMethod calls a function for each procedure of the admin API.
func eachMethod(f func(procedure string, m protoreflect.MethodDescriptor)) {
	protoregistry.GlobalFiles.RangeFilesByPackage("strata.admin.v1", func(file protoreflect.FileDescriptor) bool {
		for i := range file.Services().Len() {
			service := file.Services().Get(i)
			for k := range service.Methods().Len() {
				m := service.Methods().Get(k)
				f("/"+string(service.FullName())+"/"+string(m.Name()), m)
			}
		}
		return true
	})
}

// TestNobodyIsLetIn calls every procedure without a key, over all protocols.
func TestNobodyIsLetIn(t *testing.T) {
	t.Parallel()
	l, _ := start(t)
	url := "http://" + l.HTTP.String()
	h2 := new(http.Protocols)
	h2.SetUnencryptedHTTP2(true)
	overH2 := &http.Transport{Protocols: h2}
	t.Cleanup(overH2.CloseIdleConnections)
	for _, protocol := range []struct {
		name    string
		http    *http.Client
		options []connect.ClientOption
	}{
		{"connect", unsigned(t), nil},
		{"grpc", &http.Client{Transport: overH2}, []connect.ClientOption{connect.WithGRPC()}},
		{"grpc-web", unsigned(t), []connect.ClientOption{connect.WithGRPCWeb()}},
	} {
		eachMethod(func(procedure string, m protoreflect.MethodDescriptor) {
			client := connect.NewClient[emptypb.Empty, emptypb.Empty](protocol.http, url+procedure, protocol.options...)
			var err error
			if m.IsStreamingServer() {
				stream, failed := client.CallServerStream(t.Context(), connect.NewRequest(&emptypb.Empty{}))
				if failed != nil {
					t.Fatal(failed)
				}
				stream.Receive()
				err = stream.Err()
				_ = stream.Close()
			} else {
				_, err = client.CallUnary(t.Context(), connect.NewRequest(&emptypb.Empty{}))
			}
			if connect.CodeOf(err) != connect.CodeUnauthenticated {
				t.Errorf("%s over %s: %v", procedure, protocol.name, err)
			}
		})
	}
	health := connect.NewClient[emptypb.Empty, emptypb.Empty](unsigned(t), url+"/"+grpchealth.HealthV1ServiceName+"/Check")
	if _, err := health.CallUnary(t.Context(), connect.NewRequest(&emptypb.Empty{})); err != nil {
		t.Errorf("who asks for health has to sign: %v", err)
	}
}

// recorder keeps requests as they are sent.
type recorder struct {
	next http.RoundTripper

	mu   sync.Mutex
	last *http.Request
	body []byte
}

func (r *recorder) RoundTrip(request *http.Request) (*http.Response, error) {
	body, err := request.GetBody()
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	r.last, r.body = request.Clone(context.Background()), data
	r.mu.Unlock()
	return r.next.RoundTrip(request)
}

// send sends what was recorded to another server, after a change.
func (r *recorder) send(t *testing.T, addr string, change func(*http.Request, []byte) []byte) (status int, authError string) {
	t.Helper()
	r.mu.Lock()
	request, body := r.last.Clone(t.Context()), bytes.Clone(r.body)
	r.mu.Unlock()
	request.URL.Host, request.Host = addr, ""
	if change != nil {
		body = change(request, body)
	}
	request.Body, request.ContentLength, request.GetBody = io.NopCloser(bytes.NewReader(body)), int64(len(body)), nil
	response, err := unsigned(t).Transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	return response.StatusCode, response.Header.Get(accesskey.HeaderError)
}

// TestReplay sends the request of a change once more, to the replica that carried
// it out and to another one, as it was and changed.
func TestReplay(t *testing.T) {
	t.Parallel()
	url := dbtest.URL(t)
	key := bootstrap(t, url)
	here, there := startOn(t, url), startOn(t, url)
	createEnvironment(t, here.HTTP.String(), key)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	sent := &recorder{next: transport}
	client := signedOver(key, sent)
	made, err := adminv1connect.NewLayerServiceClient(client, "http://"+here.HTTP.String()).
		Create(t.Context(), &adminv1.LayerServiceCreateRequest{Environment: environment, Layer: emptyLayer("a")})
	if err != nil || made.GetRevision() != 2 {
		t.Fatalf("got %v, %v", made, err)
	}
	// What could be carried out again, were it let through.
	if _, err := adminv1connect.NewLayerServiceClient(client, "http://"+here.HTTP.String()).
		Delete(t.Context(), &adminv1.LayerServiceDeleteRequest{Environment: environment, LayerId: "a"}); err != nil {
		t.Fatal(err)
	}
	if _, err := adminv1connect.NewLayerServiceClient(signed(t, key), "http://"+here.HTTP.String()).
		Create(t.Context(), &adminv1.LayerServiceCreateRequest{Environment: environment, Layer: emptyLayer("a")}); err != nil {
		t.Fatal(err)
	}
	for name, again := range map[string]struct {
		addr   string
		change func(*http.Request, []byte) []byte
		want   string
	}{
		"here":  {here.HTTP.String(), nil, "replayed"},
		"there": {there.HTTP.String(), nil, "replayed"},
		"another path": {there.HTTP.String(), func(r *http.Request, body []byte) []byte {
			r.URL.Path = strings.Replace(r.URL.Path, "LayerService", "FieldService", 1)
			return body
		}, "unauthenticated"},
		"another body": {there.HTTP.String(), func(_ *http.Request, body []byte) []byte {
			body[len(body)-1] ^= 1
			return body
		}, "unauthenticated"},
		"another body with its digest": {there.HTTP.String(), func(r *http.Request, body []byte) []byte {
			body[len(body)-1] ^= 1
			r.Header.Set(accesskey.HeaderDigest, accesskey.Digest(body))
			return body
		}, "unauthenticated"},
		"another audience": {there.HTTP.String(), func(r *http.Request, body []byte) []byte {
			r.Header.Set(accesskey.HeaderAudience, "data-plane")
			return body
		}, "unauthenticated"},
		"no signature": {there.HTTP.String(), func(r *http.Request, body []byte) []byte {
			r.Header.Del(accesskey.HeaderSignature)
			return body
		}, "unauthenticated"},
	} {
		if status, got := sent.send(t, again.addr, again.change); status != http.StatusUnauthorized || got != again.want {
			t.Errorf("%s: status %d, %q, want %q", name, status, got, again.want)
		}
	}
	layers, err := adminv1connect.NewLayerServiceClient(signed(t, key), "http://"+there.HTTP.String()).
		List(t.Context(), &adminv1.LayerServiceListRequest{Environment: environment})
	if err != nil || layers.GetRevision() != 4 {
		t.Errorf("a change was carried out again: %v, %v", layers, err)
	}
}

// TestKeys makes keys by the API of one replica, and uses and revokes them at
// another one.
func TestKeys(t *testing.T) {
	t.Parallel()
	url := dbtest.URL(t)
	key := bootstrap(t, url)
	here, there := "http://"+startOn(t, url).HTTP.String(), "http://"+startOn(t, url).HTTP.String()
	createEnvironment(t, strings.TrimPrefix(here, "http://"), key)
	keys := adminv1connect.NewAccessKeyServiceClient(signed(t, key), here)
	made, err := keys.Create(t.Context(), &adminv1.AccessKeyServiceCreateRequest{
		Name: "reader", Role: servingv1.Role_ROLE_VIEWER, Environments: []string{environment},
	})
	if err != nil {
		t.Fatal(err)
	}
	pair, err := accesskey.Parse(made.GetAccessKey().GetKey().GetAccessKey(), made.GetSecretKey())
	if err != nil {
		t.Fatal(err)
	}
	reader := signed(t, pair)
	read := func(url string) connect.Code {
		_, err := adminv1connect.NewLayerServiceClient(reader, url).List(t.Context(), &adminv1.LayerServiceListRequest{Environment: environment})
		if err == nil {
			return 0
		}
		return connect.CodeOf(err)
	}
	if code := read(here); code != 0 {
		t.Errorf("at once and where it was made, the key is answered %v", code)
	}
	within(t, "the other replica takes the key", func() bool { return read(there) == 0 })
	_, err = adminv1connect.NewFieldServiceClient(reader, here).Delete(t.Context(), &adminv1.FieldServiceDeleteRequest{Environment: environment, Name: "a"})
	if connect.CodeOf(err) != connect.CodePermissionDenied {
		t.Errorf("a viewer's change is answered %v", err)
	}
	if _, err := keys.Revoke(t.Context(), &adminv1.AccessKeyServiceRevokeRequest{AccessKey: pair.AccessKey()}); err != nil {
		t.Fatal(err)
	}
	if code := read(here); code != connect.CodeUnauthenticated {
		t.Errorf("at once and where it was revoked, the key is answered %v", code)
	}
	within(t, "the other replica refuses the key", func() bool { return read(there) == connect.CodeUnauthenticated })
	_, err = keys.Revoke(t.Context(), &adminv1.AccessKeyServiceRevokeRequest{AccessKey: key.AccessKey()})
	if connect.CodeOf(err) != connect.CodeFailedPrecondition {
		t.Errorf("the last key that may do everything is revoked: %v", err)
	}
}

// within asks until the answer is yes, for as long as the contract says.
func within(t *testing.T, what string, is func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	for !is() {
		if ctx.Err() != nil {
			t.Fatalf("after two seconds still not: %s", what)
		}
	}
}

// TestSessionsAreForReads signs a change by a session.
func TestSessionsAreForReads(t *testing.T) {
	t.Parallel()
	l, key := start(t)
	createEnvironment(t, l.HTTP.String(), key)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	all := &http.Client{Transport: &accesskey.Transport{
		Key: key, Audience: "control-plane", Sessions: func(string) bool { return true }, Next: transport,
	}}
	fields := adminv1connect.NewFieldServiceClient(all, "http://"+l.HTTP.String())
	if _, err := fields.List(t.Context(), &adminv1.FieldServiceListRequest{Environment: environment}); err != nil {
		t.Error(err)
	}
	_, err := fields.Delete(t.Context(), &adminv1.FieldServiceDeleteRequest{Environment: environment, Name: "a"})
	if connect.CodeOf(err) != connect.CodeUnauthenticated || !strings.Contains(err.Error(), "session") {
		t.Errorf("got %v", err)
	}
}

func TestBootstrap(t *testing.T) {
	t.Parallel()
	url := dbtest.URL(t)
	bootstrap(t, url)
	if _, err := controlplane.Bootstrap(t.Context(), url, controlplane.BootstrapOptions{}); !errors.Is(err, controlplane.ErrHasAdmin) {
		t.Errorf("got %v", err)
	}
	if _, err := controlplane.Bootstrap(t.Context(), url, controlplane.BootstrapOptions{Force: true, TTL: time.Hour}); err != nil {
		t.Error(err)
	}
}
