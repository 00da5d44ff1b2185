package main

import (
	"context"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/encoding/protojson"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/gen/go/strata/admin/v1/adminv1connect"
)

// converging serves Wait: each call gets the next answer, the last one for ever. A
// nil answer is a control plane that is away.
func converging(t *testing.T, p *plane, answers ...*adminv1.RevisionServiceWaitResponse) (asked *[]*adminv1.RevisionServiceWaitRequest) {
	t.Helper()
	asked = new([]*adminv1.RevisionServiceWaitRequest)
	var mu sync.Mutex
	on(p, adminv1connect.RevisionServiceWaitProcedure, func(_ context.Context, r *adminv1.RevisionServiceWaitRequest) (*adminv1.RevisionServiceWaitResponse, error) {
		mu.Lock()
		defer mu.Unlock()
		answer := answers[min(len(*asked), len(answers)-1)]
		*asked = append(*asked, r)
		if answer == nil {
			return nil, refusal(connect.CodeUnavailable, adminv1.ErrorReason_ERROR_REASON_UNAVAILABLE, "not now")
		}
		return answer, nil
	})
	return asked
}

// progressed is an answer of Wait about the sample planes.
func progressed(now time.Time, reached bool) *adminv1.RevisionServiceWaitResponse {
	all := samplePlanes(now)
	if reached {
		return &adminv1.RevisionServiceWaitResponse{Revision: 7, Reached: true, Running: all[:1]}
	}
	return &adminv1.RevisionServiceWaitResponse{Revision: 7, Running: all[:1], Lagging: all[1:2], Rejecting: all[2:3]}
}

const howFar = "1 of 3 planes run revision 7; lagging: dp-eu-2 (runs 5); rejecting: dp-us-1 (runs 6): layer ranker_model: ranges overlap at slot 4000"

func TestWaitReaches(t *testing.T) {
	t.Parallel()
	p := newPlane(t, "production")
	asked := converging(t, p, progressed(time.Now(), true))
	code, out, messages := p.run(t, "", "wait", "--revision", "7", "--planes", "1")
	if code != 0 || messages != "" || !regexp.MustCompile(`^production: 1 of 1 plane runs revision 7, after \d+\.\d s\n$`).MatchString(out) {
		t.Errorf("exit code %d, %s%s", code, out, messages)
	}
	if got, want := protoText((*asked)[0]), `environment:"production" revision:7 planes:1 timeout:{seconds:1}`; strings.Join(strings.Fields(got), " ") != want {
		t.Errorf("asked %s, want %s", got, want)
	}
}

func TestWaitDoesNotReach(t *testing.T) {
	t.Parallel()
	p := newPlane(t, "production")
	asked := converging(t, p, progressed(time.Now(), false))
	code, out, messages := p.run(t, "", "wait", "--timeout", "0s")
	if want := "strata: production: not within 0s: " + howFar + "\n"; code != 1 || out != "" || messages != want {
		t.Errorf("exit code %d, %s%s\nwant %s", code, out, messages, want)
	}
	if r := (*asked)[0]; r.GetRevision() != 0 || r.Timeout == nil || r.GetTimeout().AsDuration() != 0 {
		t.Errorf("asked %v", r)
	}
	code, out, messages = p.run(t, "", "wait", "--timeout", "0s", "-o", "json")
	got := new(adminv1.RevisionServiceWaitResponse)
	if err := protojson.Unmarshal([]byte(out), got); err != nil || code != 1 || len(got.GetRejecting()) != 1 || !strings.Contains(messages, howFar) {
		t.Errorf("exit code %d, %v, %s", code, err, messages)
	}
}

// TestWaitGoesOn has a control plane that goes away, and answers before its time.
func TestWaitGoesOn(t *testing.T) {
	t.Parallel()
	p := newPlane(t, "production")
	far, none := progressed(time.Now(), false), &adminv1.RevisionServiceWaitResponse{Revision: 7}
	asked := converging(t, p, none, far, far, nil, progressed(time.Now(), true))
	s := newServer(&connection{server: p.url, environment: "production"})
	defer s.close()
	var waited time.Duration
	s.wait = func(_ context.Context, d time.Duration) error {
		waited += d
		return nil
	}
	var messages strings.Builder
	answer, err := s.converge(t.Context(), &messages, goal{timeout: time.Hour})
	if err != nil || !answer.GetReached() {
		t.Fatal(answer, err)
	}
	want := "strata: no plane is connected that could run revision 7\nstrata: " + howFar + "\nstrata: the control plane does not answer: trying again\n"
	if messages.String() != want {
		t.Errorf("told %s\nwant %s", &messages, want)
	}
	// One second, then five for each of the three others, less what the calls took.
	if total := firstLook + 3*nextLook; waited > total || waited < total-time.Minute || waited == 0 {
		t.Errorf("waited %s", waited)
	}
	if r := (*asked)[1]; r.GetRevision() != 7 || r.GetTimeout().AsDuration() != nextLook {
		t.Errorf("then asked %v", r)
	}
}

func TestWaitStops(t *testing.T) {
	t.Parallel()
	p := newPlane(t, "production")
	converging(t, p, progressed(time.Now(), false))
	s := newServer(&connection{server: p.url, environment: "production"})
	defer s.close()
	ctx, cancel := context.WithCancel(t.Context())
	s.wait = func(ctx context.Context, _ time.Duration) error {
		cancel()
		return ctx.Err()
	}
	if _, err := s.converge(ctx, &strings.Builder{}, goal{timeout: time.Hour}); err == nil || !strings.Contains(err.Error(), "stopped before") {
		t.Errorf("got %v", err)
	}
}

func TestWaitFails(t *testing.T) {
	t.Parallel()
	p := newPlane(t, "production")
	on(p, adminv1connect.RevisionServiceWaitProcedure, func(context.Context, *adminv1.RevisionServiceWaitRequest) (*adminv1.RevisionServiceWaitResponse, error) {
		return nil, refusal(connect.CodeNotFound, adminv1.ErrorReason_ERROR_REASON_REVISION_NOT_FOUND, "there is no revision 9")
	})
	for args, want := range map[string]string{
		"--revision 9":  "there is no revision 9 [REVISION_NOT_FOUND]\n\"strata history\" lists those there are",
		"--revision 0":  `revision "0": want a whole number from 1 on`,
		"--planes -1":   "-1 planes: want no less than 0",
		"--timeout -1s": "a timeout of -1s: want no less than 0",
		"7":             `want no arguments, got "7": strata wait`,
	} {
		code, out, messages := p.run(t, "", append([]string{"wait"}, strings.Fields(args)...)...)
		if code != 1 || out != "" || !strings.Contains(messages, want) {
			t.Errorf("%s: exit code %d, %s%s\nwant %s", args, code, out, messages, want)
		}
	}
}

func TestChangesWait(t *testing.T) {
	t.Parallel()
	for _, args := range []string{
		"pause 100", "resume 100", "start 100", "archive 100", "conclude 100 --revert", "allocate 100 --slots 1=1",
	} {
		p, _ := living(t)
		asked := converging(t, p, progressed(time.Now(), true))
		code, out, messages := p.run(t, "", append(strings.Fields(args), "--wait", "--wait-planes", "3", "--wait-timeout", "1m")...)
		if code != 0 || messages != "" || !regexp.MustCompile(`\n\nrevision 8 of production: .*\n1 of 1 plane runs revision 7, and 3 have to, after \d+\.\d s\n$`).MatchString(out) {
			t.Errorf("%s: exit code %d, %s%s", args, code, out, messages)
		}
		if len(*asked) != 1 || (*asked)[0].GetRevision() != 8 || (*asked)[0].GetPlanes() != 3 {
			t.Errorf("%s: asked %v", args, *asked)
		}
	}
}

func TestChangeIsMadeThoughNobodyRunsIt(t *testing.T) {
	t.Parallel()
	p, _ := planner(t, samplePlan())
	converging(t, p, progressed(time.Now(), false))
	code, out, messages := p.run(t, "", "apply", "-f", examples, "--wait", "--wait-timeout", "0s", "-o", "json")
	want := "strata: revision 8 of production is made, and planes do not run it within 0s: " + howFar + "\n\"strata wait --revision 8\" waits on, \"strata get planes\" tells more\n"
	made := new(adminv1.RevisionServiceApplyResponse)
	if err := protojson.Unmarshal([]byte(out), made); err != nil || code != 1 || made.GetRevision() != 8 || !strings.HasSuffix(messages, want) {
		t.Errorf("exit code %d, %v, %s\nwant %s", code, err, messages, want)
	}
}

// TestNoChangeWaitsToo runs a command again whose first run did not see the end.
func TestNoChangeWaitsToo(t *testing.T) {
	t.Parallel()
	p, _ := planner(t, noChange())
	asked := converging(t, p, progressed(time.Now(), true))
	code, out, messages := p.run(t, "", "apply", "-f", examples, "--wait")
	if code != 0 || !strings.Contains(out, "no change") || !strings.Contains(out, "1 of 1 plane runs revision 7, after ") {
		t.Errorf("exit code %d, %s%s", code, out, messages)
	}
	if len(*asked) != 1 || (*asked)[0].GetRevision() != 7 {
		t.Errorf("asked %v", *asked)
	}
}

func TestWaitFlagsGoTogether(t *testing.T) {
	t.Parallel()
	p, asked := living(t)
	for args, want := range map[string]string{
		"pause 100 --wait --dry-run":        "want --dry-run or --wait, not both",
		"pause 100 --wait-planes 2":         "--wait-planes goes with --wait",
		"pause 100 --wait-timeout 2s":       "--wait-timeout goes with --wait",
		"pause 100 --wait --wait-planes -2": "-2 planes: want no less than 0",
	} {
		code, _, messages := p.run(t, "", strings.Fields(args)...)
		if code != 1 || len(*asked) > 0 || !strings.Contains(messages, want) {
			t.Errorf("%s: exit code %d, %s", args, code, messages)
		}
	}
}

// TestWaitAfterAChangeSaysWhatFailed has a control plane that makes a revision,
// and then knows of none.
func TestWaitAfterAChangeSaysWhatFailed(t *testing.T) {
	t.Parallel()
	p, _ := living(t)
	on(p, adminv1connect.RevisionServiceWaitProcedure, func(context.Context, *adminv1.RevisionServiceWaitRequest) (*adminv1.RevisionServiceWaitResponse, error) {
		return nil, refusal(connect.CodeNotFound, adminv1.ErrorReason_ERROR_REASON_REVISION_NOT_FOUND, "there is no revision 8")
	})
	code, _, messages := p.run(t, "", "pause", "100", "--wait")
	want := "strata: revision 8 of production is made, and waiting for planes failed: there is no revision 8 [REVISION_NOT_FOUND]\n"
	if code != 1 || !strings.Contains(messages, want) {
		t.Errorf("exit code %d, %s", code, messages)
	}
}

// TestRealPlanesConverge has a plane that follows a control plane.
func TestRealPlanesConverge(t *testing.T) {
	d := startDev(t, "--ephemeral")
	d.says(0, []string{"demo: 1 of 1 plane runs revision 2, after "}, "wait")
	d.says(0, []string{"SYNCED", "strata dev"}, "get", "planes")
	d.says(0, []string{"revision 3 of demo: experiment 100 is PAUSED\n1 of 1 plane runs revision 3, after "}, "pause", "100", "--yes", "--wait")
	d.says(1, []string{"demo: not within 10ms: 1 of 1 plane runs revision 3, and 2 have to"}, "wait", "--planes", "2", "--timeout", "10ms")
}
