package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/encoding/protojson"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/gen/go/strata/admin/v1/adminv1connect"
)

func TestApplySessions(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		plan *adminv1.Plan
		args string
	}{
		"apply":              {samplePlan(), "apply -f " + examples + " -m first"},
		"apply_json":         {samplePlan(), "apply -f " + examples + " -o json"},
		"apply_nothing":      {noChange(), "apply -f " + examples},
		"apply_nothing_yaml": {noChange(), "apply -f " + examples + " -o yaml"},
		"apply_dry_run":      {samplePlan(), "apply -f " + examples + " --dry-run"},
		"apply_dry_run_json": {samplePlan(), "apply -f " + examples + " --dry-run -o json"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, applied := planner(t, test.plan)
			p.golden(t, name, strings.Fields(test.args)...)
			made := 0
			for _, r := range *applied {
				if !r.GetValidateOnly() {
					made++
				}
			}
			if want := name == "apply" || name == "apply_json"; made != 1 && want || made != 0 && !want {
				t.Errorf("%d revisions were made", made)
			}
		})
	}
}

func TestApplyMakesWhatWasPlanned(t *testing.T) {
	t.Parallel()
	p, applied := planner(t, samplePlan())
	keys := map[string]bool{}
	for range 2 {
		if code, _, stderr := p.run(t, "", "apply", "-f", examples, "-m", "why", "--env", "e"); code != 0 {
			t.Fatal(stderr)
		}
		planned, made := (*applied)[len(*applied)-2], (*applied)[len(*applied)-1]
		if !planned.GetValidateOnly() || made.GetValidateOnly() || len(made.GetChanges()) != len(planned.GetChanges()) {
			t.Errorf("planned %v, made %v", planned, made)
		}
		if made.GetExpectedRevision() != 7 || made.GetExpectedChecksum() != samplePlan().GetChecksum() ||
			made.GetMessage() != "why" || made.GetEnvironment() != "e" || made.GetIdempotencyKey() == "" {
			t.Errorf("made %v", made)
		}
		keys[made.GetIdempotencyKey()] = true
	}
	if len(keys) != 2 {
		t.Error("an idempotency key was used twice")
	}
}

func TestAuthorIsSent(t *testing.T) {
	t.Parallel()
	p := newPlane(t, "production")
	authors := make(chan string, 1)
	on(p, adminv1connect.RevisionServiceApplyProcedure, func(ctx context.Context, _ *adminv1.RevisionServiceApplyRequest) (*adminv1.RevisionServiceApplyResponse, error) {
		info, _ := connect.CallInfoForHandlerContext(ctx)
		authors <- info.RequestHeader().Get("Strata-Author")
		return &adminv1.RevisionServiceApplyResponse{Plan: noChange()}, nil
	})
	for _, test := range []struct {
		env  string
		args []string
		want string
	}{
		{"ann", nil, "ann"},
		{"ann", []string{"--author", "Böb <bob@example.org>"}, "Böb <bob@example.org>"},
		{"", nil, userName()},
	} {
		p.env["STRATA_AUTHOR"] = test.env
		if code, _, stderr := p.run(t, "", append([]string{"plan", "-f", examples}, test.args...)...); code != 0 {
			t.Fatal(stderr)
		}
		if got := <-authors; got != test.want {
			t.Errorf("sent %q, want %q", got, test.want)
		}
	}
	code, _, stderr := p.run(t, "", "plan", "-f", examples, "--author", "a\nb")
	if code != 1 || !strings.Contains(stderr, "--author: want at most 256 bytes of text in one line") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
}

// terminal is an input that somebody types on.
type terminal struct {
	io.Reader
	mode fs.FileMode
	err  error
}

func (t terminal) Stat() (fs.FileInfo, error) { return fileInfo{mode: t.mode}, t.err }

type fileInfo struct {
	fs.FileInfo
	mode fs.FileMode
}

func (f fileInfo) Mode() fs.FileMode { return f.mode }

func TestApplyAsksOnATerminal(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, typed string
		mode        fs.FileMode
		args        []string
		asks, makes bool
	}{
		{name: "yes", typed: "y\nmore", mode: os.ModeCharDevice, asks: true, makes: true},
		{name: "in full", typed: " YES \n", mode: os.ModeCharDevice, asks: true, makes: true},
		{name: "no", typed: "n\n", mode: os.ModeCharDevice, asks: true},
		{name: "only a line", typed: "\n", mode: os.ModeCharDevice, asks: true},
		{name: "the end", mode: os.ModeCharDevice, asks: true},
		{name: "asked not to ask", mode: os.ModeCharDevice, args: []string{"--yes"}, makes: true},
		{name: "a pipe", mode: fs.ModeNamedPipe, makes: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p, applied := planner(t, samplePlan())
			var out, messages bytes.Buffer
			code := run(t.Context(), append([]string{"apply", "-f", examples}, test.args...),
				streams{terminal{strings.NewReader(test.typed), test.mode, nil}, &out, &messages},
				func(name string) (string, bool) { return p.env[name], true })
			if asks := strings.Contains(messages.String(), "Apply this to production? [y/N] "); asks != test.asks {
				t.Errorf("asked is %v: %s", asks, &messages)
			}
			if makes := len(*applied) == 2; makes != test.makes || makes != (code == 0) {
				t.Errorf("%d calls, exit code %d", len(*applied), code)
			}
			if !test.makes && !strings.Contains(messages.String(), "strata: nothing was done\n") {
				t.Error(messages.String())
			}
		})
	}
}

func TestNullDeviceIsNoTerminal(t *testing.T) {
	t.Parallel()
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = null.Close() }()
	unknown := terminal{strings.NewReader("y"), os.ModeCharDevice, fs.ErrInvalid}
	if interactive(null) || interactive(strings.NewReader("y")) || interactive(unknown) {
		t.Error("want no terminal")
	}
}

// TestConfirmStops ends the context of a question that nobody answers.
func TestConfirmStops(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	in, typed := io.Pipe()
	asked := &signalled{text: "?", seen: make(chan struct{})}
	answer := make(chan error, 1)
	go func() { answer <- confirm(ctx, in, asked, "Sure?") }()
	<-asked.seen
	cancel()
	if err := <-answer; !errors.Is(err, errNotConfirmed) {
		t.Error(err)
	}
	_ = typed.Close() // lets go of the reader
}

func TestUnavailableIsTriedAgainWithTheSameKey(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		failures int // before it is available
		code     connect.Code
		calls    int
	}{
		{"available", 0, connect.CodeUnavailable, 1},
		{"for a while", 2, connect.CodeUnavailable, 3},
		{"for long", 9, connect.CodeUnavailable, 4},
		{"refused", 9, connect.CodeAborted, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var keys []string
			var waited time.Duration
			w := &write{
				server: &server{wait: func(_ context.Context, d time.Duration) error {
					waited += d
					return nil
				}},
				send: func(_ context.Context, a attempt) (outcome, error) {
					keys = append(keys, a.idempotencyKey)
					if len(keys) <= test.failures {
						return nil, refusal(test.code, adminv1.ErrorReason_ERROR_REASON_UNAVAILABLE, "not now")
					}
					return &adminv1.RevisionServiceApplyResponse{}, nil
				},
			}
			_, err := w.make(t.Context(), samplePlan())
			if (err == nil) != (test.failures < test.calls) || len(keys) != test.calls || len(slices.Compact(keys)) != 1 {
				t.Errorf("%v after %q", err, keys)
			}
			if (waited > 0) != (test.calls > 1) {
				t.Errorf("waited %s", waited)
			}
			if err != nil && strings.Contains(err.Error(), "it may have been done") != (test.code == connect.CodeUnavailable) {
				t.Error(err)
			}
		})
	}
}

func TestRetryEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	calls := 0
	_, err := retry(ctx, waitFor, func() (int, error) {
		calls++
		return 0, connect.NewError(connect.CodeUnavailable, plainError("not now"))
	})
	if calls != 1 || connect.CodeOf(err) != connect.CodeUnavailable {
		t.Errorf("%d calls, %v", calls, err)
	}
}

func TestStaleApplySession(t *testing.T) {
	t.Parallel()
	p := newPlane(t, "production")
	on(p, adminv1connect.RevisionServiceApplyProcedure, func(_ context.Context, r *adminv1.RevisionServiceApplyRequest) (*adminv1.RevisionServiceApplyResponse, error) {
		if r.GetValidateOnly() {
			plan := noChange()
			plan.Checksum = strings.Repeat("b2", 32)
			plan.Resources = samplePlan().GetResources()[3:]
			return &adminv1.RevisionServiceApplyResponse{Revision: 7, Plan: plan}, nil
		}
		return nil, refusal(connect.CodeAborted, adminv1.ErrorReason_ERROR_REASON_STALE_REVISION,
			"production is at revision 8, not at 7: bob changed experiment 100 meanwhile")
	})
	p.golden(t, "apply_stale", "apply", "-f", examples)
}

func TestApplyJSONIsTheAnswer(t *testing.T) {
	t.Parallel()
	p, _ := planner(t, samplePlan())
	code, stdout, stderr := p.run(t, "", "apply", "-f", examples, "-o", "json")
	got := new(adminv1.RevisionServiceApplyResponse)
	if err := protojson.Unmarshal([]byte(stdout), got); err != nil || code != 0 || got.GetRevision() != 8 {
		t.Errorf("exit code %d, %v: %s", code, err, stdout)
	}
	if !strings.Contains(stderr, "production at revision 7: 1 added, 2 changed, 1 removed") {
		t.Errorf("the plan is not on standard error:\n%s", stderr)
	}
}
