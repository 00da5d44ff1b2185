package main

import (
	"context"

	"github.com/spf13/cobra"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/internal/settings"
)

func newResume(env settings.LookupEnv) *cobra.Command {
	l := &life{verb: "Resume"}
	var ignoreCooling bool
	command := &cobra.Command{
		Use:     "resume EID",
		Short:   "Resume an experiment: give its slots back",
		Long:    `Resume a paused experiment: give the slots back that were held for it.`,
		Example: `  strata resume 100`,
	}
	l.register(env, command, func(ctx context.Context, s *server, eid int32, a attempt) (outcome, error) {
		return s.experiments.Resume(ctx, &adminv1.ExperimentServiceResumeRequest{
			Environment: s.environment, Eid: eid, ExpectedRevision: a.expectedRevision, Message: a.message,
			ValidateOnly: a.validateOnly, IdempotencyKey: a.idempotencyKey, ExpectedChecksum: a.expectedChecksum, IgnoreCooling: ignoreCooling,
		})
	})
	registerIgnoreCooling(command, &ignoreCooling)
	return command
}
