package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/internal/present"
	"github.com/strata-exp/strata/internal/settings"
)

func newCreate(env settings.LookupEnv) *cobra.Command {
	command := &cobra.Command{
		Use:   "create",
		Short: "Create an environment",
	}
	command.AddCommand(newCreateEnvironment(env))
	return command
}

func newCreateEnvironment(env settings.LookupEnv) *cobra.Command {
	c := newConnection(env).asAuthor()
	var output outputFormat
	var description string
	var cooling time.Duration
	var dryRun bool
	command := &cobra.Command{
		Use:     "environment NAME",
		Aliases: []string{"env"},
		Short:   "Create an environment",
		Long: `Create an environment: a line of revisions of its own, of which the first is
empty.`,
		Example: `  strata create environment staging --description "what goes live next"`,
		Args:    one("the name of the environment"), ValidArgsFunction: cobra.NoFileCompletions,
	}
	flags := command.Flags()
	c.registerServer(command)
	flags.StringVar(&description, "description", "", "what it is for, a `text` for people")
	flags.DurationVar(&cooling, "cooling-period", 0,
		"`how long` slots rest that an experiment gave up, before another one gets them, such as 72h; default 7 days")
	flags.BoolVar(&dryRun, "dry-run", false, "only check whether it could be created")
	registerOutput(command, &output, asTable, asJSON, asYAML)
	command.RunE = c.with(func(command *cobra.Command, s *server, args []string) error {
		e := &adminv1.Environment{Name: args[0], Description: description}
		if command.Flags().Changed("cooling-period") {
			if cooling < 0 {
				return errors.New("--cooling-period: want no less than 0")
			}
			e.CoolingPeriod = durationpb.New(cooling)
		}
		response, err := s.environments.Create(command.Context(), &adminv1.EnvironmentServiceCreateRequest{Environment: e, ValidateOnly: dryRun})
		if err != nil {
			return err
		}
		return output.write(command.OutOrStdout(), response.GetEnvironment(), func(out io.Writer) error {
			if dryRun {
				_, err := fmt.Fprintln(out, "dry run: nothing was done")
				return err
			}
			return present.Environment(out, response.GetEnvironment())
		})
	})
	return command
}
