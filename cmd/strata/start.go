package main

import (
	"context"

	"github.com/spf13/cobra"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/internal/settings"
)

func newStart(env settings.LookupEnv) *cobra.Command {
	l := &life{verb: "Start"}
	var traffic allocationFlags
	var layer string
	var ignoreCooling bool
	command := &cobra.Command{
		Use:   "start EID",
		Short: "Start an experiment: give a draft its slots",
		Long: `Start an experiment: give a draft its slots, those that "strata allocate" said or
those of --percent, --slots or --weights.`,
		Example: `  strata start 100
  strata start 100 --layer search --percent 1001=10 --percent 1002=10`,
	}
	l.register(env, command, func(ctx context.Context, s *server, eid int32, a attempt) (outcome, error) {
		allocation, err := traffic.allocation()
		if err != nil {
			return nil, err
		}
		return s.experiments.Start(ctx, &adminv1.ExperimentServiceStartRequest{
			Environment: s.environment, Eid: eid, ExpectedRevision: a.expectedRevision, Message: a.message,
			ValidateOnly: a.validateOnly, IdempotencyKey: a.idempotencyKey, ExpectedChecksum: a.expectedChecksum,
			Allocation: allocation, IgnoreCooling: ignoreCooling, LayerId: layer,
		})
	})
	traffic.register(command)
	command.Flags().StringVarP(&layer, "layer", "l", "", "`id` of the layer to start in, if the experiment names none")
	registerCompletion(command, "layer", l.complete(layerIDs))
	registerIgnoreCooling(command, &ignoreCooling)
	return command
}

func registerIgnoreCooling(command *cobra.Command, ignoreCooling *bool) {
	command.Flags().BoolVar(ignoreCooling, "ignore-cooling", false, "take slots that still rest after another experiment, too")
}
