package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	"github.com/strata-exp/strata/internal/present"
)

// writing is the help of all commands that change resources of an environment.
const writing = `First it is planned and the plan is shown; on a terminal you are asked then,
unless --yes is given. If anybody changes the environment after the plan was
made, nothing is done.

With --wait it then waits until data planes run the revision, and exits with 1 if
they do not in time; the revision is made all the same.

With -o json or yaml, the answer of the control plane goes to standard output and
the plan to standard error. Exits with 0 if it was done or there was nothing to
do, and with 1 on an error.`

// writeFlags are the flags of all commands that change resources.
type writeFlags struct {
	message     string
	yes, dryRun bool
	output      outputFormat
	waitFlags   waitFlags
}

func (f *writeFlags) register(command *cobra.Command) {
	flags := command.Flags()
	flags.StringVarP(&f.message, "message", "m", "", "why, a `text` for those who read the history")
	flags.BoolVarP(&f.yes, "yes", "y", false, "do not ask")
	flags.BoolVar(&f.dryRun, "dry-run", false, "show what would be done, and do nothing")
	f.waitFlags.register(command)
	registerOutput(command, &f.output, asTable, asJSON, asYAML)
}

// outcome is the answer to a change.
type outcome interface {
	proto.Message
	GetRevision() int64
	GetPlan() *adminv1.Plan
}

// attempt says how a change is sent.
type attempt struct {
	validateOnly     bool
	expectedRevision *int64
	expectedChecksum string
	idempotencyKey   string
	message          string
}

// write is one change of an environment.
type write struct {
	writeFlags
	server *server
	// question asks whether to go on, such as "Apply this to production?"
	question string
	// send sends the change.
	send func(context.Context, attempt) (outcome, error)
	// locate is as in server.failure.
	locate func() func(*errdetails.BadRequest_FieldViolation) string
	// added is as in present.PlanText.
	added map[string][]*configv1.Range
	// done says what has come of it, if the revision does not say all.
	done func(outcome) string
}

// run plans the change, shows the plan, asks, makes it, and waits for it.
func (w *write) run(command *cobra.Command) error {
	ctx := command.Context()
	if err := w.waitFlags.check(command, w.dryRun); err != nil {
		return err
	}
	planned, err := w.plan(ctx)
	if err != nil {
		return err
	}
	plan := planned.GetPlan()
	if !present.Changes(plan) || w.dryRun {
		err := w.output.write(command.OutOrStdout(), planned, func(out io.Writer) error {
			if err := w.show(out, plan); err != nil || !present.Changes(plan) {
				return err
			}
			_, err := fmt.Fprintln(out, "\ndry run: nothing was done")
			return err
		})
		if err != nil {
			return err
		}
		// Whoever runs a command again that did not see the end wants to see it now.
		return w.waitFlags.await(command, w.server, w.messages(command), plan.GetBaseRevision(), false)
	}
	if err := w.show(w.messages(command), plan); err != nil {
		return err
	}
	if !w.yes && interactive(command.InOrStdin()) {
		if err := confirm(ctx, command.InOrStdin(), command.ErrOrStderr(), w.question); err != nil {
			return err
		}
	}
	made, err := w.make(ctx, plan)
	if err != nil {
		return err
	}
	err = w.output.write(command.OutOrStdout(), made, func(out io.Writer) error {
		_, err := fmt.Fprintf(out, "\n%s\n", w.result(made))
		return err
	})
	if err != nil {
		return err
	}
	return w.waitFlags.await(command, w.server, w.messages(command), made.GetRevision(), true)
}

// messages is where texts for people go that belong to what was asked for.
func (w *write) messages(command *cobra.Command) io.Writer {
	if w.output == asTable {
		return command.OutOrStdout()
	}
	return command.ErrOrStderr()
}

// plan sends the change to be planned only.
func (w *write) plan(ctx context.Context) (outcome, error) {
	planned, err := w.send(ctx, attempt{validateOnly: true, message: w.message})
	if err != nil {
		return nil, w.failure(ctx, err)
	}
	return planned, nil
}

func (w *write) show(out io.Writer, plan *adminv1.Plan) error {
	title := fmt.Sprintf("%s at revision %d", w.server.environment, plan.GetBaseRevision())
	return present.PlanText{Title: title, Added: w.added}.Write(out, plan)
}

func (w *write) result(made outcome) string {
	text := fmt.Sprintf("revision %d of %s", made.GetRevision(), w.server.environment)
	if w.done != nil {
		text += ": " + w.done(made)
	}
	return text
}

// make makes what was planned, and nothing else.
func (w *write) make(ctx context.Context, plan *adminv1.Plan) (outcome, error) {
	a := attempt{
		expectedRevision: new(plan.GetBaseRevision()), expectedChecksum: plan.GetChecksum(),
		idempotencyKey: rand.Text(), message: w.message,
	}
	made, err := retry(ctx, w.server.wait, func() (outcome, error) { return w.send(ctx, a) })
	if err == nil {
		return made, nil
	}
	const unknown = "it may have been done all the same: \"strata history\" tells"
	open := lost(ctx, err) || connect.CodeOf(err) == connect.CodeDeadlineExceeded
	err = w.failure(ctx, err)
	f, ok := errors.AsType[*failure](err)
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("%w; %s", err, unknown)
	case ok && open:
		f.hint = unknown
	}
	return nil, err
}

func (w *write) failure(ctx context.Context, err error) error {
	if w.locate == nil {
		return w.server.failure(ctx, err, nil)
	}
	return w.server.failure(ctx, err, w.locate())
}

// retry calls f until it is no longer unavailable, a few times. f has to be safe
// to be called again after it was carried out.
func retry[T any](ctx context.Context, wait func(context.Context, time.Duration) error, f func() (T, error)) (T, error) {
	for _, pause := range []time.Duration{200 * time.Millisecond, time.Second, 3 * time.Second} {
		result, err := f()
		if !lost(ctx, err) || wait(ctx, pause) != nil {
			return result, err
		}
	}
	return f()
}

// lost reports whether a call may succeed when it is made again: the server could
// not be reached, or went away. A reset connection is canceled to Connect's
// client.
func lost(ctx context.Context, err error) bool {
	code := connect.CodeOf(err)
	return err != nil && (code == connect.CodeUnavailable || code == connect.CodeCanceled && ctx.Err() == nil)
}

// errNotConfirmed is the error of who did not say yes.
var errNotConfirmed = errors.New("nothing was done")

// confirm asks a question. The error is errNotConfirmed unless the answer is yes.
func confirm(ctx context.Context, in io.Reader, out io.Writer, question string) error {
	fmt.Fprintf(out, "\n%s [y/N] ", question)
	answers := make(chan string, 1)
	// A terminal is read until its user answers, whatever becomes of the command.
	go func() { answers <- readLine(in) }()
	select {
	case answer := <-answers:
		switch strings.ToLower(strings.TrimSpace(answer)) {
		case "y", "yes":
			return nil
		default:
			return errNotConfirmed
		}
	case <-ctx.Done():
		fmt.Fprintln(out)
		return errNotConfirmed
	}
}

// readLine reads no further than the end of a line.
func readLine(in io.Reader) string {
	var line []byte
	for one := make([]byte, 1); ; {
		n, err := in.Read(one)
		if n > 0 && one[0] != '\n' {
			line = append(line, one[0])
		}
		if n > 0 && one[0] == '\n' || err != nil {
			return string(line)
		}
	}
}
