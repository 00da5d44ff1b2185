package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/internal/present"
	"github.com/strata-exp/strata/internal/settings"
)

func newGetEnvironments(env settings.LookupEnv) *cobra.Command {
	c := newConnection(env)
	var flags listFlags
	command := &cobra.Command{
		Use:     "environments [NAME]",
		Aliases: []string{"environment", "envs", "env"},
		Short:   "List environments, or show one",
		Args:    atMostOne("the name of an environment"), ValidArgsFunction: completeArgument(c.complete(environmentNames)),
	}
	c.registerServer(command)
	flags.register(command, 0)
	command.RunE = c.with(func(command *cobra.Command, s *server, args []string) error {
		if len(args) > 0 {
			return s.getEnvironment(command, args[0], flags.output)
		}
		return s.listEnvironments(command, flags)
	})
	return command
}

func (s *server) getEnvironment(command *cobra.Command, name string, output outputFormat) error {
	response, err := s.environments.Get(command.Context(), &adminv1.EnvironmentServiceGetRequest{Environment: name})
	if err != nil {
		return err
	}
	e := response.GetEnvironment()
	return output.write(command.OutOrStdout(), e, func(out io.Writer) error { return present.Environment(out, e) })
}

func (s *server) listEnvironments(command *cobra.Command, flags listFlags) error {
	all := &adminv1.EnvironmentServiceListResponse{}
	found, more, err := pages(command.Context(), flags.limit,
		func(ctx context.Context, size int32, token string) ([]*adminv1.Environment, string, error) {
			page, err := s.environments.List(ctx, &adminv1.EnvironmentServiceListRequest{PageSize: size, PageToken: token})
			all.TotalSize = page.GetTotalSize()
			return page.GetEnvironments(), page.GetNextPageToken(), err
		})
	if err != nil {
		return err
	}
	all.Environments = found
	tellMore(command.ErrOrStderr(), more)
	return flags.output.write(command.OutOrStdout(), all, func(out io.Writer) error { return present.Environments(out, found) })
}
