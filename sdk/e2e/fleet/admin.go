package fleet

import (
	"context"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/durationpb"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/gen/go/strata/admin/v1/adminv1connect"
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/sdk/go/accesskey"
)

const (
	controlAudience = "control-plane"
	dataAudience    = "data-plane"
	// callTime is how long a call may take.
	callTime = 10 * time.Second
)

// Admin calls the admin API with the first key. It goes to another control plane
// after a call that did not get through. It is safe for concurrent use.
type Admin struct {
	fleet *Fleet
	http  *http.Client
	turn  atomic.Int64
}

func newAdmin(f *Fleet, key *accesskey.Key) *Admin {
	return &Admin{fleet: f, http: signedClient(f.t, key, controlAudience, nil)}
}

// As returns the admin API as the owner of another key has it.
func (a *Admin) As(key *accesskey.Key) *Admin { return newAdmin(a.fleet, key) }

// signedClient returns a client that signs. Paths of the config stream and of
// evaluations are signed by sessions.
func signedClient(t T, key *accesskey.Key, audience string, now func() time.Time) *http.Client {
	transport := &http.Transport{
		DialContext:           (&net.Dialer{Timeout: 2 * time.Second}).DialContext,
		ResponseHeaderTimeout: callTime,
		MaxIdleConnsPerHost:   64,
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: &accesskey.Transport{Key: key, Audience: audience, Next: transport, Now: now}}
}

// at returns the address to call, and moves on where the last call failed.
func (a *Admin) at() string {
	all := a.fleet.Control
	return "http://" + all[int(a.turn.Load())%len(all)].HTTP
}

// Next has the calls that follow go to another control plane.
func (a *Admin) Next() { a.turn.Add(1) }

// Revisions returns the service of revisions.
func (a *Admin) Revisions() adminv1connect.RevisionServiceClient {
	return adminv1connect.NewRevisionServiceClient(a.http, a.at())
}

// Environments returns the service of environments.
func (a *Admin) Environments() adminv1connect.EnvironmentServiceClient {
	return adminv1connect.NewEnvironmentServiceClient(a.http, a.at())
}

// Keys returns the service of access keys.
func (a *Admin) Keys() adminv1connect.AccessKeyServiceClient {
	return adminv1connect.NewAccessKeyServiceClient(a.http, a.at())
}

// Planes returns the service of planes.
func (a *Admin) Planes() adminv1connect.PlaneServiceClient {
	return adminv1connect.NewPlaneServiceClient(a.http, a.at())
}

func (a *Admin) createEnvironment(ctx context.Context) error {
	return a.CreateEnvironment(ctx, Environment)
}

// CreateEnvironment creates an environment.
func (a *Admin) CreateEnvironment(ctx context.Context, name string) error {
	_, err := a.Environments().Create(ctx, &adminv1.EnvironmentServiceCreateRequest{Environment: &adminv1.Environment{
		Name: name, CoolingPeriod: durationpb.New(0),
	}})
	return err
}

// Apply makes changes, once, in the environment unless another one is named.
func (a *Admin) Apply(ctx context.Context, request *adminv1.RevisionServiceApplyRequest) (int64, error) {
	if request.GetEnvironment() == "" {
		request.Environment = Environment
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	response, err := a.Revisions().Apply(ctx, request)
	return response.GetRevision(), err
}

// NewKey makes a key whose secret never leaves this process.
func (a *Admin) NewKey(ctx context.Context, name string, role servingv1.Role, services ...string) (*accesskey.Key, error) {
	key, err := accesskey.Generate()
	if err != nil {
		return nil, err
	}
	_, err = a.Keys().Create(ctx, &adminv1.AccessKeyServiceCreateRequest{
		Name: name, Role: role, Services: services, PublicKey: key.PublicKey(),
	})
	return key, err
}

// Revoke revokes a key.
func (a *Admin) Revoke(ctx context.Context, key *accesskey.Key) error {
	_, err := a.Keys().Revoke(ctx, &adminv1.AccessKeyServiceRevokeRequest{AccessKey: key.AccessKey()})
	return err
}

// lost reports whether nothing is known of what became of a call: it may have
// been carried out.
func lost(err error) bool {
	switch connect.CodeOf(err) {
	case connect.CodeUnavailable, connect.CodeUnknown, connect.CodeCanceled, connect.CodeDeadlineExceeded, connect.CodeInternal:
		return true
	default:
		return false
	}
}

// At returns the admin API of one control plane.
func (a *Admin) At(i int) *Admin {
	other := &Admin{fleet: a.fleet, http: a.http}
	other.turn.Store(int64(i))
	return other
}
