package main

import (
	"fmt"

	"github.com/spf13/cobra"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/internal/present"
	"github.com/strata-exp/strata/internal/settings"
)

func newDelete(env settings.LookupEnv) *cobra.Command {
	command := &cobra.Command{
		Use:   "delete",
		Short: "Delete an environment",
	}
	command.AddCommand(newDeleteEnvironment(env))
	return command
}

func newDeleteEnvironment(env settings.LookupEnv) *cobra.Command {
	c := newConnection(env).asAuthor()
	var force, yes, dryRun bool
	command := &cobra.Command{
		Use:     "environment NAME",
		Aliases: []string{"env"},
		Short:   "Delete an environment with its whole history",
		Long: `Delete an environment with its whole history. One that has layers or experiments is
deleted with --force only. On a terminal you are asked first, unless --yes is
given.

Layers, experiments, fields and services are deleted by "strata apply --prune".`,
		Example: `  strata delete environment old-staging --force`,
		Args:    one("the name of the environment"), ValidArgsFunction: completeArgument(c.complete(environmentNames)),
	}
	flags := command.Flags()
	c.registerServer(command)
	flags.BoolVar(&force, "force", false, "even though it has layers or experiments")
	flags.BoolVarP(&yes, "yes", "y", false, "do not ask")
	flags.BoolVar(&dryRun, "dry-run", false, "only check whether it could be deleted")
	command.RunE = c.with(func(command *cobra.Command, s *server, args []string) error {
		ctx, request := command.Context(), &adminv1.EnvironmentServiceDeleteRequest{Environment: args[0], Force: force, ValidateOnly: true}
		response, err := s.environments.Get(ctx, &adminv1.EnvironmentServiceGetRequest{Environment: args[0]})
		if err != nil {
			return err
		}
		e := response.GetEnvironment()
		request.Etag = e.GetEtag()
		if _, err := s.environments.Delete(ctx, request); err != nil {
			return err
		}
		if dryRun {
			_, err := fmt.Fprintln(command.OutOrStdout(), "dry run: nothing was done")
			return err
		}
		if !yes && interactive(command.InOrStdin()) {
			question := fmt.Sprintf("Delete %s with %s, %s and all %s?", e.GetName(), present.Count(int(e.GetLayerCount()), "layer"),
				present.Count(int(e.GetExperimentCount()), "experiment"), present.Count(int(e.GetRevision()), "revision"))
			if err := confirm(ctx, command.InOrStdin(), command.ErrOrStderr(), question); err != nil {
				return err
			}
		}
		request.ValidateOnly = false
		if _, err := s.environments.Delete(ctx, request); err != nil {
			return err
		}
		_, err = fmt.Fprintf(command.OutOrStdout(), "environment %s is deleted\n", e.GetName())
		return err
	})
	return command
}
