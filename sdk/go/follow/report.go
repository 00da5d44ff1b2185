package follow

import (
	"context"
	"strings"
	"time"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/sdk/go/hashtree"
	"github.com/strata-exp/strata/sdk/go/view"
)

// news is what is reported as soon as it changes.
type news struct {
	link               link
	state              servingv1.PlaneState
	replicated, active view.Position
	hash               hashtree.Hash
}

// report reports how the follower is, until ctx ends: when it changes, and often
// enough for the server to know that it lives. One report follows another; that
// one fails is of no consequence but that it is made again.
func (f *Follower) report(ctx context.Context) {
	var told news
	var at time.Time // when that was
	var failed bool
	for {
		changed := f.held.changes()
		status, l := f.held.reportable()
		if l == nil {
			select {
			case <-ctx.Done():
				return
			case <-changed:
			}
			continue
		}
		now := news{*l, status.State, status.Replicated, status.Active, status.ActiveHash}
		if wait := time.Until(at.Add(pause(l, now != told, failed))); wait > 0 {
			select {
			case <-ctx.Done():
				return
			case <-changed:
			case <-time.After(wait):
			}
			continue
		}
		failed = !f.send(ctx, status, l)
		told, at = now, time.Now()
		if failed {
			told = news{}
		}
	}
}

// pause returns how long to wait after a report for the next one.
func pause(l *link, changed, failed bool) time.Duration {
	switch {
	case failed:
		return max(l.report, l.heartbeat/3)
	case changed:
		return l.report
	default:
		return max(l.report, l.heartbeat*2/3) // in time, even if it is slow
	}
}

// reportable returns the status and what it is reported for, nil where it is not.
func (h *held) reportable() (Status, *link) {
	status := h.status()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.link == nil || status.Replicated == (view.Position{}) {
		return status, nil
	}
	return status, new(*h.link)
}

func (f *Follower) send(ctx context.Context, status Status, l *link) (sent bool) {
	ctx, cancel := context.WithTimeout(ctx, min(max(l.heartbeat, time.Second), f.config.Timers.Answer))
	defer cancel()
	_, err := f.client.ReportStatus(ctx, &servingv1.ReportStatusRequest{
		Environment: f.config.Environment, StreamId: l.stream, Status: f.message(status),
	})
	if err != nil {
		f.log.DebugContext(ctx, "the status could not be reported", "error", err)
	}
	return err == nil
}

func (f *Follower) message(s Status) *servingv1.Status {
	m := &servingv1.Status{
		Instance: f.config.Instance, Client: f.config.Client, State: s.State,
		Epoch: s.Replicated.Epoch, ReplicatedRevision: s.Replicated.Revision,
		StaleMillis: s.Stale.Milliseconds(), Followers: f.config.Sink.Followers(),
	}
	if len(m.Followers) > maxFollowers {
		m.Followers = m.Followers[:maxFollowers]
	}
	if s.Active != (view.Position{}) {
		m.ActiveHash = s.ActiveHash[:]
	}
	if s.Active.Epoch == s.Replicated.Epoch { // else its revision is of another history
		m.ActiveRevision = s.Active.Revision
	}
	for _, fault := range s.Faults[:min(len(s.Faults), maxRejections)] {
		m.Rejections = append(m.Rejections, &servingv1.Rejection{
			Kind: configv1.EntityKind(fault.Key.Kind), Key: clip(fault.Key.Name, maxNameBytes),
			Problem: clip(fault.Problem, maxProblemBytes),
		})
	}
	return m
}

// clip shortens text to so many bytes of valid UTF-8.
func clip(text string, most int) string {
	if len(text) > most {
		text = text[:most]
	}
	return strings.ToValidUTF8(text, "")
}
