package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/internal/settings"
)

func newConclude(env settings.LookupEnv) *cobra.Command {
	l := &life{verb: "Conclude"}
	var winner int32
	var revert bool
	command := &cobra.Command{
		Use:   "conclude EID --winner VID | --revert",
		Short: "Conclude an experiment: ship a variant, or revert",
		Long: `Conclude a running or paused experiment. With --winner one variant gets all of its
slots; with --revert they are freed, and everyone gets what they got without it.`,
		Example: `  strata conclude 100 --winner 1002 -m "+2 % clicks"
  strata conclude 100 --revert`,
	}
	l.register(env, command, func(ctx context.Context, s *server, eid int32, a attempt) (outcome, error) {
		request := &adminv1.ExperimentServiceConcludeRequest{
			Environment: s.environment, Eid: eid, ExpectedRevision: a.expectedRevision, Message: a.message,
			ValidateOnly: a.validateOnly, IdempotencyKey: a.idempotencyKey, ExpectedChecksum: a.expectedChecksum,
			Outcome: &adminv1.ExperimentServiceConcludeRequest_Revert{Revert: true},
		}
		if (winner > 0) == revert {
			return nil, errors.New("want either the variant that won, --winner VID, or --revert")
		}
		if winner > 0 {
			request.Outcome = &adminv1.ExperimentServiceConcludeRequest_WinnerVid{WinnerVid: winner}
		}
		return s.experiments.Conclude(ctx, request)
	})
	command.Flags().Int32Var(&winner, "winner", 0, "`vid` of the variant that gets all slots")
	command.Flags().BoolVar(&revert, "revert", false, "free all slots")
	registerCompletion(command, "winner", cobra.NoFileCompletions)
	return command
}
