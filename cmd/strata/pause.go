package main

import (
	"context"

	"github.com/spf13/cobra"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/internal/settings"
)

func newPause(env settings.LookupEnv) *cobra.Command {
	l := &life{verb: "Pause"}
	command := &cobra.Command{
		Use:   "pause EID",
		Short: "Pause an experiment: hold its slots out of service",
		Long: `Pause an experiment: take its slots out of service and hold them, so that no other
experiment gets them.`,
		Example: `  strata pause 100 -m "latency went up"`,
	}
	l.register(env, command, func(ctx context.Context, s *server, eid int32, a attempt) (outcome, error) {
		return s.experiments.Pause(ctx, &adminv1.ExperimentServicePauseRequest{
			Environment: s.environment, Eid: eid, ExpectedRevision: a.expectedRevision, Message: a.message,
			ValidateOnly: a.validateOnly, IdempotencyKey: a.idempotencyKey, ExpectedChecksum: a.expectedChecksum,
		})
	})
	return command
}
