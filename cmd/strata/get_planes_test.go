package main

import (
	"context"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/timestamppb"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/gen/go/strata/admin/v1/adminv1connect"
	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
)

// samplePlanes are one that runs revision 7, one that lags, one that rejects, and
// one that is gone.
func samplePlanes(now time.Time) []*adminv1.Plane {
	ago := func(d time.Duration) *timestamppb.Timestamp { return timestamppb.New(now.Add(-d)) }
	const client = "strata-dataplane/1.2.0"
	return []*adminv1.Plane{
		{
			Status: &servingv1.Status{
				Instance: "dp-eu-1", Client: client, State: servingv1.PlaneState_PLANE_STATE_SYNCED, ReplicatedRevision: 7, ActiveRevision: 7,
				Followers: []*servingv1.Followers{
					{Client: "strata-go/1.0", Revision: 6, Count: 2},
					{Client: "strata-go/1.0", Revision: 7, Count: 30},
					{Client: "strata-python/1.0", Revision: 7, Count: 10},
				},
			},
			AccessKey: "sak_aaaaaaaaaaaaaaaaaaaaaaaa", KeyName: "plane-eu", ReportedAt: ago(500 * time.Millisecond), Connected: true,
		},
		{
			Status: &servingv1.Status{
				Instance: "dp-eu-2", Client: client, State: servingv1.PlaneState_PLANE_STATE_STALE, ReplicatedRevision: 5, ActiveRevision: 5,
				StaleMillis: 63_400,
			},
			KeyName: "plane-eu", ReportedAt: ago(40*time.Second + 500*time.Millisecond), Connected: true, Behind: 2,
		},
		{
			Status: &servingv1.Status{
				Instance: "dp-us-1", Client: client, State: servingv1.PlaneState_PLANE_STATE_REJECTED, ReplicatedRevision: 7, ActiveRevision: 6,
				Rejections: []*servingv1.Rejection{
					{Kind: configv1.EntityKind_ENTITY_KIND_LAYER, Key: "ranker_model", Problem: "ranges overlap at slot 4000"},
					{Problem: "the hash is another one\x1b[2J"},
				},
			},
			KeyName: "plane-us", ReportedAt: ago(2500 * time.Millisecond), Connected: true, Behind: 1,
		},
		{
			Status:     &servingv1.Status{Instance: "ranker-7f9c", Client: "strata-go/1.0", State: servingv1.PlaneState_PLANE_STATE_SYNCED, ReplicatedRevision: 3, ActiveRevision: 3},
			ReportedAt: ago(3*time.Hour + time.Minute), Behind: 4,
		},
	}
}

// planed serves planes, and each list of a stream; after those the stream fails
// as a control plane does that stops, and begins anew with the last list.
func planed(t *testing.T, lists ...*adminv1.PlaneServiceWatchResponse) *plane {
	t.Helper()
	p := newPlane(t, "production")
	on(p, adminv1connect.PlaneServiceListProcedure, func(_ context.Context, r *adminv1.PlaneServiceListRequest) (*adminv1.PlaneServiceListResponse, error) {
		planes := samplePlanes(time.Now())
		switch {
		case r.GetEnvironment() == "empty":
			planes = nil
		case !r.GetAll():
			planes = planes[:3]
		}
		return &adminv1.PlaneServiceListResponse{Revision: 7, Planes: planes}, nil
	})
	var mu sync.Mutex
	p.mux.Handle(adminv1connect.PlaneServiceWatchProcedure, connect.NewServerStreamHandlerSimple(adminv1connect.PlaneServiceWatchProcedure,
		func(_ context.Context, r *adminv1.PlaneServiceWatchRequest, stream *connect.ServerStream[adminv1.PlaneServiceWatchResponse]) error {
			mu.Lock()
			defer mu.Unlock()
			for len(lists) > 1 {
				if err := stream.Send(lists[0]); err != nil {
					return err
				}
				lists = lists[1:]
			}
			if len(lists) == 1 {
				err := stream.Send(lists[0])
				lists = nil
				if err != nil {
					return err
				}
				return refusal(connect.CodeUnavailable, adminv1.ErrorReason_ERROR_REASON_UNAVAILABLE, "stopping")
			}
			return refusal(connect.CodeNotFound, adminv1.ErrorReason_ERROR_REASON_ENVIRONMENT_NOT_FOUND, "there is no environment "+r.GetEnvironment())
		}))
	return p
}

func TestPlaneSessions(t *testing.T) {
	t.Parallel()
	p := planed(t)
	for name, args := range map[string]string{
		"get_planes":       "get planes",
		"get_planes_all":   "get planes --all",
		"get_planes_empty": "get planes --env empty",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p.golden(t, name, strings.Fields(args)...)
		})
	}
	_, out, _ := p.run(t, "", "get", "planes", "-o", "json")
	got := new(adminv1.PlaneServiceListResponse)
	if err := protojson.Unmarshal([]byte(out), got); err != nil || len(got.GetPlanes()) != 3 || got.GetRevision() != 7 {
		t.Errorf("%v: %s", err, out)
	}
}

// watchLists are what is seen of three planes, the second of which catches up, as
// the third one goes.
func watchLists() []*adminv1.PlaneServiceWatchResponse {
	before, same, after := samplePlanes(time.Now())[:3], samplePlanes(time.Now())[:3], samplePlanes(time.Now())[:2]
	after[1].Status.ActiveRevision, after[1].Status.ReplicatedRevision, after[1].Behind = 7, 7, 0
	after[1].Status.State = servingv1.PlaneState_PLANE_STATE_SYNCED
	same[0].Status.StaleMillis = 5
	var lists []*adminv1.PlaneServiceWatchResponse
	for _, planes := range [][]*adminv1.Plane{before, same, after} {
		lists = append(lists, &adminv1.PlaneServiceWatchResponse{Revision: 7, Planes: planes})
	}
	return lists
}

// watched watches until the stream fails for good.
func watched(t *testing.T, out io.Writer, format outputFormat) (messages string, err error) {
	t.Helper()
	p := planed(t, watchLists()...)
	s := newServer(&connection{server: p.url, environment: "production"})
	defer s.close()
	s.wait = func(context.Context, time.Duration) error { return nil }
	var said strings.Builder
	w := &planeWatch{server: s, show: planeWriter(out, format, "production")}
	err = w.run(t.Context(), &said)
	return said.String(), err
}

func TestWatchWritesLines(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	messages, err := watched(t, &out, asTable)
	if connect.CodeOf(err) != connect.CodeNotFound || messages != "strata: note: the control plane ended the stream: trying again\n" {
		t.Errorf("%v, %s", err, messages)
	}
	var got []string
	for line := range strings.Lines(out.String()) {
		_, text, _ := strings.Cut(strings.TrimSpace(line), "  ")
		got = append(got, text)
	}
	want := []string{
		"dp-eu-1  SYNCED  active 7  replicated 7  behind 0",
		"dp-eu-2  STALE  active 5  replicated 5  behind 2",
		`dp-us-1  REJECTED  active 6  replicated 7  behind 1  layer ranker_model: ranges overlap at slot 4000  the hash is another one\u001b[2J`,
		"dp-eu-2  SYNCED  active 7  replicated 7  behind 0",
		"dp-us-1  GONE",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// screen is an output that somebody looks at.
type screen struct {
	strings.Builder
	terminal
}

func TestWatchDrawsOnATerminal(t *testing.T) {
	t.Parallel()
	out := &screen{terminal: terminal{mode: os.ModeCharDevice}}
	if _, err := watched(t, out, asTable); err == nil {
		t.Error("want an error")
	}
	if n := strings.Count(out.String(), "\x1b[H\x1b[2Jproduction at revision 7, "); n != 3 || strings.Count(out.String(), "INSTANCE ") != 3 {
		t.Errorf("drawn %d times:\n%s", n, out)
	}
}

func TestWatchWritesDocuments(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	if _, err := watched(t, &out, asJSON); err == nil {
		t.Error("want an error")
	}
	n := 0
	for line := range strings.Lines(out.String()) {
		if err := protojson.Unmarshal([]byte(line), new(adminv1.PlaneServiceWatchResponse)); err != nil {
			t.Error(err, line)
		}
		n++
	}
	if n != 3 {
		t.Errorf("%d lines", n)
	}
	out.Reset()
	if _, err := watched(t, &out, asYAML); err == nil || strings.Count(out.String(), "---\nrevision: ") != 3 {
		t.Errorf("%v:\n%s", err, &out)
	}
}

func TestWatchFailsAtOnce(t *testing.T) {
	t.Parallel()
	p := planed(t)
	code, _, messages := p.run(t, "", "get", "planes", "--watch")
	if code != 1 || messages != "strata: there is no environment production [ENVIRONMENT_NOT_FOUND]\n\"strata get environments\" lists those there are\n" {
		t.Errorf("exit code %d, %s", code, messages)
	}
}

func TestWatchEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	p := newPlane(t, "production")
	p.mux.Handle(adminv1connect.PlaneServiceWatchProcedure, connect.NewServerStreamHandlerSimple(adminv1connect.PlaneServiceWatchProcedure,
		func(ctx context.Context, _ *adminv1.PlaneServiceWatchRequest, stream *connect.ServerStream[adminv1.PlaneServiceWatchResponse]) error {
			if err := stream.Send(watchLists()[0]); err != nil {
				return err
			}
			<-ctx.Done()
			return ctx.Err()
		}))
	out := &signalled{text: "dp-us-1", seen: make(chan struct{})}
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, []string{"get", "planes", "-w"}, streams{strings.NewReader(""), out, io.Discard},
			func(name string) (string, bool) { value, ok := p.env[name]; return value, ok })
	}()
	<-out.seen
	cancel()
	if got := <-code; got != 0 {
		t.Errorf("exit code %d", got)
	}
}

func TestSpans(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		-time.Hour: "0 s", 0: "0 s", 90 * time.Second: "90 s", 2 * time.Minute: "2 min", 119 * time.Minute: "119 min",
		2 * time.Hour: "2 h", 47 * time.Hour: "47 h", 49 * time.Hour: "2 d",
	} {
		if got := span(d); got != want {
			t.Errorf("%s: got %s, want %s", d, got, want)
		}
	}
}
