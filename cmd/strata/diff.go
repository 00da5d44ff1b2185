package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/internal/present"
	"github.com/strata-exp/strata/internal/settings"
)

func newDiff(env settings.LookupEnv) *cobra.Command {
	c := newConnection(env).asAuthor()
	var files fileFlags
	var output outputFormat
	var toEnvironment string
	command := &cobra.Command{
		Use:   "diff [FROM] [TO]",
		Short: "Show what lies between two revisions, or two environments",
		Long: `Show what lies between two revisions, as a plan: by default between the one before
the newest and the newest, with FROM between that and the newest. With --to-env
TO is a revision of that environment, and both are the newest by default. With -f
it is "strata plan".

With -o json or yaml it is the answer of RevisionService/Diff, or with -f the
Plan message.

` + exitCodes,
		Example: `  strata diff
  strata diff 41 43
  strata diff --env staging --to-env production`,
		Args: func(command *cobra.Command, args []string) error {
			switch {
			case len(args) > 2:
				return fmt.Errorf("want at most two revisions, got %d arguments: %s", len(args), command.UseLine())
			case len(files.paths) > 0 && (len(args) > 0 || toEnvironment != ""):
				return errors.New("want either files or revisions to compare with, not both")
			case files.prune && len(files.paths) == 0:
				return errors.New("--prune goes with -f")
			}
			return nil
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	c.register(command)
	files.register(command)
	registerOutput(command, &output, asTable, asJSON, asYAML)
	command.Flags().StringVar(&toEnvironment, "to-env", "", "`name` of the environment that TO is a revision of")
	registerCompletion(command, "to-env", c.complete(environmentNames))
	between := c.in(func(command *cobra.Command, s *server, args []string) error {
		request, err := s.diffRequest(command, args, toEnvironment)
		if err != nil {
			return err
		}
		response, err := s.revisions.Diff(command.Context(), request)
		if err != nil {
			return err
		}
		err = output.write(command.OutOrStdout(), response, func(out io.Writer) error {
			to := strconv.FormatInt(response.GetToRevision(), 10)
			if toEnvironment != "" {
				to = toEnvironment + " at " + to
			}
			title := fmt.Sprintf("%s from revision %d to %s", s.environment, response.GetFromRevision(), to)
			return present.PlanText{Title: title}.Write(out, response.GetPlan())
		})
		if err == nil && present.Changes(response.GetPlan()) {
			return exitChanges
		}
		return err
	})
	command.RunE = func(command *cobra.Command, args []string) error {
		if len(files.paths) > 0 {
			return files.showPlan(command, c, output)
		}
		return between(command, args)
	}
	return command
}

func (s *server) diffRequest(command *cobra.Command, args []string, toEnvironment string) (*adminv1.RevisionServiceDiffRequest, error) {
	request := &adminv1.RevisionServiceDiffRequest{Environment: s.environment, ToEnvironment: toEnvironment}
	for i, into := range []*int64{&request.FromRevision, &request.ToRevision} {
		if i < len(args) {
			revision, err := parseRevision(args[i])
			if err != nil {
				return nil, err
			}
			*into = revision
		}
	}
	if len(args) == 0 && toEnvironment == "" {
		newest, err := s.newest(command.Context(), s.environment, 0)
		if err != nil {
			return nil, err
		}
		request.FromRevision, request.ToRevision = max(newest-1, 1), newest
	}
	return request, nil
}
