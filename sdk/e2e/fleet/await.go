package fleet

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/sdk/e2e/history"
)

// pollEvery is how often something is looked at that tells nobody of itself.
const pollEvery = 20 * time.Millisecond

// Await waits until something is so, and fails the test if that takes longer.
func (f *Fleet) Await(what string, most time.Duration, is func(ctx context.Context) bool) time.Duration {
	f.t.Helper()
	began := time.Now()
	ctx, cancel := context.WithTimeout(f.t.Context(), most)
	defer cancel()
	for !is(ctx) {
		if Pause(ctx, pollEvery) != nil {
			f.t.Fatalf("not within %v: %s", most, what)
		}
	}
	return time.Since(began)
}

// AwaitReady waits until a data plane is ready.
func (f *Fleet) AwaitReady(d *DataPlane, most time.Duration) {
	f.t.Helper()
	f.Await(d.Name+" is ready", most, func(ctx context.Context) bool {
		_, ok := d.Ready(ctx)
		return ok
	})
}

// Head returns the newest revision as a control plane has it.
func (f *Fleet) Head(ctx context.Context) (int64, error) {
	response, err := f.Admin.Environments().Get(ctx, &adminv1.EnvironmentServiceGetRequest{Environment: Environment})
	if err != nil {
		f.Admin.Next()
	}
	return response.GetEnvironment().GetRevision(), err
}

// AwaitHead waits until all data planes, and these followers, run the newest
// revision, and returns how long that took.
func (f *Fleet) AwaitHead(most time.Duration, followers ...*Follower) time.Duration {
	f.t.Helper()
	return f.Await("everybody is at the newest revision", most, func(ctx context.Context) bool {
		head, err := f.Head(ctx)
		if err != nil {
			return false
		}
		for _, d := range f.Data {
			if !d.Running() {
				continue
			}
			if r, ok := d.Ready(ctx); !ok || r.Revision != head {
				return false
			}
		}
		for _, s := range followers {
			if s.Status().Active.Revision != head {
				return false
			}
		}
		return true
	})
}

// finals records where everybody is.
func (f *Fleet) finals(ctx context.Context, followers []*Follower) {
	for _, d := range f.Data {
		if !d.Running() {
			continue
		}
		e := history.Event{Observer: d.Name, What: history.Final}
		if r, ok := d.Ready(ctx); ok {
			e.Epoch, e.Revision = r.Epoch, r.Revision
		} else {
			e.Text = "absent"
		}
		f.Recorder.Add(e)
	}
	for _, s := range followers {
		s.final()
	}
}

// Metric returns the sum of a process's metric over all labels that have all of
// these texts in them. It is not ok where there is none.
func Metric(ctx context.Context, address, name string, labels ...string) (sum float64, ok bool) {
	data, _, err := get(ctx, "http://"+address+"/metrics")
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(data)) {
		series, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if base, _, _ := strings.Cut(series, "{"); base != name {
			continue
		}
		matches := true
		for _, label := range labels {
			matches = matches && strings.Contains(series, label)
		}
		if n, err := strconv.ParseFloat(value, 64); err == nil && matches {
			sum, ok = sum+n, true
		}
	}
	return sum, ok
}

// RSS returns how much memory a process holds, in bytes.
func (p *Process) RSS() int64 { return p.status("VmRSS:") << 10 }

// PeakRSS returns how much it held at most.
func (p *Process) PeakRSS() int64 { return p.status("VmHWM:") << 10 }

func (p *Process) status(field string) int64 {
	data, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.PID()), "status"))
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(data) {
		if parts := bytes.Fields(line); len(parts) > 1 && string(parts[0]) == field {
			n, _ := strconv.ParseInt(string(parts[1]), 10, 64)
			return n
		}
	}
	return 0
}

// Files returns how many files a process has open.
func (p *Process) Files() int {
	entries, err := os.ReadDir(filepath.Join("/proc", strconv.Itoa(p.PID()), "fd"))
	if err != nil {
		return 0
	}
	return len(entries)
}
