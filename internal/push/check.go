package push

import (
	"fmt"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/internal/rpc"
)

// checks collects what is wrong with a request. The rules are those of the
// schema; a test compares the two. How large something is in all is bounded here
// alone, as the schema can not say it.
type checks []rpc.Violation

func (c *checks) add(field, format string, args ...any) {
	*c = append(*c, rpc.Violation{Field: field, Problem: fmt.Sprintf(format, args...)})
}

func (c *checks) bytes(field string, length, least, most int) {
	if length < least || length > most {
		c.add(field, "want %d to %d bytes, got %d", least, most, length)
	}
}

func (c checks) err() error {
	if len(c) == 0 {
		return nil
	}
	return &rpc.Invalid{Violations: c}
}

func checkWatch(r *servingv1.WatchRequest) error {
	var c checks
	c.bytes("environment", len(r.GetEnvironment()), 0, 63)
	if n := len(r.GetServices()); n > 1000 {
		c.add("services", "want at most 1000, got %d", n)
	} else {
		for i, name := range r.GetServices() {
			c.bytes(fmt.Sprintf("services[%d]", i), len(name), 1, 256)
		}
	}
	c.bytes("resume_token", len(r.GetResumeToken()), 0, 256)
	c.bytes("instance", len(r.GetInstance()), 1, 256)
	c.bytes("client", len(r.GetClient()), 0, 256)
	return c.err()
}

func checkReport(r *servingv1.ReportStatusRequest) error {
	var c checks
	c.bytes("environment", len(r.GetEnvironment()), 0, 63)
	c.bytes("stream_id", len(r.GetStreamId()), 0, 64)
	status := r.GetStatus()
	if status == nil {
		c.add("status", "want how the follower is, got nothing")
		return c.err()
	}
	c.bytes("status.instance", len(status.GetInstance()), 1, 256)
	c.bytes("status.client", len(status.GetClient()), 0, 256)
	c.bytes("status.active_hash", len(status.GetActiveHash()), 0, 32)
	if n := len(status.GetRejections()); n > 20 {
		c.add("status.rejections", "want at most 20, got %d", n)
	} else {
		for i, rejection := range status.GetRejections() {
			c.bytes(fmt.Sprintf("status.rejections[%d].key", i), len(rejection.GetKey()), 0, 256)
			c.bytes(fmt.Sprintf("status.rejections[%d].problem", i), len(rejection.GetProblem()), 0, 1024)
		}
	}
	if n := len(status.GetFollowers()); n > maxCounts {
		c.add("status.followers", "want at most %d, got %d", maxCounts, n)
		return c.err()
	}
	for i, f := range status.GetFollowers() {
		c.bytes(fmt.Sprintf("status.followers[%d].client", i), len(f.GetClient()), 0, 256)
		if n := len(f.GetServices()); n > 1000 {
			c.add(fmt.Sprintf("status.followers[%d].services", i), "want at most 1000, got %d", n)
			continue
		}
		for j, name := range f.GetServices() {
			c.bytes(fmt.Sprintf("status.followers[%d].services[%d]", i, j), len(name), 0, 256)
		}
	}
	if n := followersBytes(status.GetFollowers()); n > maxFollowersBytes {
		c.add("status.followers", "want at most %d KiB, got %d", maxFollowersBytes>>10, n>>10)
	}
	return c.err()
}
