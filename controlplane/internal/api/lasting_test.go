package api

import (
	"context"
	"crypto/ed25519"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/strata-exp/strata/controlplane/internal/plane"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/gen/go/strata/admin/v1/adminv1connect"
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/sdk/go/accesskey"
)

// ringed gives the caller a key that is in the ring.
func (b *bundle) ringed() *servingv1.PublicKey {
	b.t.Helper()
	public, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		b.t.Fatal(err)
	}
	key := &servingv1.PublicKey{
		AccessKey: accesskey.Name(public), PublicKey: public, Name: "robot", Role: servingv1.Role_ROLE_ADMIN,
		ExpiresAt: timestamppb.New(time.Now().Add(time.Hour)),
	}
	b.set(1, key)
	if b.caller, err = b.ring.Principal(key.GetAccessKey(), time.Now()); err != nil {
		b.t.Fatal(err)
	}
	return key
}

func (b *bundle) set(version int64, keys ...*servingv1.PublicKey) {
	b.t.Helper()
	if err := b.ring.Set(version, keys); err != nil {
		b.t.Fatal(err)
	}
}

// TestWait looks at what a request makes of the goal.
func TestWait(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.ringed()
	b.planes.waited = plane.Waited{Progress: &plane.Progress{Running: []*adminv1.Plane{{AccessKey: "a"}}}, Revision: 7, Reached: true}
	var got adminv1.RevisionServiceWaitResponse
	b.call("RevisionService/Wait", `{"environment":"dev"}`, &got)
	if !got.GetReached() || got.GetRevision() != 7 || len(got.GetRunning()) != 1 {
		t.Errorf("got %v", &got)
	}
	b.call("RevisionService/Wait", `{"environment":"dev","revision":"3","planes":2,"timeout":"0s"}`, &got)
	want := []plane.Goal{
		{Environment: "dev", Timeout: 30 * time.Second},
		{Environment: "dev", Revision: 3, Planes: 2},
	}
	if len(b.planes.goals) != 2 || b.planes.goals[0] != want[0] || b.planes.goals[1] != want[1] {
		t.Errorf("got %+v", b.planes.goals)
	}
	if f := b.fails("RevisionService/Wait", `{"environment":"dev","timeout":"61s"}`); f.fields() != "timeout" {
		t.Errorf("got %+v", f)
	}
}

func TestPlanes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.ringed()
	b.planes.view = plane.View{Revision: 5, Planes: []*adminv1.Plane{{AccessKey: "a"}}}
	var list adminv1.PlaneServiceListResponse
	b.call("PlaneService/List", `{"environment":"dev","all":true}`, &list)
	if list.GetRevision() != 5 || len(list.GetPlanes()) != 1 {
		t.Errorf("got %v", &list)
	}
	stream := b.watch(t.Context(), "dev")
	if !stream.Receive() || stream.Msg().GetRevision() != 5 || stream.Receive() || stream.Err() != nil {
		t.Errorf("got %v, %v", stream.Msg(), stream.Err())
	}
	if stream = b.watch(t.Context(), ""); stream.Receive() || connect.CodeOf(stream.Err()) != connect.CodeInvalidArgument {
		t.Errorf("got %v", stream.Err())
	}
	b.caller = limited("own")
	if stream = b.watch(t.Context(), "dev"); stream.Receive() || connect.CodeOf(stream.Err()) != connect.CodePermissionDenied {
		t.Errorf("got %v", stream.Err())
	}
}

func (b *bundle) watch(ctx context.Context, environment string) *connect.ServerStreamForClient[adminv1.PlaneServiceWatchResponse] {
	b.t.Helper()
	stream, err := adminv1connect.NewPlaneServiceClient(httpClient(b.t), b.url).Watch(ctx, &adminv1.PlaneServiceWatchRequest{Environment: environment})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = stream.Close() })
	return stream
}

// TestWhatLastsEnds ends calls by all that ends them but their clients.
func TestWhatLastsEnds(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]struct {
		do         func(b *bundle, key *servingv1.PublicKey)
		wait       connect.Code
		streamSays connect.Code
	}{
		"the server stops":   {func(b *bundle, _ *servingv1.PublicKey) { close(b.stop) }, connect.CodeUnavailable, connect.CodeCanceled},
		"the key is revoked": {func(b *bundle, _ *servingv1.PublicKey) { b.set(2) }, connect.CodeUnauthenticated, connect.CodeUnauthenticated},
		"the role changes": {func(b *bundle, key *servingv1.PublicKey) {
			b.set(2, &servingv1.PublicKey{AccessKey: key.GetAccessKey(), PublicKey: key.GetPublicKey(), Role: servingv1.Role_ROLE_VIEWER})
		}, connect.CodeUnauthenticated, connect.CodeUnauthenticated},
		"the key expires": {func(b *bundle, key *servingv1.PublicKey) {
			b.set(2, &servingv1.PublicKey{
				AccessKey: key.GetAccessKey(), PublicKey: key.GetPublicKey(), Role: key.GetRole(), ExpiresAt: timestamppb.Now(),
			})
		}, connect.CodeUnauthenticated, connect.CodeUnauthenticated},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			key := b.ringed()
			b.planes.lasting = make(chan struct{}, 2)
			stream := b.watch(t.Context(), "dev")
			if !stream.Receive() {
				t.Fatal(stream.Err())
			}
			waits := make(chan error, 1)
			go func() {
				_, err := adminv1connect.NewRevisionServiceClient(httpClient(t), b.url).
					Wait(t.Context(), &adminv1.RevisionServiceWaitRequest{Environment: "dev", Timeout: durationpb.New(time.Minute)})
				waits <- err
			}()
			for range 2 { // before that the calls have not begun
				<-b.planes.lasting
			}
			end.do(b, key)
			if stream.Receive() || connect.CodeOf(stream.Err()) != end.streamSays {
				t.Errorf("the stream ends with %v", stream.Err())
			}
			if err := <-waits; connect.CodeOf(err) != end.wait {
				t.Errorf("the wait ends with %v", err)
			}
		})
	}
}
