package main

import (
	"context"

	"github.com/spf13/cobra"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/internal/settings"
)

func newArchive(env settings.LookupEnv) *cobra.Command {
	l := &life{verb: "Archive"}
	command := &cobra.Command{
		Use:     "archive EID",
		Short:   "Archive an experiment: put it away",
		Long:    `Archive a concluded experiment or a draft: put it away, and free what slots it has.`,
		Example: `  strata archive 100`,
	}
	l.register(env, command, func(ctx context.Context, s *server, eid int32, a attempt) (outcome, error) {
		return s.experiments.Archive(ctx, &adminv1.ExperimentServiceArchiveRequest{
			Environment: s.environment, Eid: eid, ExpectedRevision: a.expectedRevision, Message: a.message,
			ValidateOnly: a.validateOnly, IdempotencyKey: a.idempotencyKey, ExpectedChecksum: a.expectedChecksum,
		})
	})
	return command
}
