package push

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/internal/auth"
)

// TestLeaseElsewhere says that a report may reach any server.
func TestLeaseElsewhere(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var last time.Time // that another server knows of
	var fault error
	asked := 0
	set := func(at time.Time, err error) {
		mu.Lock()
		defer mu.Unlock()
		last, fault, asked = at, err, 0
	}
	setup(t, func(c *Config) {
		c.Reported = func(ctx context.Context, environment string, p *auth.Principal, instance string) (time.Time, error) {
			mu.Lock()
			defer mu.Unlock()
			asked++
			if _, bounded := ctx.Deadline(); !bounded || environment != production || p.Role != servingv1.Role_ROLE_PLANE || instance != "test" {
				t.Errorf("asked for %s, %v, %s", environment, p, instance)
			}
			return last, fault
		}
	}, func(b *bench) {
		b.publish()
		r := b.reader()
		run := b.follow(b.plane, watchRequest(nil), r)
		pass(5 * time.Minute)
		if asked != 0 {
			b.Error("asked for a follower that has not reported at all")
		}
		if _, err := b.server.ReportStatus(b.keys.context(b.Context(), b.plane), &servingv1.ReportStatusRequest{
			Environment: production, StreamId: "stream", Status: &servingv1.Status{Instance: "test"},
		}); err != nil {
			b.Fatal(err)
		}
		for range 6 { // by turns here and elsewhere, or elsewhere alone
			pass(30 * time.Second)
			set(time.Now(), nil)
		}
		pass(30 * time.Second)
		if r.left() || asked != 1 {
			b.Fatalf("left %t, asked %d times", r.left(), asked)
		}
		set(time.Time{}, errors.New("no database"))
		pass(5 * time.Minute)
		if r.left() || asked < 10 || asked > 20 {
			b.Fatalf("while nobody knows: left %t, asked %d times", r.left(), asked)
		}
		set(time.Now(), nil)
		pass(44 * time.Second)
		if r.left() {
			b.Fatal("it ended before its time")
		}
		pass(time.Second)
		b.goodbye(run, r, servingv1.Goodbye_REASON_LEASE)
	})
}
