// Command strata is all of Strata in one binary.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/strata-exp/strata/internal/settings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(run(ctx, os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr}, os.LookupEnv))
}

// streams are where a command reads and writes: data on out, messages on err.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// run runs a command and returns its exit code.
func run(ctx context.Context, args []string, io streams, env settings.LookupEnv) int {
	root := newRoot(env) //nolint:contextcheck // commands get the context from cobra
	root.SetArgs(args)
	root.SetIn(io.in)
	root.SetOut(io.out)
	root.SetErr(io.err)
	err := root.ExecuteContext(ctx)
	if code, ok := errors.AsType[exitCode](err); ok {
		return int(code)
	}
	if err != nil {
		fmt.Fprintf(io.err, "strata: %v\n", err)
		return 1
	}
	return 0
}

func newRoot(env settings.LookupEnv) *cobra.Command {
	root := &cobra.Command{
		Use:   "strata",
		Short: "Layered A/B experiments",
		Long: `Layered A/B experiments.

Commands exit with 0, and with 1 on an error; plan and diff exit with 2 if there
are changes. Data goes to standard output, messages to standard error. What is
sent to a control plane is signed by an access key; see "strata keys --help".`,
		// An error is about what was asked, not about how to ask; --help is there
		// for that.
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	addGroup(root, "Run:", newDev(env), newControlplane(env), newDataplane(env))
	addGroup(
		root, "Look:",
		newGet(env), newHistory(env), newDiff(env), newPlan(env), newEval(env), newExplain(env), newExport(env), newLint(), newCodegen(env), newCall(env), newWait(env),
	)
	addGroup(
		root, "Change:",
		newApply(env), newRollback(env), newPromote(env), newCreate(env), newDelete(env),
		newStart(env), newAllocate(env), newPause(env), newResume(env), newConclude(env), newArchive(env),
	)
	addGroup(root, "Access:", newKeys(env))
	root.AddCommand(newConfig(env), newVersion())
	return root
}

// addGroup adds commands that the help lists together, under a title.
func addGroup(root *cobra.Command, title string, commands ...*cobra.Command) {
	root.AddGroup(&cobra.Group{ID: title, Title: title})
	for _, command := range commands {
		command.GroupID = title
	}
	root.AddCommand(commands...)
}
