package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/internal/present"
	"github.com/strata-exp/strata/internal/settings"
)

// mostRevisions is how many revisions are listed by default: a history has no
// end.
const mostRevisions = 50

func newGetRevisions(env settings.LookupEnv) *cobra.Command {
	c := newConnection(env)
	var flags listFlags
	request := &adminv1.RevisionServiceListRequest{}
	command := &cobra.Command{
		Use:     "revisions [REVISION]",
		Aliases: []string{"revision", "revs", "rev"},
		Short:   "List the history of an environment, newest first, or show one revision",
		Long: `List the history of an environment, newest first: who made each revision, when, how
and why. Or show one revision with the plan that made it.`,
		Args: atMostOne("the number of a revision"), ValidArgsFunction: cobra.NoFileCompletions,
	}
	c.register(command)
	command.Flags().StringVar(&request.Author, "author", "", "only revisions of this author, by `name`")
	flags.register(command, mostRevisions)
	command.RunE = c.in(func(command *cobra.Command, s *server, args []string) error {
		if len(args) > 0 {
			return s.getRevision(command, args[0], flags.output)
		}
		return s.listRevisions(command, request, flags)
	})
	return command
}

func (s *server) getRevision(command *cobra.Command, number string, output outputFormat) error {
	revision, err := parseRevision(number)
	if err != nil {
		return err
	}
	response, err := s.revisions.Get(command.Context(), &adminv1.RevisionServiceGetRequest{
		Environment: s.environment, At: &adminv1.RevisionServiceGetRequest_Revision{Revision: revision},
	})
	if err != nil {
		return err
	}
	return output.write(command.OutOrStdout(), response, func(out io.Writer) error {
		return present.Revision(out, s.environment, response.GetRevision(), response.GetPlan())
	})
}

func (s *server) listRevisions(command *cobra.Command, request *adminv1.RevisionServiceListRequest, flags listFlags) error {
	request.Environment = s.environment
	found, more, err := pages(command.Context(), flags.limit,
		func(ctx context.Context, size int32, token string) ([]*adminv1.Revision, string, error) {
			request.PageSize, request.PageToken = size, token
			page, err := s.revisions.List(ctx, request)
			return page.GetRevisions(), page.GetNextPageToken(), err
		})
	if err != nil {
		return err
	}
	tellMore(command.ErrOrStderr(), more)
	return flags.output.write(command.OutOrStdout(), &adminv1.RevisionServiceListResponse{Revisions: found},
		func(out io.Writer) error { return present.Revisions(out, found) })
}
