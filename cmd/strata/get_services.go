package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/internal/present"
	"github.com/strata-exp/strata/internal/settings"
)

func newGetServices(env settings.LookupEnv) *cobra.Command {
	c := newConnection(env)
	var flags listFlags
	request := &adminv1.ServiceServiceListRequest{}
	command := &cobra.Command{
		Use:     "services [NAME]",
		Aliases: []string{"service"},
		Short:   "List declared services, or show one with its schema",
		Args:    atMostOne("the name of a service"), ValidArgsFunction: completeArgument(c.complete(declaredServices)),
	}
	c.register(command)
	registerRevision(command, &request.Revision, "as of which revision; default the newest")
	flags.register(command, 0)
	command.RunE = c.in(func(command *cobra.Command, s *server, args []string) error {
		if len(args) > 0 {
			return s.getService(command, args[0], request.GetRevision(), flags.output)
		}
		all, more, err := s.listServices(command.Context(), request, flags.limit)
		if err != nil {
			return err
		}
		tellMore(command.ErrOrStderr(), more)
		return flags.output.write(command.OutOrStdout(), all, func(out io.Writer) error { return present.Services(out, all.GetServices()) })
	})
	return command
}

func (s *server) getService(command *cobra.Command, name string, revision int64, output outputFormat) error {
	response, err := s.services.Get(command.Context(), &adminv1.ServiceServiceGetRequest{
		Environment: s.environment, Service: name, Revision: revision,
	})
	if err != nil {
		return err
	}
	service := response.GetService()
	return output.write(command.OutOrStdout(), service, func(out io.Writer) error { return present.Service(out, service) })
}

func (s *server) listServices(
	ctx context.Context, request *adminv1.ServiceServiceListRequest, limit int,
) (all *adminv1.ServiceServiceListResponse, more bool, err error) {
	all = &adminv1.ServiceServiceListResponse{}
	request.Environment = s.environment
	all.Services, more, err = pages(ctx, limit, func(ctx context.Context, size int32, token string) ([]*adminv1.Service, string, error) {
		request.PageSize, request.PageToken = size, token
		page, err := s.services.List(ctx, request)
		all.TotalSize, all.Revision = page.GetTotalSize(), page.GetRevision()
		return page.GetServices(), page.GetNextPageToken(), err
	})
	return all, more, err
}

func declaredServices(ctx context.Context, s *server) ([]cobra.Completion, error) {
	if err := s.chooseEnvironment(ctx); err != nil {
		return nil, err
	}
	response, err := s.services.List(ctx, &adminv1.ServiceServiceListRequest{Environment: s.environment, PageSize: mostCompletions})
	var names []cobra.Completion
	for _, service := range response.GetServices() {
		names = append(names, described(service.GetService(), service.GetDescription()))
	}
	return names, err
}
