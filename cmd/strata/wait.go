package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/internal/explain"
	"github.com/strata-exp/strata/internal/present"
	"github.com/strata-exp/strata/internal/settings"
)

const (
	// firstLook is how soon a wait says how far it is, and nextLook how often from
	// then on. A goal that is reached is known at once.
	firstLook = time.Second
	nextLook  = 5 * time.Second
)

func newWait(env settings.LookupEnv) *cobra.Command {
	c := newConnection(env)
	var output outputFormat
	g := goal{}
	command := &cobra.Command{
		Use:   "wait",
		Short: "Wait until data planes run a revision",
		Long: `Wait until the data planes that follow the control plane run a revision or a later
one: all that are connected, and at least one, or as many as --planes says.

How far it is goes to standard error, with -o json or yaml the control plane's
last answer to standard output. Exits with 0 if enough planes run the revision,
and with 1 if they do not in time, or on an error.`,
		Example: `  strata wait
  strata wait --env production --revision 42 --planes 3 --timeout 5m`,
		Args: noArguments, ValidArgsFunction: cobra.NoFileCompletions,
	}
	c.register(command)
	registerRevision(command, &g.revision, "`number` of the revision; default the newest")
	registerGoal(command, &g, "", time.Minute)
	registerOutput(command, &output, asTable, asJSON, asYAML)
	command.RunE = c.in(func(command *cobra.Command, s *server, _ []string) error {
		if err := g.check(); err != nil {
			return err
		}
		began := time.Now()
		answer, err := s.converge(command.Context(), command.ErrOrStderr(), g)
		if err != nil {
			return err
		}
		err = output.write(command.OutOrStdout(), answer, func(out io.Writer) error {
			if !answer.GetReached() {
				return nil
			}
			_, err := fmt.Fprintf(out, "%s: %s, after %s\n", s.environment, g.progress(answer), seconds(time.Since(began)))
			return err
		})
		if err == nil && !answer.GetReached() {
			err = fmt.Errorf("%s: not within %s: %s", s.environment, g.timeout, g.progress(answer))
		}
		return err
	})
	return command
}

// goal is what is waited for.
type goal struct {
	// revision is 0 for the newest one.
	revision int64
	// planes is how many have to run it; 0 for all that are connected.
	planes  int
	timeout time.Duration
}

// registerGoal adds flags whose names begin with a prefix.
func registerGoal(command *cobra.Command, g *goal, prefix string, timeout time.Duration) {
	flags := command.Flags()
	flags.IntVar(&g.planes, prefix+"planes", 0, "how `many` planes have to run it; default all that are connected")
	flags.DurationVar(&g.timeout, prefix+"timeout", timeout, "`how long` to wait")
	registerCompletion(command, prefix+"planes", cobra.NoFileCompletions)
	registerCompletion(command, prefix+"timeout", cobra.NoFileCompletions)
}

func (g *goal) check() error {
	if g.planes < 0 || g.planes > math.MaxInt32 {
		return fmt.Errorf("%d planes: want no less than 0", g.planes)
	}
	if g.timeout < 0 {
		return fmt.Errorf("a timeout of %s: want no less than 0", g.timeout)
	}
	return nil
}

// converge waits until the goal is reached or its time is up, and tells how far
// it is each time that this changes. The answer is the control plane's last one.
// A control plane that goes away for a while is asked again.
func (s *server) converge(ctx context.Context, messages io.Writer, g goal) (*adminv1.RevisionServiceWaitResponse, error) {
	request := &adminv1.RevisionServiceWaitRequest{Environment: s.environment, Revision: g.revision, Planes: int32(g.planes)}
	deadline, told := time.Now().Add(g.timeout), ""
	for look := firstLook; ; look = nextLook {
		asked := time.Now()
		turn := max(0, min(look, deadline.Sub(asked)))
		request.Timeout = durationpb.New(turn)
		answer, err := s.revisions.Wait(ctx, request)
		over := !time.Now().Before(deadline)
		text := "the control plane does not answer: trying again"
		switch {
		case err == nil && (answer.GetReached() || over):
			return answer, nil
		case err == nil:
			request.Revision = answer.GetRevision() // of the newest ones the first
			text = g.progress(answer)
		case over || !lost(ctx, err):
			return nil, err
		}
		if text != told {
			fmt.Fprintf(messages, "strata: %s\n", text)
			told = text
		}
		// An answer that came early is not asked for again at once.
		if rest := turn - time.Since(asked); rest > 0 {
			if err := s.wait(ctx, rest); err != nil {
				return nil, errors.New("stopped before enough planes ran the revision")
			}
		}
	}
}

// progress says how far it is, such as "2 of 3 planes run revision 7; lagging: a
// (runs 6)".
func (g *goal) progress(answer *adminv1.RevisionServiceWaitResponse) string {
	running := len(answer.GetRunning())
	total := running + len(answer.GetLagging()) + len(answer.GetRejecting())
	if total == 0 {
		return fmt.Sprintf("no plane is connected that could run revision %d", answer.GetRevision())
	}
	verb := "run"
	if running == 1 && total == 1 {
		verb = "runs"
	}
	text := fmt.Sprintf("%d of %s %s revision %d", running, present.Count(total, "plane"), verb, answer.GetRevision())
	if g.planes > running {
		text += fmt.Sprintf(", and %d have to", g.planes)
	}
	if names := planeNames(answer.GetLagging()); len(names) > 0 {
		text += "; lagging: " + some(names)
	}
	if rejecting := answer.GetRejecting(); len(rejecting) > 0 {
		text += "; rejecting: " + some(planeNames(rejecting))
		if why := rejecting[0].GetStatus().GetRejections(); len(why) > 0 {
			text += ": " + rejection(why[0])
		}
	}
	return text
}

// planeNames names planes and what they run.
func planeNames(planes []*adminv1.Plane) []string {
	names := make([]string, len(planes))
	for i, p := range planes {
		names[i] = fmt.Sprintf("%s (runs %d)", explain.Printable(p.GetStatus().GetInstance()), p.GetStatus().GetActiveRevision())
	}
	return names
}

// seconds writes how long something took.
func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

// waitFlags are the flags of commands that change something and may wait then.
type waitFlags struct {
	wait bool
	goal goal
}

func (f *waitFlags) register(command *cobra.Command) {
	command.Flags().BoolVar(&f.wait, "wait", false, "wait until data planes run the revision, as \"strata wait\" does")
	registerGoal(command, &f.goal, "wait-", 30*time.Second)
}

// check finds flags that do not go together.
func (f *waitFlags) check(command *cobra.Command, dryRun bool) error {
	for _, name := range []string{"wait-planes", "wait-timeout"} {
		if !f.wait && command.Flags().Changed(name) {
			return fmt.Errorf("--%s goes with --wait", name)
		}
	}
	if f.wait && dryRun {
		return errors.New("want --dry-run or --wait, not both")
	}
	return f.goal.check()
}

// await waits for a revision if that was asked for, and says on out how long it
// took. made says whether the revision is new.
func (f *waitFlags) await(command *cobra.Command, s *server, out io.Writer, revision int64, made bool) error {
	if !f.wait {
		return nil
	}
	began, g := time.Now(), f.goal
	g.revision = revision
	answer, err := s.converge(command.Context(), command.ErrOrStderr(), g)
	is := "is there"
	if made {
		is = "is made"
	}
	switch {
	case err != nil:
		return fmt.Errorf("revision %d of %s %s, and waiting for planes failed: %w", revision, s.environment, is, s.failure(command.Context(), err, nil))
	case !answer.GetReached():
		return fmt.Errorf("revision %d of %s %s, and planes do not run it within %s: %s\n\"strata wait --revision %d\" waits on, \"strata get planes\" tells more",
			revision, s.environment, is, g.timeout, g.progress(answer), revision)
	}
	_, err = fmt.Fprintf(out, "%s, after %s\n", g.progress(answer), seconds(time.Since(began)))
	return err
}
