package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/internal/settings"
)

func newRollback(env settings.LookupEnv) *cobra.Command {
	c := newConnection(env).asAuthor()
	var flags writeFlags
	var layers []string
	command := &cobra.Command{
		Use:   "rollback REVISION",
		Short: "Go back to the contents of an earlier revision",
		Long: `Go back to the contents of an earlier revision, as a new revision. With --layer
only those layers go back, and the experiments that live in them, then or now.

` + writing,
		Example: `  strata rollback 41
  strata rollback 41 --layer search --dry-run`,
		Args:              one("the number of a revision"),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	c.register(command)
	flags.register(command)
	registerLayers(command, c, &layers, "`id` of a layer that goes back; can stand more than once; default everything")
	command.RunE = c.in(func(command *cobra.Command, s *server, args []string) error {
		revision, err := parseRevision(args[0])
		if err != nil {
			return err
		}
		w := &write{
			writeFlags: flags, server: s,
			question: fmt.Sprintf("Roll %s back to revision %d?", s.environment, revision),
			send: func(ctx context.Context, a attempt) (outcome, error) {
				return s.revisions.Rollback(ctx, &adminv1.RevisionServiceRollbackRequest{
					Environment: s.environment, Revision: revision, LayerIds: layers, ExpectedRevision: a.expectedRevision,
					Message: a.message, ValidateOnly: a.validateOnly, IdempotencyKey: a.idempotencyKey, ExpectedChecksum: a.expectedChecksum,
				})
			},
		}
		return w.run(command)
	})
	return command
}

// registerLayers adds a flag of layers.
func registerLayers(command *cobra.Command, c *connection, layers *[]string, usage string) {
	command.Flags().StringArrayVarP(layers, "layer", "l", nil, usage)
	registerCompletion(command, "layer", c.complete(layerIDs))
}
