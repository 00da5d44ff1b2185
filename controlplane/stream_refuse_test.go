package controlplane_test

import (
	"bytes"
	"io"
	"net/http"
	"testing"
	"time"

	"connectrpc.com/connect"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/gen/go/strata/admin/v1/adminv1connect"
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/gen/go/strata/serving/v1/servingv1connect"
	"github.com/strata-exp/strata/sdk/go/accesskey"
)

// tamper changes signed requests on their way.
type tamper struct {
	next   http.RoundTripper
	change func(r *http.Request, body []byte) []byte
	twice  bool // sends each request again, and returns the second answer
}

func (t *tamper) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	_ = r.Body.Close()
	r = r.Clone(r.Context())
	if t.change != nil {
		body = t.change(r, body)
	}
	if t.twice {
		first, err := t.send(r, body)
		if err != nil {
			return nil, err
		}
		_ = first.Body.Close()
	}
	return t.send(r, body)
}

func (t *tamper) send(r *http.Request, body []byte) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	answer, err := t.next.RoundTrip(r)
	if err == nil {
		answer.Header.Del(accesskey.HeaderServerTime) // by which the client would correct its clock
	}
	return answer, err
}

// TestStreamRefuses has signatures that do not hold, and calls beyond a key's
// scope, over each protocol.
func TestStreamRefuses(t *testing.T) {
	l, admin := start(t)
	adminURL, streamURL := "http://"+l.HTTP.String(), "http://"+l.Push.String()
	client := signed(t, admin)
	for _, name := range []string{"prod", "other"} {
		_, err := adminv1connect.NewEnvironmentServiceClient(client, adminURL).
			Create(t.Context(), &adminv1.EnvironmentServiceCreateRequest{Environment: &adminv1.Environment{Name: name}})
		if err != nil {
			t.Fatal(err)
		}
	}
	key, err := accesskey.Generate()
	if err != nil {
		t.Fatal(err)
	}
	_, err = adminv1connect.NewAccessKeyServiceClient(client, adminURL).Create(t.Context(), &adminv1.AccessKeyServiceCreateRequest{
		Name: "sdk", Role: servingv1.Role_ROLE_SDK, Environments: []string{"prod"}, Services: []string{"shop"}, PublicKey: key.PublicKey(),
	})
	if err != nil {
		t.Fatal(err)
	}
	clear2 := new(http.Protocols)
	clear2.SetUnencryptedHTTP2(true)
	for protocol, how := range map[string]struct {
		transport *http.Transport
		options   []connect.ClientOption
	}{
		"Connect":           {&http.Transport{}, nil},
		"Connect, JSON":     {&http.Transport{}, []connect.ClientOption{connect.WithProtoJSON()}},
		"Connect on HTTP/2": {&http.Transport{Protocols: clear2}, nil},
		"gRPC":              {&http.Transport{Protocols: clear2}, []connect.ClientOption{connect.WithGRPC()}},
		"gRPC-Web":          {&http.Transport{}, []connect.ClientOption{connect.WithGRPCWeb()}},
	} {
		t.Cleanup(how.transport.CloseIdleConnections)
		for _, test := range []struct {
			name     string
			audience string
			late     time.Duration
			tamper   tamper
			watch    *servingv1.WatchRequest
			want     connect.Code
		}{
			{name: "good"},
			{name: "replayed", tamper: tamper{twice: true}, want: connect.CodeUnauthenticated},
			{name: "altered", tamper: tamper{change: func(_ *http.Request, body []byte) []byte {
				body[len(body)-1] ^= 1
				return body
			}}, want: connect.CodeUnauthenticated},
			{name: "of another call", tamper: tamper{change: func(r *http.Request, body []byte) []byte {
				r.URL.Path = servingv1connect.ConfigServiceReportStatusProcedure
				return body
			}}, want: connect.CodeUnauthenticated},
			{name: "expired", late: time.Hour, want: connect.CodeUnauthenticated},
			{name: "for another audience", audience: "data-plane", want: connect.CodeUnauthenticated},
			{name: "foreign environment", watch: &servingv1.WatchRequest{Environment: "other", Instance: "i"}, want: connect.CodePermissionDenied},
			{name: "foreign service", watch: &servingv1.WatchRequest{Environment: "prod", Services: []string{"search"}, Instance: "i"}, want: connect.CodePermissionDenied},
		} {
			test.tamper.next = how.transport
			if test.audience == "" {
				test.audience = "control-plane"
			}
			if test.watch == nil {
				test.watch = &servingv1.WatchRequest{Environment: "prod", Instance: "i"}
			}
			stream := servingv1connect.NewConfigServiceClient(&http.Client{Transport: &accesskey.Transport{
				Key: key, Audience: test.audience, Next: &test.tamper,
				Now: func() time.Time { return time.Now().Add(-test.late) },
			}}, streamURL, how.options...)
			_, err := stream.Fetch(t.Context(), &servingv1.FetchRequest{Watch: test.watch})
			if code := codeOf(err); code != test.want {
				t.Errorf("%s, fetch, %s: %v", protocol, test.name, err)
			}
			frames, err := stream.Watch(t.Context(), test.watch)
			if err == nil {
				if !frames.Receive() {
					err = frames.Err()
				}
				_ = frames.Close()
			}
			if code := codeOf(err); code != test.want {
				t.Errorf("%s, watch, %s: %v", protocol, test.name, err)
			}
		}
	}
}
