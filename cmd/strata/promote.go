package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/internal/settings"
)

func newPromote(env settings.LookupEnv) *cobra.Command {
	c := newConnection(env).asAuthor()
	var flags writeFlags
	var layers []string
	var from string
	var revision int64
	command := &cobra.Command{
		Use:   "promote --from NAME",
		Short: "Take over the contents of another environment",
		Long: `Take over the contents of another environment into the one of --env. Ids stay the
same. With --layer only those layers are taken, and the experiments that live in
them, here or there; declared fields then stay as they are.

` + writing,
		Example: `  strata promote --from staging --env production
  strata promote --from staging --revision 12 --env production --layer search --dry-run`,
		Args: noArguments,
	}
	c.register(command)
	flags.register(command)
	command.Flags().StringVar(&from, "from", "", "`name` of the environment to take the contents from")
	registerRevision(command, &revision, "`number` of the revision there; default the newest")
	registerLayers(command, c, &layers, "`id` of a layer to take; can stand more than once; default everything")
	registerCompletion(command, "from", c.complete(environmentNames))
	command.RunE = c.in(func(command *cobra.Command, s *server, _ []string) error {
		if from == "" {
			return errors.New("want the environment to take the contents from: --from NAME")
		}
		revision, err := s.newest(command.Context(), from, revision)
		if err != nil {
			return err
		}
		w := &write{
			writeFlags: flags, server: s,
			question: fmt.Sprintf("Promote revision %d of %s to %s?", revision, from, s.environment),
			send: func(ctx context.Context, a attempt) (outcome, error) {
				return s.revisions.Promote(ctx, &adminv1.RevisionServicePromoteRequest{
					Environment: s.environment, FromEnvironment: from, FromRevision: revision, LayerIds: layers, ExpectedRevision: a.expectedRevision,
					Message: a.message, ValidateOnly: a.validateOnly, IdempotencyKey: a.idempotencyKey, ExpectedChecksum: a.expectedChecksum,
				})
			},
		}
		return w.run(command)
	})
	return command
}

// newest returns the newest revision of an environment, unless one is given.
// What is planned and what is done are then the same, whatever comes in between.
func (s *server) newest(ctx context.Context, environment string, given int64) (int64, error) {
	if given != 0 {
		return given, nil
	}
	response, err := s.environments.Get(ctx, &adminv1.EnvironmentServiceGetRequest{Environment: environment})
	return response.GetEnvironment().GetRevision(), err
}
