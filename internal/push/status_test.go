package push

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/internal/auth"
)

func TestFollowersAreCounted(t *testing.T) {
	t.Parallel()
	var reported []string
	setup(t, func(c *Config) {
		c.Report = func(_ context.Context, environment string, p *auth.Principal, status *servingv1.Status) error {
			reported = append(reported, environment+" "+p.Role.String()+" "+status.GetInstance())
			return nil
		}
	}, func(b *bench) {
		b.publish()
		sdk := b.keys.add(servingv1.Role_ROLE_SDK)
		send := func(key, stream, instance string, revision int64, others ...*servingv1.Followers) {
			_, err := b.server.ReportStatus(b.keys.context(b.Context(), key), &servingv1.ReportStatusRequest{
				Environment: production, StreamId: stream,
				Status: &servingv1.Status{
					Instance: instance, Client: "sdk/2", State: servingv1.PlaneState_PLANE_STATE_SYNCED,
					ActiveRevision: revision, Followers: others,
				},
			})
			if err != nil {
				b.Fatal(err)
			}
		}
		count := func() string {
			var lines []string
			for _, f := range b.server.Followers(production) {
				lines = append(lines, fmt.Sprintf("%s %v %d %d x%d", f.GetClient(), f.GetServices(), f.GetRevision(), f.GetState(), f.GetCount()))
			}
			return strings.Join(lines, "; ")
		}
		for i := range 3 {
			run := follow(b.keys.context(b.Context(), sdk), b.server, watchRequest(nil, "service-1"), newReader(b.oracle, newScope([]string{"service-1"}, false)), fmt.Sprint("s", i))
			b.runs = append(b.runs, run)
		}
		r := b.reader()
		b.follow(b.plane, watchRequest(nil), r)
		b.head(r)
		if got, want := count(), "test/1 [service-1] 0 0 x3; test/1 [] 0 0 x1"; got != want {
			b.Errorf("got  %s\nwant %s", got, want)
		}
		below := &servingv1.Followers{Client: "sdk/2", Services: []string{"service-1"}, Revision: 1, State: servingv1.PlaneState_PLANE_STATE_SYNCED, Count: 40}
		send(sdk, "s0", "a", 1, below) // an SDK has no followers
		send(sdk, "s1", "b", 1)
		send(sdk, "elsewhere", "c", 1)
		send(sdk, "", "d", 1)
		send(sdk, "", "d", 2)
		send(b.plane, "stream", "e", 1, below)
		want := "sdk/2 [service-1] 1 1 x42; sdk/2 [] 1 1 x1; sdk/2 [] 2 1 x1; test/1 [service-1] 0 0 x1"
		if got := count(); got != want {
			b.Errorf("got  %s\nwant %s", got, want)
		}
		if got := b.server.Followers("elsewhere"); len(got) > 0 {
			b.Errorf("elsewhere follow %v", got)
		}
		if got := strings.Join(reported, "; "); !strings.Contains(got, "production ROLE_PLANE e") || len(reported) != 6 {
			b.Errorf("reported: %s", got)
		}
		pass(6 * time.Minute)
		if got := count(); strings.Contains(got, "sdk/2 [] 2") {
			b.Errorf("who fetched long ago still counts: %s", got)
		}
	})
}

func TestCountsAreBounded(t *testing.T) {
	t.Parallel()
	counts := tally{}
	for i := range int64(5000) {
		counts.add(&servingv1.Followers{Revision: i, Count: 1 + int32(i%7)})
	}
	all := counts.sorted()
	sum := int32(0)
	for _, f := range all {
		sum += f.GetCount()
	}
	if len(all) != maxCounts || sum != 5000/7*28+1+2 || all[0].GetCount() != 7 {
		t.Errorf("%d counts of %d, the first %v", len(all), sum, all[0])
	}
	status := &servingv1.ReportStatusRequest{Status: &servingv1.Status{Instance: "x", Followers: all}}
	if err := checkReport(status); err != nil {
		t.Error(err)
	}
}

func TestCountsAreBoundedInAll(t *testing.T) {
	t.Parallel()
	services := make([]string, 100)
	for i := range services {
		services[i] = text(200)
	}
	counts := tally{}
	for i := range int64(200) {
		counts.add(&servingv1.Followers{Revision: i, Services: services, Count: 1})
	}
	all := counts.sorted()
	sum := int32(0)
	for _, f := range all {
		sum += f.GetCount()
	}
	if size := followersBytes(all); sum != 200 || size > maxFollowersBytes || size < maxFollowersBytes*9/10 {
		t.Errorf("%d counts of %d, in %d bytes", len(all), sum, size)
	}
	status := &servingv1.ReportStatusRequest{Status: &servingv1.Status{Instance: "x", Followers: all}}
	if err := checkReport(status); err != nil {
		t.Error(err)
	}
	status.Status.Followers = append(status.Status.Followers, &servingv1.Followers{Services: services})
	if checkReport(status) == nil {
		t.Error("more than there may be was taken")
	}
}

func TestPollsAreBounded(t *testing.T) {
	t.Parallel()
	r, p, now := newRoll(10), &auth.Principal{AccessKey: "k"}, time.Now()
	for i := range 10 {
		r.poll(p, production, strconv.Itoa(i), now).last.Store(&report{at: now})
	}
	if r.poll(p, production, "one more", now) != nil {
		t.Error("there is no bound")
	}
	if r.poll(p, production, "3", now) == nil {
		t.Error("one that is known is refused")
	}
	if r.poll(p, production, "one more", now.Add(pollExpiry+1)) == nil {
		t.Error("there is no room after those before have gone")
	}
}

func text(n int) string { return strings.Repeat("x", n) }

// checkedRequests are requests at the limits and beyond.
func checkedRequests() []proto.Message {
	var all []proto.Message
	for _, n := range []int{0, 1, 63, 64, 256, 257, 1000, 1001} {
		services := make([]string, n)
		for i := range services {
			services[i] = "s"
		}
		some := func(change func(*servingv1.WatchRequest)) {
			r := watchRequest(nil)
			change(r)
			all = append(all, r)
		}
		some(func(r *servingv1.WatchRequest) { r.Environment = text(n) })
		some(func(r *servingv1.WatchRequest) { r.Services = services })
		some(func(r *servingv1.WatchRequest) { r.Services = []string{"a", text(n)} })
		some(func(r *servingv1.WatchRequest) { r.ResumeToken = []byte(text(n)) })
		some(func(r *servingv1.WatchRequest) { r.Instance = text(n) })
		some(func(r *servingv1.WatchRequest) { r.Client = text(n) })
		report := func(change func(*servingv1.ReportStatusRequest)) {
			r := &servingv1.ReportStatusRequest{Status: &servingv1.Status{Instance: "i"}}
			change(r)
			all = append(all, r)
		}
		report(func(r *servingv1.ReportStatusRequest) { r.Environment = text(n) })
		report(func(r *servingv1.ReportStatusRequest) { r.StreamId = text(n) })
		report(func(r *servingv1.ReportStatusRequest) { r.Status.Instance = text(n) })
		report(func(r *servingv1.ReportStatusRequest) { r.Status.Client = text(n) })
		report(func(r *servingv1.ReportStatusRequest) { r.Status.ActiveHash = []byte(text(n)) })
		report(func(r *servingv1.ReportStatusRequest) {
			r.Status.Rejections = []*servingv1.Rejection{{Key: text(n)}}
		})
		report(func(r *servingv1.ReportStatusRequest) {
			r.Status.Rejections = []*servingv1.Rejection{{Problem: text(n)}}
		})
		report(func(r *servingv1.ReportStatusRequest) {
			for range n {
				r.Status.Rejections = append(r.Status.Rejections, &servingv1.Rejection{})
				r.Status.Followers = append(r.Status.Followers, &servingv1.Followers{})
			}
			r.Status.Rejections = r.Status.Rejections[:min(n, 20)]
		})
		report(func(r *servingv1.ReportStatusRequest) {
			for range n {
				r.Status.Rejections = append(r.Status.Rejections, &servingv1.Rejection{})
			}
		})
		report(func(r *servingv1.ReportStatusRequest) {
			r.Status.Followers = []*servingv1.Followers{{Client: text(n)}, {Services: services}}
		})
		report(func(r *servingv1.ReportStatusRequest) {
			r.Status.Followers = []*servingv1.Followers{{Services: []string{"a", text(n)}}}
		})
	}
	return append(all, &servingv1.ReportStatusRequest{})
}
