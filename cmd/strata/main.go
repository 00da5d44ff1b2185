// Command strata is all of Strata in one binary.
package main

import (
	"context"
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
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintf(io.err, "strata: %v\n", err)
		return 1
	}
	return 0
}

func newRoot(env settings.LookupEnv) *cobra.Command {
	root := &cobra.Command{
		Use:   "strata",
		Short: "Layered A/B experiments",
		// An error is about what was asked, not about how to ask; --help is there
		// for that.
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(
		newDataplane(env),
		newConfig(env),
		newLint(),
		newEval(),
		newExplain(),
		newVersion(),
	)
	return root
}
